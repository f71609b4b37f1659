package search

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// conditional is a space in which parameters come and go over two levels.
func conditional(t testing.TB) space.Space {
	s, err := space.New([]space.Parameter{
		{Name: "temperature", Distribution: space.Float{Low: 0.01, High: 1, Log: true}, When: &space.Condition{Parameter: "loss", Values: []string{"infonce"}}},
		{Name: "loss", Distribution: space.Categorical{Choices: []string{"mse", "infonce", "cosent"}}},
		{Name: "symmetric", Distribution: space.Categorical{Choices: []string{"true", "false"}}, When: &space.Condition{Parameter: "loss", Values: []string{"infonce"}}},
		{Name: "weight", Distribution: space.Int{Low: 1, High: 9, Step: 4}, When: &space.Condition{Parameter: "symmetric", Values: []string{"true"}}},
		{Name: "dropout", Distribution: space.Float{Low: 0, High: 0.5, Step: 0.1}},
		{Name: "dims", Distribution: space.Int{Low: 2, High: 64, Step: 1, Log: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// stream is trial n's random numbers.
func stream(seed uint64, n int) *rand.Rand { return rand.New(rand.NewPCG(seed, uint64(n))) }

func TestGridTakesEveryCombinationOnce(t *testing.T) {
	s := conditional(t)
	g := Grid{Points: 4}
	// (mse, cosent, infonce with 4 temperatures · (symmetric with 3 weights, or not)) · 6 · 4
	const want = (1 + 1 + 4*(3+1)) * 6 * 4
	if size, err := g.Size(s); err != nil || size != want {
		t.Fatalf("the grid has %d points (%v), want %d", size, err, want)
	}
	seen := map[string]bool{}
	for n := range want {
		p, err := g.Next(s, n, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Check(p); err != nil {
			t.Fatalf("point %d: %v", n, err)
		}
		seen[fmt.Sprint(p)] = true // fmt sorts maps
	}
	if len(seen) != want {
		t.Errorf("%d points differ, want %d", len(seen), want)
	}
	if _, err := g.Next(s, want, nil, nil); !errors.Is(err, ErrExhausted) {
		t.Errorf("one more: %v, want ErrExhausted", err)
	}
}

// A sweep that ends after a tenth of the grid has seen every value of each
// parameter.
func TestGridIsSeenEvenly(t *testing.T) {
	s, err := space.New([]space.Parameter{
		{Name: "a", Distribution: space.Int{Low: 1, High: 10, Step: 1}},
		{Name: "b", Distribution: space.Int{Low: 1, High: 10, Step: 1}},
		{Name: "c", Distribution: space.Int{Low: 1, High: 10, Step: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]map[float64]int{"a": {}, "b": {}, "c": {}}
	for n := range 100 {
		p, err := Grid{}.Next(s, n, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, x := range p {
			counts[name][x]++
		}
	}
	for name, c := range counts {
		if least := slices.Min(slices.Collect(maps.Values(c))); len(c) < 10 || least < 7 {
			t.Errorf("%s: %v, want each of ten values about ten times", name, c)
		}
	}
}

func TestGridIsLazy(t *testing.T) {
	var parameters []space.Parameter
	for i := range 9 {
		parameters = append(parameters, space.Parameter{Name: fmt.Sprint("p", i), Distribution: space.Int{Low: 1, High: 100, Step: 1}})
	}
	s, err := space.New(parameters)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := (Grid{}).Next(s, 1<<30, nil, nil); err != nil || s.Check(p) != nil {
		t.Errorf("point 2^30 of 10^18: %v, %v", p, err)
	}
	parameters = append(parameters, space.Parameter{Name: "p9", Distribution: space.Int{Low: 1, High: 100, Step: 1}})
	if s, err = space.New(parameters); err != nil {
		t.Fatal(err)
	}
	if _, err := (Grid{}).Next(s, 0, nil, nil); err == nil {
		t.Error("a grid of 10^20 points was counted in 63 bits")
	}
}

func TestGridDividesRanges(t *testing.T) {
	for _, c := range []struct {
		d    space.Distribution
		want []float64
	}{
		{space.Float{Low: 1e-4, High: 1, Log: true}, []float64{1e-4, 1e-3, 1e-2, 1e-1, 1}},
		{space.Float{Low: -1, High: 1}, []float64{-1, -0.5, 0, 0.5, 1}},
		{space.Int{Low: 1, High: 16, Step: 1, Log: true}, []float64{1, 2, 4, 8, 16}},
		{space.Int{Low: 1, High: 6, Step: 1, Log: true}, []float64{1, 2, 3, 4, 6}},
		{space.Int{Low: 1, High: 3, Step: 1, Log: true}, []float64{1, 2, 3}},
		{space.Int{Low: 3, High: 9, Step: 2}, []float64{3, 5, 7, 9}},
		{space.Categorical{Choices: []string{"a", "b"}}, []float64{0, 1}},
	} {
		var got []float64
		for i := range (Grid{}).values(c.d) {
			got = append(got, Grid{}.value(c.d, i))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v is divided into %v, want %v", c.d, got, c.want)
		}
	}
}
