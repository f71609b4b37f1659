package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
)

// ourRun is a whole run of the notebook's recipe, from data in memory to the
// files of a run directory.
func ourRun(ctx context.Context, t Task, open func() (graph.Backend, error)) (job, error) {
	data := madeUp(t)
	var timing rundir.Timing
	var clock epochs
	once := func() (took time.Duration, err error) {
		clock = epochs{}
		path, err := os.MkdirTemp("", "cosfit-bench-")
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(path)) }()
		dir, err := rundir.Create(path, false)
		if err != nil {
			return 0, err
		}
		defer dir.Unlock()
		backend, err := open()
		if err != nil {
			return 0, err
		}
		defer backend.Close()
		recipe := trainer.Notebook(t.D)
		recipe.Dims, recipe.Epochs, recipe.BatchSize = t.K, t.Epochs, t.Batch
		start := time.Now()
		summary, err := trainer.Train(ctx, data, trainer.Options{Recipe: recipe, Backend: backend, Dir: dir, Progress: clock.tick})
		timing = summary.Timing
		return time.Since(start), err
	}
	return job{timed: once, said: func() string { return parts(timing) + clock.besideFloor(t) }}, nil
}

// epochs measures the evaluations of a run.
type epochs struct {
	scoring time.Duration
	scored  int
}

func (e *epochs) tick(p trainer.Progress) {
	e.scoring += p.Scoring
	e.scored++
}

// besideFloor compares it with the matrix product that projects all texts,
// which an evaluation cannot do without.
func (e *epochs) besideFloor(t Task) string {
	if e.scored == 0 || t.Device != "" {
		return ""
	}
	product := ourProduct(Task{Benchmark: Core, What: projecting, Batch: 2 * (t.Pairs + t.Test), D: t.D, K: t.K, Threads: t.Threads})
	defer product.close()
	var times []float64
	for range 4 { // the first warms up
		start := time.Now()
		product.do()
		times = append(times, time.Since(start).Seconds())
	}
	floor, took := slices.Min(times[1:]), e.scoring.Seconds()/float64(e.scored)
	return fmt.Sprintf(" An epoch's evaluation took %.3f s, its matrix product alone needs %.3f s (%.2f).", took, floor, floor/took)
}

// parts says what a run's time was spent on.
func parts(t rundir.Timing) string {
	return fmt.Sprintf("Of the %.1f s of cosfit's last run %.1f were training and %.1f scoring. The latter has retrieval over all texts "+
		"and intervals of the figures, which its peers do not compute.", t.TotalSeconds, t.TrainSeconds, t.EvaluateSeconds)
}

// madeUp is a data set of random pairs, two of three dissimilar as the seed's
// are, no text in two of them.
func madeUp(t Task) *loader.Dataset {
	n := t.Pairs + t.Test
	d := &loader.Dataset{Name: "made up", SplitGiven: true, Labels: loader.LabelRange{Max: 1},
		Vectors: &loader.Table{Dim: t.D, Data: normal(generator(), 2*n*t.D)}}
	p := &d.Pairs
	for i := range n {
		d.Vectors.IDs = append(d.Vectors.IDs, loader.TextID(fmt.Sprint("left ", i)), loader.TextID(fmt.Sprint("right ", i)))
		p.Left, p.Right = append(p.Left, int32(2*i)), append(p.Right, int32(2*i+1))
		label, split := float32(0), loader.Train
		if i%3 == 0 {
			label = 1
		}
		if i >= t.Pairs {
			split = loader.Test
		}
		p.Label, p.Split, p.Kind = append(p.Label, label), append(p.Split, split), append(p.Kind, loader.Given)
		p.Group, p.Groups = append(p.Group, int32(i)), append(p.Groups, fmt.Sprint(i))
	}
	return d
}
