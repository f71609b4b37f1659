package search

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// The densities are Optuna's. Optuna measures ranges in their own units and
// logarithmic ones in logarithms, so that its densities are smaller by their
// widths.
func TestDensitiesAreOptunas(t *testing.T) {
	var recorded struct {
		Cases []struct {
			Observed, Points map[string][]float64
			LogDensity       []float64 `json:"log_density"`
		}
	}
	text, err := os.ReadFile("testdata/parzen.json")
	if err == nil {
		err = json.Unmarshal(text, &recorded)
	}
	if err != nil {
		t.Fatal(err)
	}
	all := space.Space{
		{Name: "plain", Distribution: space.Float{Low: -2, High: 3}},
		{Name: "log", Distribution: space.Float{Low: 1e-4, High: 1e-1, Log: true}},
		{Name: "step", Distribution: space.Float{Low: 0, High: 1, Step: 0.25}},
		{Name: "whole", Distribution: space.Int{Low: 1, High: 9, Step: 2}},
		{Name: "logwhole", Distribution: space.Int{Low: 1, High: 300, Step: 1, Log: true}},
		{Name: "choice", Distribution: space.Categorical{Choices: []string{"a", "b", "c"}}},
	}
	width := map[string]float64{"plain": 5, "log": math.Log(1e3)}
	compared := 0
	for i, c := range recorded.Cases {
		var parameters []int
		trials, unit := make([]Trial, 0), 0.0
		for j, p := range all {
			observed, ok := c.Observed[p.Name]
			if !ok {
				continue
			}
			parameters = append(parameters, j)
			if w := width[p.Name]; w != 0 {
				unit += math.Log(w)
			}
			for k, x := range observed {
				if k == len(trials) {
					trials = append(trials, Trial{Number: k, Point: space.Point{}})
				}
				trials[k].Point[p.Name] = x
			}
		}
		z := estimate(all, parameters, trials, fading(len(trials)))
		for k, want := range c.LogDensity {
			var x []float64
			for _, j := range parameters {
				x = append(x, c.Points[all[j].Name][k])
			}
			if got := math.Log(z.density(x)) - unit; math.Abs(got-want) > 1e-9 {
				t.Errorf("case %d, point %d: the log density is %v, Optuna's %v", i, k, got, want)
			}
			compared++
		}
	}
	if compared < 100 {
		t.Errorf("%d densities compared, want more", compared)
	}
}

// What is drawn has the density that is computed: the shares of twenty parts
// of each side, against the density summed over each part.
func TestDrawsFollowTheDensity(t *testing.T) {
	s := conditional(t)
	for i, p := range s {
		trials := []Trial{}
		for n := range 6 {
			trials = append(trials, Trial{Number: n, Point: space.Point{p.Name: draw(p.Distribution, stream(1, n))}})
		}
		z := estimate(s, []int{i}, trials, []float64{3, 1, 1, 0, 0.5, 0.5})
		const draws = 40000
		rng := stream(2, i)
		parts := make([]float64, 20)
		part := func(x float64) int {
			if a := axisOf(p.Distribution); a != nil {
				return min(19, int(20*a.unit(x)))
			}
			return int(x)
		}
		for range draws {
			parts[part(z.draw(rng)[0])] += 1.0 / draws
		}
		want, total := make([]float64, 20), 0.0
		add := func(x, share float64) {
			want[part(x)] += z.density([]float64{x}) * share
			total += z.density([]float64{x}) * share
		}
		if n := p.Distribution.Count(); n > 0 {
			for v := range n {
				add(p.Distribution.Value(v), 1)
			}
		} else {
			for u := range 4000 {
				add(axisOf(p.Distribution).at((float64(u)+0.5)/4000, p.Distribution), 1.0/4000)
			}
		}
		if math.Abs(total-1) > 1e-3 {
			t.Errorf("%s: the density sums to %v, want 1", p.Name, total)
		}
		for k := range parts {
			if sigma := math.Sqrt(want[k] / draws); math.Abs(parts[k]-want[k]) > 5*sigma+1e-3 {
				t.Errorf("%s: part %d has a share of %v, want %v", p.Name, k, parts[k], want[k])
			}
		}
	}
}
