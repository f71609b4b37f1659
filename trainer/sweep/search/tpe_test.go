package search

import (
	"math"
	"slices"
	"testing"

	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// minimise returns how far above a function's minimum the best of some trials is.
func minimise(t testing.TB, f function, sampler Sampler, trials int, seed uint64) float64 {
	s, err := space.New(f.space)
	if err != nil {
		t.Fatal(err)
	}
	var history []Trial
	best := math.Inf(1)
	for n := range trials {
		p, err := sampler.Next(s, n, history, stream(seed, n))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Check(p); err != nil {
			t.Fatalf("trial %d of %s: %v", n, f.name, err)
		}
		value := f.at(named(s, p))
		best = min(best, value)
		history = append(history, Trial{Number: n, State: Complete, Point: p, Value: -value})
	}
	return best
}

func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	return (v[len(v)/2] + v[(len(v)-1)/2]) / 2
}

// TPE comes as near to the minimum as Optuna's, and much nearer than chance.
func TestTPEBesideOptuna(t *testing.T) {
	recorded := readRegrets(t)
	repeats := 40
	if testing.Short() {
		repeats = 10
	}
	for _, f := range functions(t) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			var ours, random []float64
			for seed := range repeats {
				ours = append(ours, minimise(t, f, TPE{}, recorded.Trials, uint64(seed)))
				random = append(random, minimise(t, f, Random{}, recorded.Trials, uint64(seed)))
			}
			o, r, theirs := median(ours), median(random), median(recorded.Functions[f.name].Regrets)
			t.Logf("median regret %.4g, Optuna's %.4g (%.2f of it), random's %.4g (%.2f of it)", o, theirs, o/theirs, r, o/r)
			if testing.Short() {
				return // too few for a median that holds
			}
			if o > 1.15*theirs {
				t.Errorf("the median regret is %.4g, more than 1.15 of Optuna's %.4g", o, theirs)
			}
			if o > r/2 {
				t.Errorf("the median regret is %.4g, more than half of random's %.4g", o, r)
			}
		})
	}
}
