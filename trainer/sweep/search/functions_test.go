package search

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// A function is something to minimise; its minimum is 0. testdata/regrets.py
// has them as well.
type function struct {
	name  string
	space []space.Parameter
	at    func(place) float64
}

// A place is a point by name, choices as their texts.
type place struct {
	number map[string]float64
	choice map[string]string
}

func functions(t testing.TB) []function {
	float := func(name string, low, high float64) space.Parameter {
		return space.Parameter{Name: name, Distribution: space.Float{Low: low, High: high}}
	}
	rate := func(name string, low, high float64) space.Parameter {
		return space.Parameter{Name: name, Distribution: space.Float{Low: low, High: high, Log: true}}
	}
	count := func(name string, low, high int, log bool) space.Parameter {
		return space.Parameter{Name: name, Distribution: space.Int{Low: low, High: high, Step: 1, Log: log}}
	}
	choice := func(name, choices string) space.Parameter {
		return space.Parameter{Name: name, Distribution: space.Categorical{Choices: strings.Split(choices, ",")}}
	}
	of := func(loss string, p space.Parameter) space.Parameter {
		p.When = &space.Condition{Parameter: "loss", Values: []string{loss}}
		return p
	}
	var six []space.Parameter
	for i := range 6 {
		six = append(six, float(fmt.Sprint("x", i), 0, 1))
	}
	return []function{
		{"branin", []space.Parameter{float("x", -5, 10), float("y", 0, 15)}, branin},
		{"hartmann", six, hartmann},
		{"rosenbrock", []space.Parameter{rate("rate0", 1e-2, 1e2), rate("rate1", 1e-2, 1e2), rate("rate2", 1e-2, 1e2)}, rosenbrock},
		{"conditional", []space.Parameter{
			rate("rate", 1e-5, 1), choice("schedule", "constant,cosine,onecycle,linear"), choice("loss", "mse,contrastive,infonce,cosent"),
			of("contrastive", float("margin", 0, 2)), of("infonce", rate("temperature", 0.005, 1)),
			of("infonce", count("negatives", 1, 64, true)), of("cosent", count("scale", 1, 60, false)),
		}, lossesWithSettings},
		{"mixed", []space.Parameter{
			count("n", 64, 1024, true), count("k", 0, 20, false),
			{Name: "s", Distribution: space.Float{Low: 0, High: 1, Step: 0.05}}, choice("c", "a,b,c,d,e"),
		}, mixed},
		{"scores", []space.Parameter{
			choice("loss", "cosent,infonce,mse,pairwise"), rate("learning-rate", 1e-4, 1e-1), float("dropout", 0, 0.5), choice("batch-size", "32,128,512"),
		}, readScores(t).below},
	}
}

func branin(p place) float64 {
	x, y := p.number["x"], p.number["y"]
	v := y - 5.1/(4*math.Pi*math.Pi)*x*x + 5/math.Pi*x - 6
	return v*v + 10*(1-1/(8*math.Pi))*math.Cos(x) + 10 - 0.397887357729738
}

// hartmann is the six-dimensional one of Dixon and Szegö 1978.
func hartmann(p place) float64 {
	alpha := []float64{1.0, 1.2, 3.0, 3.2}
	a := [][]float64{{10, 3, 17, 3.5, 1.7, 8}, {0.05, 10, 17, 0.1, 8, 14}, {3, 3.5, 1.7, 10, 17, 8}, {17, 8, 0.05, 10, 0.1, 14}}
	c := [][]float64{{1312, 1696, 5569, 124, 8283, 5886}, {2329, 4135, 8307, 3736, 1004, 9991},
		{2348, 1451, 3522, 2883, 3047, 6650}, {4047, 8828, 8732, 5743, 1091, 381}}
	sum := 0.0
	for i := range alpha {
		e := 0.0
		for j := range a[i] {
			e += a[i][j] * square(p.number[fmt.Sprint("x", j)]-c[i][j]/1e4)
		}
		sum += alpha[i] * math.Exp(-e)
	}
	return 3.32236801141551 - sum
}

// rosenbrock is in the logarithms of three rates.
func rosenbrock(p place) float64 {
	sum := 0.0
	for i := range 2 {
		z, next := math.Log10(p.number[fmt.Sprint("rate", i)]), math.Log10(p.number[fmt.Sprint("rate", i+1)])
		sum += 100*square(next-z*z) + square(1-z)
	}
	return sum
}

// lossesWithSettings: each loss has settings of its own, one of them none.
func lossesWithSettings(p place) float64 {
	f := 0.5*square(math.Log10(p.number["rate"])+2.5) +
		map[string]float64{"constant": 0.3, "cosine": 0, "onecycle": 0.15, "linear": 0.6}[p.choice["schedule"]]
	switch p.choice["loss"] {
	case "mse":
		return f + 0.4
	case "contrastive":
		return f + 0.2 + 2*square(p.number["margin"]-0.6)
	case "infonce":
		return f + 2*square(math.Log10(p.number["temperature"])+1.2) + 0.1*square(math.Log2(p.number["negatives"])-5)
	}
	return f + 0.3 + square((p.number["scale"]-25)/20)
}

// mixed has whole numbers, steps and a choice, none independent of the others.
func mixed(p place) float64 {
	away := math.Abs(p.number["s"] - 0.35)
	f := square(math.Log2(p.number["n"])-8.2)/2 + square((p.number["k"]-13)/5)*(1+2*away) + 3*away
	return f + map[string]float64{"a": 0.5, "b": 0, "c": 0.3, "d": 0.8, "e": 1.2}[p.choice["c"]] - square(math.Log2(294)-8.2)/2
}

func square(x float64) float64 { return x * x }

// A scoreTable is real trainings on a grid of settings, with straight lines
// between. Its score is the best epoch's.
type scoreTable struct {
	epochs          map[setting][]float64
	rates, dropouts []float64
	best            float64
}

type setting struct {
	loss          string
	rate, dropout float64
	batch         string
}

func readScores(t testing.TB) scoreTable {
	f, err := os.Open("testdata/scores.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	number := func(text string) float64 {
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	table := scoreTable{epochs: map[setting][]float64{}}
	rates, dropouts := map[float64]bool{}, map[float64]bool{}
	for _, r := range rows[1:] {
		at := setting{r[0], number(r[1]), number(r[2]), r[3]}
		rates[at.rate], dropouts[at.dropout] = true, true
		for _, text := range r[4:] {
			table.epochs[at] = append(table.epochs[at], number(text))
		}
		table.best = max(table.best, slices.Max(table.epochs[at]))
	}
	table.rates, table.dropouts = slices.Sorted(maps.Keys(rates)), slices.Sorted(maps.Keys(dropouts))
	return table
}

// below is how far the score of a point is below the best one.
func (s scoreTable) below(p place) float64 {
	var logs []float64
	for _, r := range s.rates {
		logs = append(logs, math.Log(r))
	}
	i, u := between(logs, math.Log(p.number["learning-rate"]))
	j, v := between(s.dropouts, p.number["dropout"])
	at := func(i, j int) float64 {
		return slices.Max(s.epochs[setting{p.choice["loss"], s.rates[i], s.dropouts[j], p.choice["batch-size"]}])
	}
	return s.best - ((1-u)*(1-v)*at(i, j) + (1-u)*v*at(i, j+1) + u*(1-v)*at(i+1, j) + u*v*at(i+1, j+1))
}

// between is the knot below, and how far x is on the way to the next.
func between(knots []float64, x float64) (int, float64) {
	i := 0
	for i < len(knots)-2 && knots[i+1] <= x {
		i++
	}
	return i, (x - knots[i]) / (knots[i+1] - knots[i])
}

// regrets is what testdata/regrets.py recorded.
type regrets struct {
	Trials    int
	Functions map[string]struct {
		Regrets []float64
		Points  []struct {
			Settings map[string]string
			Value    float64
		}
	}
}

func readRegrets(t testing.TB) regrets {
	var r regrets
	text, err := os.ReadFile("testdata/regrets.json")
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// named is a point of a space as functions take it.
func named(s space.Space, p space.Point) place {
	a := place{map[string]float64{}, map[string]string{}}
	for _, parameter := range s {
		x, ok := p[parameter.Name]
		if _, isChoice := parameter.Distribution.(space.Categorical); isChoice && ok {
			a.choice[parameter.Name] = parameter.Distribution.Text(x)
		} else if ok {
			a.number[parameter.Name] = x
		}
	}
	return a
}

// The functions here are those that Optuna was measured on.
func TestFunctionsAreThoseRecorded(t *testing.T) {
	recorded := readRegrets(t)
	for _, f := range functions(t) {
		s, err := space.New(f.space)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range recorded.Functions[f.name].Points {
			p := space.Point{}
			for _, parameter := range s {
				text, ok := want.Settings[parameter.Name]
				if !ok {
					continue
				}
				if c, isChoice := parameter.Distribution.(space.Categorical); isChoice {
					p[parameter.Name] = float64(slices.Index(c.Choices, text))
				} else if p[parameter.Name], err = strconv.ParseFloat(text, 64); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Check(p); err != nil {
				t.Errorf("%s: %v", f.name, err)
			}
			if got := f.at(named(s, p)); math.Abs(got-want.Value) > 1e-12*(1+math.Abs(want.Value)) {
				t.Errorf("%s is %v at %v, recorded %v", f.name, got, want.Settings, want.Value)
			}
		}
	}
}
