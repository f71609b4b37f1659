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
				c.best = figure
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

// TestASHASaves compares what a sweep of a hundred trials that ASHA prunes costs,
// in pairs that are trained on, with what random search costs from another seed
// until it is as good on validation. The space is that of the quick preset, and the
// samplers are its own and the random one. COSFIT_TEST_SAVED says from how many
// seeds; benchmarks/results/sweep.txt is recorded with 10. It takes minutes a seed.
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
	rows := make([][]saving, seeds)
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
			t.Log(seed, rows[seed])
		})
	}
	group.Wait()
	if t.Failed() {
		return
	}
	for i, sampler := range []string{"tpe", "random"} {
		var b strings.Builder
		fmt.Fprintf(&b, "%s and asha\nseed  figure   pairs  random search's pairs (trials)  ratio", sampler)
		var ratios []float64
		for seed, row := range rows {
			pruned, random := row[i].pruned, row[i].random
			ratios = append(ratios, float64(random.pairs)/float64(pruned.pairs))
			mark := " "
			if random.best < pruned.best {
				mark = ">" // it was not reached
			}
			fmt.Fprintf(&b, "\n%4d  %.4f %8d  %s%21d  (%4d)  %5.1f", seed, pruned.best, pruned.pairs, mark, random.pairs, random.trials, ratios[seed])
		}
		slices.Sort(ratios)
		median := (ratios[(seeds-1)/2] + ratios[seeds/2]) / 2
		fmt.Fprintf(&b, "\nmedian %.1f", median)
		t.Log(b.String())
		if median < 3 {
			t.Errorf("random search takes %.1f times the pairs of %s and asha, want 3", median, sampler)
		}
	}
}

// A saving is what a hundred trials with pruning cost, and random search until it
// is as good.
type saving struct{ pruned, random cost }

// compareSearches does so for two samplers.
func compareSearches(s searched, seed uint64) (savings []saving, err error) {
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
	other := r // it shares the curves
	other.seed += 1000
	for _, sampler := range []search.Sampler{search.TPE{}, search.Random{}} {
		var of saving
		if of.pruned, err = r.reach(sampler, search.ASHA{}, math.Inf(1), 100, math.MaxInt); err != nil {
			return nil, err
		}
		const most = 20 // times as many pairs are enough to see
		if of.random, err = other.reach(search.Random{}, search.NoPruner{}, of.pruned.best, math.MaxInt, most*of.pruned.pairs); err != nil {
			return nil, err
		}
		savings = append(savings, of)
	}
	return savings, nil
}
