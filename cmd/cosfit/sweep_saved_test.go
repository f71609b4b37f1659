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

// TestASHASaves compares what searches cost, in pairs that are trained on, until
// they are as good on validation as the best of a hundred random trials. The
// space is that of the quick preset. Random search begins from
// another seed than those hundred trials, and so do the others, from the same.
// COSFIT_TEST_SAVED says from how many seeds; benchmarks/results/sweep.txt is
// recorded with 10. It takes half a minute of CPU time a seed.
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
	rows := make([][]cost, seeds)
	var group sync.WaitGroup
	slots := make(chan bool, 2)
	for seed := range seeds {
		group.Go(func() {
			slots <- true
			defer func() { <-slots }()
			var err error
			if rows[seed], err = compareSearches(s, uint64(seed)); err != nil {
				t.Error(err)
			}
			fmt.Fprintln(os.Stderr, seed, rows[seed])
		})
	}
	group.Wait()
	if t.Failed() {
		return
	}
	var b strings.Builder
	b.WriteString("\n              pairs trained on until as good (trials)\nseed  figure  random             random + asha      tpe + asha")
	for seed, costs := range rows {
		fmt.Fprintf(&b, "\n%4d  %.4f", seed, costs[0].best)
		for _, c := range costs[1:] {
			mark := " "
			if c.best < costs[0].best {
				mark = ">" // it was not reached
			}
			fmt.Fprintf(&b, "  %s%9d (%4d)", mark, c.pairs, c.trials)
		}
	}
	b.WriteString("\nmedian      ")
	var medians []float64
	for i := range 3 {
		var pairs []int
		for _, costs := range rows {
			pairs = append(pairs, costs[1+i].pairs)
		}
		slices.Sort(pairs)
		medians = append(medians, float64(pairs[(seeds-1)/2]+pairs[seeds/2])/2)
		fmt.Fprintf(&b, "   %9.0f, 1/%-4.1f", medians[i], medians[0]/medians[i])
	}
	t.Log(b.String())
	for _, m := range medians[1:] {
		if m > medians[0]/3 {
			t.Errorf("with ASHA the median is %.0f pairs, want at most a third of random search's %.0f", m, medians[0])
		}
	}
}

// compareSearches returns the cost of a hundred random trials, and those of
// three searches until they are as good.
func compareSearches(s searched, seed uint64) ([]cost, error) {
	data, err := loader.OpenFS(context.Background(), sample.FS(), sample.Name, loader.Options{})
	if err != nil {
		return nil, err
	}
	w, err := trainer.NewWorkspace(data, func() (graph.Backend, error) { return cpu.New(1), nil })
	if err != nil {
		return nil, err
	}
	defer w.Close()
	r := searchRun{s, w, len(data.Indices(loader.Train)), seed, map[string][]float64{}}
	hundred, err := r.reach(search.Random{}, search.NoPruner{}, math.Inf(1), 100, math.MaxInt)
	if err != nil {
		return nil, err
	}
	costs := []cost{hundred}
	r.seed += 1000
	for _, m := range []struct {
		search.Sampler
		search.Pruner
	}{{search.Random{}, search.NoPruner{}}, {search.Random{}, search.ASHA{}}, {search.TPE{}, search.ASHA{}}} {
		c, err := r.reach(m.Sampler, m.Pruner, hundred.best, math.MaxInt, 3*hundred.pairs)
		if err != nil {
			return nil, err
		}
		costs = append(costs, c)
	}
	return costs, nil
}
