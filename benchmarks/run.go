package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
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
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(t.Threads)) // what a run computes without a backend
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
	product := ourProduct(Task{Benchmark: Core, What: projecting, Batch: t.unique(), D: t.D, K: t.K, Threads: t.Threads})
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

// pairsPerQuery is how many pairs a query has, the first of them similar: as
// nearly all of the seed's have.
const pairsPerQuery = 3

// queries is how many queries so many pairs have.
func queries(pairs int) int { return (pairs + pairsPerQuery - 1) / pairsPerQuery }

// unique is how many texts a run's data have: a passage for each pair, and the
// queries.
func (t Task) unique() int { return t.Pairs + t.Test + queries(t.Pairs) + queries(t.Test) }

// madeUp is a data set of random pairs, in groups of a query.
func madeUp(t Task) *loader.Dataset {
	d := &loader.Dataset{Name: "made up", SplitGiven: true, Labels: loader.LabelRange{Max: 1},
		Vectors: &loader.Table{Dim: t.D, Data: normal(generator(), t.unique()*t.D)}}
	text := func(what string) int32 {
		n := d.Vectors.Rows()
		d.Vectors.IDs = append(d.Vectors.IDs, loader.TextID(fmt.Sprint(what, n)))
		return int32(n)
	}
	p := &d.Pairs
	for split, pairs := range [...]int{loader.Train: t.Pairs, loader.Test: t.Test} {
		var query int32
		for i := range pairs {
			label := float32(0)
			if i%pairsPerQuery == 0 {
				label = 1
				p.Groups = append(p.Groups, fmt.Sprint(len(p.Groups)))
				query = text("query ")
			}
			p.Left, p.Right = append(p.Left, query), append(p.Right, text("passage "))
			p.Label, p.Split, p.Kind = append(p.Label, label), append(p.Split, loader.Split(split)), append(p.Kind, loader.Given)
			p.Group = append(p.Group, int32(len(p.Groups)-1))
		}
	}
	return d
}
