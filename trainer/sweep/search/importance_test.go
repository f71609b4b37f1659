package search

import (
	"math"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// The shares are those of the analytic decomposition of variance, wherever the
// sampler looked.
func TestImportanceIsAnalytic(t *testing.T) {
	unit := func(name string) space.Parameter {
		return space.Parameter{Name: name, Distribution: space.Float{Low: 0, High: 1}}
	}
	choice := func(name, choices string) space.Parameter {
		return space.Parameter{Name: name, Distribution: space.Categorical{Choices: strings.Split(choices, ",")}}
	}
	when := func(p space.Parameter, parent, value string) space.Parameter {
		p.When = &space.Condition{Parameter: parent, Values: []string{value}}
		return p
	}
	for _, c := range []struct {
		name   string
		space  []space.Parameter
		f      func(p place) float64
		shares map[string]float64
	}{
		// Var(3x) is 9/12, Var(y) is 1/12.
		{"sum", []space.Parameter{unit("z"), unit("y"), unit("x")}, func(p place) float64 { return 3*p.number["x"] + p.number["y"] },
			map[string]float64{"x": 0.9, "y": 0.1, "z": 0}},
		// log10 x is uniform on −4..−1, whose variance is 9/12; y on 1..10, 99/12.
		{"scales", []space.Parameter{
			{Name: "x", Distribution: space.Float{Low: 1e-4, High: 1e-1, Log: true}},
			{Name: "y", Distribution: space.Int{Low: 1, High: 10, Step: 1}}, unit("z")},
			func(p place) float64 { return 1e6 + 3*math.Log10(p.number["x"]) + p.number["y"] },
			map[string]float64{"x": 6.75 / 15, "y": 8.25 / 15, "z": 0}},
		// Of the choices' 0, 1, 2 and 5 the variance is 3.5.
		{"choices", []space.Parameter{choice("c", "a,b,c,d"), unit("x"), choice("z", "a,b,c,d,e")},
			func(p place) float64 {
				return 3*p.number["x"] + map[string]float64{"a": 2, "b": 0, "c": 5, "d": 1}[p.choice["c"]]
			},
			map[string]float64{"c": 3.5 / 4.25, "x": 0.75 / 4.25, "z": 0}},
		// Neither says anything without the other: all is interaction.
		{"interaction", []space.Parameter{choice("sign", "plus,minus"), unit("x"), unit("z")},
			func(p place) float64 {
				return map[string]float64{"plus": 1, "minus": -1}[p.choice["sign"]] * (p.number["x"] - 0.5)
			},
			map[string]float64{"sign": 0, "x": 0, "z": 0}},
		// The loss moves the mean from 0 to 2 in half of the space, a variance of 1;
		// temperature adds 4/12 within infonce.
		{"conditional", []space.Parameter{choice("loss", "mse,infonce"), when(unit("temperature"), "loss", "infonce"), when(unit("z"), "loss", "mse")},
			func(p place) float64 {
				if p.choice["loss"] == "mse" {
					return 0
				}
				return 1 + 2*p.number["temperature"]
			},
			map[string]float64{"loss": 1 / (1 + 1.0/6), "temperature": 1.0 / 6 / (1 + 1.0/6), "z": 0}},
		// The loss does not move the mean; temperature exists in a quarter of the
		// space and explains 36/12 there. Symmetric's own mean is 1 in both cases.
		{"nested", []space.Parameter{choice("loss", "mse,infonce"), when(choice("symmetric", "true,false"), "loss", "infonce"), when(unit("temperature"), "symmetric", "true"), unit("z")},
			func(p place) float64 {
				if p.choice["symmetric"] != "true" {
					return 3
				}
				return 6 * p.number["temperature"]
			},
			map[string]float64{"loss": 0, "symmetric": 0, "temperature": 1, "z": 0}},
	} {
		s, err := space.New(c.space)
		if err != nil {
			t.Fatal(err)
		}
		for _, sampler := range []Sampler{Random{}, TPE{}} {
			var history []Trial
			for n := range 200 {
				p, err := sampler.Next(s, n, history, stream(5, n))
				if err != nil {
					t.Fatal(err)
				}
				history = append(history, Trial{Number: n, State: Complete, Point: p, Value: c.f(named(s, p))})
			}
			tolerance := 0.06
			switch {
			case sampler.Name() == "tpe": // which leaves most of the space empty
				tolerance = 0.2
			case c.name == "interaction": // where trees have to begin with a split that gains nothing
				tolerance = 0.15
			}
			got, err := ImportanceOf(s, history, stream(6, 0))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s, %s: %v, rest %v", c.name, sampler.Name(), got.Shares, got.Rest)
			rest := 1.0
			for i, share := range got.Shares {
				if want := c.shares[share.Parameter]; math.Abs(share.Share-want) > tolerance {
					t.Errorf("%s, %s: %s explains %.3f, want %.3f", c.name, sampler.Name(), share.Parameter, share.Share, want)
				}
				if i > 0 && share.Share > got.Shares[i-1].Share {
					t.Errorf("%s: the shares do not descend: %v", c.name, got.Shares)
				}
				rest -= share.Share
			}
			if math.Abs(got.Rest-max(0, rest)) > 1e-12 || got.Trials != len(history) {
				t.Errorf("%s: %+v, want a rest of %v and %d trials", c.name, got, rest, len(history))
			}
		}
	}
}

func TestImportanceOfLittle(t *testing.T) {
	s := space.Space{{Name: "x", Distribution: space.Float{Low: 0, High: 1}}, {Name: "c", Distribution: space.Categorical{Choices: []string{"only"}}}}
	var history []Trial
	for n := range 40 {
		history = append(history, Trial{Number: n, State: Complete, Point: space.Point{"x": float64(n) / 40, "c": 0}, Value: 7})
	}
	got, err := ImportanceOf(s, history, stream(0, 0))
	if err != nil || got.Shares[0].Share != 0 || got.Shares[1].Share != 0 || got.Rest != 0 {
		t.Errorf("of trials that are all alike: %+v, %v, want zeros", got, err)
	}
	for n := range history[:31] {
		history[n].State = Failed
		history[n].Value = math.NaN()
	}
	if _, err := ImportanceOf(s, history, stream(0, 0)); err == nil || !strings.Contains(err.Error(), "at least 10 trials with a value, and there are 9") {
		t.Errorf("of nine trials: %v, want a sentence", err)
	}
}
