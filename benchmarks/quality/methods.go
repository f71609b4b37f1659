package main

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"time"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/projection"
	"github.com/cosfit/cosfit/trainer"
)

// An outcome is what a method made of a draw.
type outcome struct {
	validation, test []float32 // cosines of the carved validation pairs and of the test pairs
	// threshold that the method itself chose, where it did not leave the
	// validation pairs aside; NaN: the best on them.
	threshold float64
	settings  json.RawMessage
	seconds   float64 // learning, without scoring; of a search all its trials
	accepted  bool    // of cosfit's own: the learned matrix, not the start, is the result
}

// methodSets lists the names that --methods takes.
func methodSets() []string {
	return []string{"untrained", "closed", "default", "notebook", "query", "tuned", "peers", "tuned-peers"}
}

// closedForms lists the closed forms with the sides that they are for. What
// --recipe calls the same has these settings.
func closedForms() []closedForm {
	return []closedForm{
		{trainer.Whitening{}, graph.Both},
		{trainer.WCCN{}, graph.Both},
		{trainer.CCA{}, graph.Dual},
		{trainer.Ridge{Penalty: 1}, graph.Query},
		{trainer.Procrustes{Penalty: 1}, graph.Query},
		{trainer.MeanDifference{}, graph.Query},
	}
}

type closedForm struct {
	trainer.ClosedForm
	side graph.Side
}

// solve solves a closed form on the training pairs. It is not judged, so it may
// be worse than nothing.
func (f closedForm) solve(d *draw) (outcome, error) {
	begun := time.Now()
	b, err := f.Solve(d.carved, d.all.Vectors.Dim)
	if err != nil {
		return outcome{}, err
	}
	dim := d.all.Vectors.Dim
	p := &projection.Projection{Matrix: b.Matrix[:dim*dim], Offset: b.Offset, In: dim, Out: dim}
	p.Metadata.Side = f.side.String()
	if f.side == graph.Dual {
		p.MatrixRight = b.Matrix[dim*dim:]
	}
	return d.score(p, time.Since(begun))
}

// score applies a matrix, or none, to the pairs.
func (d *draw) score(p *projection.Projection, learning time.Duration) (outcome, error) {
	o := outcome{threshold: math.NaN(), seconds: learning.Seconds(), accepted: true}
	var err error
	if o.validation, err = cosines(d.all.Vectors, p, listOf(d.carved, d.carved.Indices(loader.Validation))); err != nil {
		return o, err
	}
	o.test, err = cosines(d.all.Vectors, p, listOf(d.all, d.test))
	return o, err
}

// cosines of pairs under a matrix; nil is none.
func cosines(table *loader.Table, p *projection.Projection, pairs list) ([]float32, error) {
	left, right := p, p
	if p != nil {
		left, right = p.Left(), p.Right()
	}
	a, err := projected(table, left, pairs.Left)
	if err != nil {
		return nil, err
	}
	b, err := projected(table, right, pairs.Right)
	if err != nil {
		return nil, err
	}
	out := make([]float32, len(pairs.Left))
	for i := range out {
		x, y := a[pairs.Left[i]], b[pairs.Right[i]]
		dot := 0.0
		for j := range x {
			dot += float64(x[j]) * float64(y[j])
		}
		out[i] = float32(dot)
	}
	return out, nil
}

// projected returns rows of the table, turned and of length 1.
func projected(table *loader.Table, p *projection.Projection, rows []int32) (map[int32][]float32, error) {
	out := make(map[int32][]float32, len(rows))
	var unique []int32
	for _, row := range rows {
		if _, ok := out[row]; !ok {
			out[row] = nil
			unique = append(unique, row)
		}
	}
	x := make([]float32, len(unique)*table.Dim)
	if err := table.Read(unique, x); err != nil {
		return nil, err
	}
	width := table.Dim
	if p != nil {
		width = p.Out
		y := make([]float32, len(unique)*width)
		p.ApplyAll(y, x, false, 0)
		x = y
	}
	for i, row := range unique {
		v := x[i*width : (i+1)*width]
		norm := 0.0
		for _, e := range v {
			norm += float64(e) * float64(e)
		}
		for j := range v {
			v[j] = float32(float64(v[j]) / math.Sqrt(norm))
		}
		out[row] = v
	}
	return out, nil
}

// train trains by a recipe as cosfit train would. No test pair is there: not
// even to be scored.
func (d *draw) train(ctx context.Context, data *loader.Dataset, recipe trainer.Recipe, work string, threads int) (outcome, error) {
	folder, err := os.MkdirTemp(work, "run")
	if err != nil {
		return outcome{}, err
	}
	defer os.RemoveAll(folder)
	dir, err := rundir.Create(folder, false)
	if err != nil {
		return outcome{}, err
	}
	defer dir.Unlock()
	backend := cpu.New(threads)
	defer backend.Close()
	own := *data
	own.Pairs.Split = append([]loader.Split{}, data.Pairs.Split...) // a recipe may carve a validation split from it
	recipe.Seed = d.seed()
	begun := time.Now()
	summary, err := trainer.Train(ctx, &own, trainer.Options{Recipe: recipe, Backend: backend, Dir: dir, CheckpointEvery: time.Hour})
	if err != nil {
		return outcome{}, err
	}
	took := time.Since(begun)
	p, err := dir.ReadMatrix()
	if err != nil {
		return outcome{}, err
	}
	o, err := d.score(p, took)
	if t := p.Metadata.Threshold; t != nil {
		o.threshold = *t
	}
	o.accepted = summary.Judgement.Accepted
	if config, e := recipe.Config(); e == nil {
		o.settings, _ = json.Marshal(config)
	}
	return o, err
}

// notebook trains by the notebook's recipe. It chooses its epoch on the split
// that it calls test; here that is validation, or it could not be compared.
func (d *draw) notebook(ctx context.Context, work string, threads int) (outcome, error) {
	data := *d.carved
	data.Pairs.Split = append([]loader.Split{}, d.carved.Pairs.Split...)
	for i, s := range data.Pairs.Split {
		if s == loader.Validation {
			data.Pairs.Split[i] = loader.Test
		}
	}
	return d.train(ctx, &data, trainer.Notebook(data.Vectors.Dim), work, threads)
}

// drawn is the default recipe with its main settings drawn at random, but for
// trial 0.
func (d *draw) drawn(recipe trainer.Recipe, trial int) trainer.Recipe {
	if trial == 0 {
		return recipe
	}
	rng := rand.New(rand.NewPCG(d.seed(), uint64(trial)))
	recipe.LearningRate *= math.Pow(10, rng.Float64()-0.5)
	recipe.Dropout = []float64{0, 0.1, 0.3}[rng.IntN(3)]
	recipe.Epochs = []int{recipe.Epochs / 2, recipe.Epochs, recipe.Epochs * 2}[rng.IntN(3)]
	recipe.BatchSize = []int{64, 128, 256}[rng.IntN(3)]
	if w, ok := recipe.Optimizer.(trainer.AdamW); ok {
		w.WeightDecay *= math.Pow(10, 1.5*rng.Float64()-1)
		recipe.Optimizer = w
	}
	losses := []graph.Objective{recipe.Loss, graph.MSE{}, graph.Logistic{Scale: 20, Threshold: 0.5}, graph.CoSENT{Scale: 20}}
	if !d.all.Labels.Graded {
		losses = append(losses, graph.InfoNCE{Temperature: 0.05}, graph.Pairwise{Scale: 20})
	}
	recipe.Loss = losses[rng.IntN(len(losses))]
	if rng.IntN(2) == 1 {
		recipe.Start = trainer.Centred{}
	}
	return recipe
}

// figures of an outcome; unseen leaves the test pairs out that share a text or
// their group with the training split.
func (d *draw) figures(o outcome, unseen bool) (*scored, float64) {
	validation := listOf(d.carved, d.carved.Indices(loader.Validation))
	threshold := o.threshold
	if math.IsNaN(threshold) && !d.all.Labels.Graded {
		threshold = bestThreshold(o.validation, validation.Labels)
	}
	pairs, cosines := listOf(d.all, d.test), o.test
	if unseen {
		var kept list
		var of []float32
		for i, shared := range d.shared {
			if !shared {
				one := list{pairs.Left[i : i+1], pairs.Right[i : i+1], pairs.Labels[i : i+1], pairs.Groups[i : i+1]}
				kept, of = kept.then(one), append(of, cosines[i])
			}
		}
		pairs, cosines = kept, of
	}
	return newScored(cosines, pairs, d.all.Labels.Graded, threshold), d.validated(o)
}

// validated is the deciding figure on the validation pairs.
func (d *draw) validated(o outcome) float64 {
	validation := listOf(d.carved, d.carved.Indices(loader.Validation))
	return newScored(o.validation, validation, d.all.Labels.Graded, math.NaN()).primary(nil)
}
