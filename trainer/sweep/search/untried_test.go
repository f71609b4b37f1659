package search

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// finite is a space of (2 + 3 + 1)·4 points.
func finite(t testing.TB) space.Space {
	s, err := space.New([]space.Parameter{
		{Name: "loss", Distribution: space.Categorical{Choices: []string{"mse", "infonce", "cosent"}}},
		{Name: "symmetric", Distribution: space.Categorical{Choices: []string{"true", "false"}}, When: &space.Condition{Parameter: "loss", Values: []string{"infonce"}}},
		{Name: "scale", Distribution: space.Int{Low: 1, High: 3, Step: 1, Log: true}, When: &space.Condition{Parameter: "loss", Values: []string{"cosent"}}},
		{Name: "dropout", Distribution: space.Float{Low: 0, High: 0.3, Step: 0.1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// states are what may become of trials.
var states = []State{Complete, Pruned, Failed, Running, Complete}

// TestNoPointTwice: a finite space is used up without a repetition, whatever
// became of the trials, and then the sampler says so.
func TestNoPointTwice(t *testing.T) {
	s := finite(t)
	const size = (2 + 3 + 1) * 4
	for _, sampler := range []Sampler{Random{}, TPE{}, TPE{Startup: 1, Candidates: 2}} {
		for seed := range uint64(5) {
			seen := map[string]bool{}
			var history []Trial
			for n := range size {
				p, err := sampler.Next(s, n, history, stream(seed, n))
				if err == nil {
					err = s.Check(p)
				}
				if err != nil {
					t.Fatalf("%s, trial %d: %v", sampler.Name(), n, err)
				}
				if seen[fmt.Sprint(p)] {
					t.Fatalf("%s: trial %d is %v again", sampler.Name(), n, p)
				}
				seen[fmt.Sprint(p)] = true
				history = append(history, Trial{Number: n, State: states[n%len(states)], Point: p, Value: -p["dropout"], Reports: []Report{{1, -p["dropout"]}}})
			}
			if p, err := sampler.Next(s, size, history, stream(seed, size)); !errors.Is(err, ErrExhausted) {
				t.Errorf("%s: one more is %v, %v, want ErrExhausted", sampler.Name(), p, err)
			}
		}
	}
}

// TestNoPointTwiceBesideContinuum: where one choice has a finite number of points and
// another does not, the finite ones are not repeated, and there is always a point.
func TestNoPointTwiceBesideContinuum(t *testing.T) {
	s, err := space.New([]space.Parameter{
		{Name: "loss", Distribution: space.Categorical{Choices: []string{"mse", "infonce"}}},
		{Name: "temperature", Distribution: space.Float{Low: 0.01, High: 1, Log: true}, When: &space.Condition{Parameter: "loss", Values: []string{"infonce"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, sampler := range []Sampler{Random{}, TPE{}} {
		var history []Trial
		plain := 0
		for n := range 60 {
			p, err := sampler.Next(s, n, history, stream(1, n))
			if err != nil {
				t.Fatal(err)
			}
			if p["loss"] == 0 {
				plain++
			}
			history = append(history, Trial{Number: n, State: Complete, Point: p, Value: 1 - p["loss"]}) // mse is the best
		}
		if plain != 1 {
			t.Errorf("%s tries its only point of mse %d times", sampler.Name(), plain)
		}
	}
}

// The last points of a large space are found too.
func TestLastPoint(t *testing.T) {
	s, err := space.New([]space.Parameter{
		{Name: "a", Distribution: space.Int{Low: 1, High: 50, Step: 1}},
		{Name: "b", Distribution: space.Int{Low: 1, High: 40, Step: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var history []Trial
	for n := range 2000 - 1 {
		p := space.Point{"a": float64(n%50 + 1), "b": float64(n/50 + 1)}
		history = append(history, Trial{Number: n, State: Complete, Point: p, Value: float64(n)})
	}
	for _, sampler := range []Sampler{Random{}, TPE{}} {
		if p, err := sampler.Next(s, 1999, history, stream(2, 1999)); err != nil || p["a"] != 50 || p["b"] != 40 {
			t.Errorf("%s: %v, %v, want the only point that is left", sampler.Name(), p, err)
		}
	}
}
