package main

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
	"github.com/cosfit/cosfit/trainer/sweep"
	"github.com/cosfit/cosfit/trainer/sweep/space"
	"github.com/cosfit/cosfit/trainer/sweep/study"
)

// A crew is the workers of one process on a sweep.
type crew struct {
	*cli.Context
	data            *loader.Dataset
	study           *study.Study
	searched        searched
	places          []*place
	sampler, pruner string
	seed            uint64
	trials          int
	name            string // of the process
}

// worker names the i-th.
func (w *crew) worker(i int) string { return fmt.Sprintf("%s #%d", w.name, i+1) }

// work makes trials until there are enough, showing how it goes.
func (w *crew) work() error {
	o := sweep.Options{
		Space: w.searched.space, Sampler: samplers()[w.sampler], Pruner: pruners()[w.pruner], Seed: w.seed,
		Storage: w.study, Trials: w.trials, Beat: w.study.Lease() / 6,
		Recipe: func(p space.Point) (trainer.Recipe, error) { return w.searched.recipe(p, w.data.Vectors.Dim) },
	}
	if budget := w.Duration("budget"); budget > 0 {
		o.Deadline = time.Now().Add(budget)
	}
	for i, data := range w.data.Share(len(w.places)) {
		place := w.places[i]
		o.Workers = append(o.Workers, sweep.Worker{Name: w.worker(i), Data: data, Open: func() (graph.Backend, error) { return place.open() }})
	}
	roomForWorkers(w.data, len(w.places))
	trials, err := w.study.Trials(w.Context.Context)
	if err != nil {
		return err
	}
	p := newSweepProgress(w.Context, w.data, w.searched, len(w.places), w.trials, trials)
	o.Progress = p.show
	err = sweep.Run(w.Context.Context, o)
	p.stop()
	return err
}
