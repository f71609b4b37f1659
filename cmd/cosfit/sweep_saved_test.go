package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/sample"
	"github.com/cosfit/cosfit/trainer"
	"github.com/cosfit/cosfit/trainer/sweep/search"
	"github.com/cosfit/cosfit/trainer/sweep/space"
	"github.com/urfave/cli/v2"
)

// A searchRun is sweeps of one worker from one seed, which stop as soon as they
// have reached a figure. What a trial reports is remembered, since sweeps make
// the same ones.
type searchRun struct {
	searched  searched
	workspace *trainer.Workspace
	pairs     int // of an epoch
	seed      uint64
	curves    map[string][]float64 // of trials to their end, by their settings
}

// A cost is what a sweep reached and what that took.
type cost struct {
	best   float64
	until  int // pairs trained on until that was reached
	pairs  int
	trials int
}

// reach makes trials until one reports want, or so many were made or pairs
// trained on.
func (r searchRun) reach(sampler search.Sampler, pruner search.Pruner, want float64, trials, most int) (c cost, err error) {
	var history []search.Trial
	c.best = math.Inf(-1)
	for ; c.trials < trials && c.pairs < most && c.best < want; c.trials++ {
		point, err := sampler.Next(r.searched.space, c.trials, history, rand.New(rand.NewPCG(r.seed, uint64(c.trials))))
		if err != nil {
			return c, err
		}
		trial := search.Trial{Number: c.trials, Point: point, State: search.Complete, Value: math.Inf(-1)}
		diverged, err := r.try(point, func(epoch int, figure float64) bool {
			c.pairs += r.pairs
			trial.Value = max(trial.Value, figure)
			trial.Reports = append(trial.Reports, search.Report{Step: epoch, Value: figure})
			if figure > c.best {
				c.best, c.until = figure, c.pairs
			}
			if c.best >= want || c.pairs >= most {
				return false
			}
			if pruner.Prune(trial, history) {
				trial.State = search.Pruned
			}
			return trial.State != search.Pruned
		})
		if err != nil {
			return c, err
		}
		if diverged {
			trial.State, trial.Value = search.Failed, math.NaN()
		}
		history = append(history, trial)
	}
	return c, nil
}

// try trains at a point, or remembers it.
func (r searchRun) try(p space.Point, report func(epoch int, figure float64) bool) (diverged bool, err error) {
	key := fmt.Sprint(r.searched.settings(p))
	if curve, ok := r.curves[key]; ok {
		for i, figure := range curve {
			if !report(i+1, figure) {
				break
			}
		}
		return false, nil
	}
	recipe, err := r.searched.recipe(p, 384)
	if err != nil {
		return false, err
	}
	var curve []float64
	tried, err := trainer.Try(context.Background(), r.workspace, recipe, func(epoch int, figure float64) bool {
		curve = append(curve, figure)
		return report(epoch, figure)
	})
	if d := (*trainer.DivergedError)(nil); errors.As(err, &d) {
		return true, nil
	}
	if err == nil && !tried.Stopped {
		r.curves[key] = curve
	}
	return false, err
}

// TestASHASaves compares what searches of the quick preset cost, in pairs that
// are trained on, until they reach the figure that a hundred random trials end
// with. COSFIT_TEST_SAVED says from how many seeds; benchmarks/results/sweep.txt
// is recorded with 10. It takes some minutes of CPU time a seed.
func TestASHASaves(t *testing.T) {
	seeds, _ := strconv.Atoi(os.Getenv("COSFIT_TEST_SAVED"))
	if seeds == 0 {
		t.Skip("takes minutes; COSFIT_TEST_SAVED=10 runs it from 10 seeds")
	}
	var s searched
	app := newApp(nil, nil)
	for _, c := range app.Commands {
		if c.Name == "sweep" {
			c.Action = func(c *cli.Context) (err error) { s, err = searchedFrom(c); return err }
		}
	}
	if err := app.Run([]string{"cosfit", "sweep", "--preset", "quick"}); err != nil {
		t.Fatal(err)
	}
	methods := []struct {
		name    string
		sampler search.Sampler
		pruner  search.Pruner
	}{
		{"random + asha", search.Random{}, search.ASHA{}},
		{"tpe + asha", search.TPE{}, search.ASHA{}},
	}
	type row struct {
		text   string
		ratios []float64
	}
	rows := make([]row, seeds)
	var group sync.WaitGroup
	slots := make(chan bool, 2)
	for seed := range seeds {
		group.Go(func() {
			slots <- true
			defer func() { <-slots }()
			data, err := loader.OpenFS(context.Background(), sample.FS(), sample.Name, loader.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			w, err := trainer.NewWorkspace(data, func() (graph.Backend, error) { return cpu.New(1), nil })
			if err != nil {
				t.Error(err)
				return
			}
			defer w.Close()
			r := searchRun{s, w, len(data.Indices(loader.Train)), uint64(seed), map[string][]float64{}}
			random, err := r.reach(search.Random{}, search.NoPruner{}, math.Inf(1), 100, math.MaxInt)
			if err != nil {
				t.Error(err)
				return
			}
			text := fmt.Sprintf("%4d  %.4f  %9d %9d", seed, random.best, random.pairs, random.until)
			for _, m := range methods {
				c, err := r.reach(m.sampler, m.pruner, random.best, math.MaxInt, random.pairs)
				if err != nil {
					t.Error(err)
					return
				}
				ratio := float64(random.pairs) / float64(c.pairs)
				if c.best < random.best { // not for the cost of all random trials
					ratio = 0
				}
				rows[seed].ratios = append(rows[seed].ratios, ratio)
				text += fmt.Sprintf("  %9d %4d %5.1f", c.pairs, c.trials, ratio)
			}
			rows[seed].text = text
			fmt.Fprintln(os.Stderr, text)
		})
	}
	group.Wait()
	var b strings.Builder
	fmt.Fprintf(&b, "\nseed  figure  random's pairs, until")
	for _, m := range methods {
		fmt.Fprintf(&b, "  %s: pairs, trials, ratio", m.name)
	}
	for _, r := range rows {
		fmt.Fprintf(&b, "\n%s", r.text)
	}
	for i, m := range methods {
		var ratios []float64
		for _, r := range rows {
			ratios = append(ratios, r.ratios[i])
		}
		slices.Sort(ratios)
		median := (ratios[(len(ratios)-1)/2] + ratios[len(ratios)/2]) / 2
		fmt.Fprintf(&b, "\nmedian of %s: %.1f ×", m.name, median)
		if strings.HasSuffix(m.name, "asha") && median < 3 {
			t.Errorf("%s needs only 1/%.1f of random search's pairs, want a third at most", m.name, median)
		}
	}
	t.Log(b.String())
}
