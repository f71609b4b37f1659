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
	"github.com/urfave/cli/v2"
)

// A searchRun is a sweep of one worker that stops as soon as it has reached a
// figure.
type searchRun struct {
	searched  searched
	workspace *trainer.Workspace
	pairs     int // of an epoch
	seed      uint64
}

// reach makes trials until one reports want, or so many were made or pairs
// trained on. It returns the highest figure, the pairs trained on until it was
// reached, and all pairs.
func (r searchRun) reach(sampler search.Sampler, pruner search.Pruner, want float64, trials, most int) (best float64, until, all, made int, err error) {
	var history []search.Trial
	best = math.Inf(-1)
	for n := 0; n < trials && all < most && best < want; n++ {
		point, err := sampler.Next(r.searched.space, n, history, rand.New(rand.NewPCG(r.seed, uint64(n))))
		if err != nil {
			return best, until, all, made, err
		}
		recipe, err := r.searched.recipe(point, 384)
		if err != nil {
			return best, until, all, made, err
		}
		trial := search.Trial{Number: n, Point: point, State: search.Complete, Value: math.Inf(-1)}
		_, err = trainer.Try(context.Background(), r.workspace, recipe, func(epoch int, figure float64) bool {
			all += r.pairs
			trial.Value = max(trial.Value, figure)
			trial.Reports = append(trial.Reports, search.Report{Step: epoch, Value: figure})
			if figure > best {
				best, until = figure, all
			}
			if best >= want || all >= most {
				return false
			}
			if epoch < recipe.Epochs && pruner.Prune(trial, history) {
				trial.State = search.Pruned
				return false
			}
			return true
		})
		if diverged := (*trainer.DivergedError)(nil); errors.As(err, &diverged) {
			trial.State, trial.Value, err = search.Failed, math.NaN(), nil
		}
		if err != nil {
			return best, until, all, made, err
		}
		history = append(history, trial)
		made++
	}
	return best, until, all, made, nil
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
		{"tpe", search.TPE{}, search.NoPruner{}},
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
			r := searchRun{s, w, len(data.Indices(loader.Train)), uint64(seed)}
			want, until, all, _, err := r.reach(search.Random{}, search.NoPruner{}, math.Inf(1), 100, math.MaxInt)
			if err != nil {
				t.Error(err)
				return
			}
			text := fmt.Sprintf("%4d  %.4f  %9d %9d", seed, want, all, until)
			for _, m := range methods {
				best, _, cost, made, err := r.reach(m.sampler, m.pruner, want, math.MaxInt, all)
				if err != nil {
					t.Error(err)
					return
				}
				ratio := float64(all) / float64(cost)
				if best < want { // not for the cost of all random trials
					ratio = 0
				}
				rows[seed].ratios = append(rows[seed].ratios, ratio)
				text += fmt.Sprintf("  %9d %4d %5.1f", cost, made, ratio)
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
