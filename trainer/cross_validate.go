package trainer

import (
	"context"
	"math"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
)

// CrossValidation is what figures call the pairs that judged a result where
// there are too few for a validation split: each training pair, under what was
// learned from the others.
const CrossValidation = "cross-validation"

// fewPairs is how many training pairs are few: what a validation split takes
// from fewer is missed more than the choice of an epoch is worth, and too little
// to choose by.
const fewPairs = 500

// HoldOut takes a validation split from the training pairs where there is none,
// unless they are so few that they are judged in parts, of which there are 0 for
// never; it reports whether they are.
func HoldOut(data *loader.Dataset, parts int) (crossed bool) {
	if pairs := len(data.Indices(loader.Train)); parts > 0 && pairs < fewPairs && len(data.Indices(loader.Validation)) == 0 {
		if _, err := data.Folds(parts, 0); err == nil {
			return true
		}
	}
	data.CarveValidation()
	return false
}

// Undivided is below how many training pairs, some of them dissimilar, the recipe
// wants no validation split, since it judges them in parts: 0 for never.
func (r Recipe) Undivided() int {
	if r.CrossValidate == 0 || r.SelectOn != loader.Validation || r.Metric == byNDCG {
		return 0
	}
	return fewPairs
}

// crossedCosines are the cosines of the training pairs, in the data set's order,
// under the start and under what was learned without each.
type crossedCosines struct {
	Start   []float32 `json:"start"`
	Learned []float32 `json:"learned"`
}

// crossValidate trains once for each part of the training pairs, on the others,
// and scores the part. Groups are not torn, so what it says is of new groups. The
// result itself has learned from all of them.
// It returns the cosines of the training pairs, in the data set's order.
func (r *run) crossValidate(ctx context.Context) (start, learned []float32, err error) {
	folds, err := r.data.Folds(r.recipe.CrossValidate, r.recipe.Seed)
	if err != nil {
		return nil, nil, err
	}
	training := r.data.Indices(loader.Train)
	place := make(map[int32]int, len(training))
	for i, pair := range training {
		place[pair] = i
	}
	start, learned = make([]float32, len(training)), make([]float32, len(training))
	for part := range int32(r.recipe.CrossValidate) {
		data := r.data.Share(1)[0]
		data.Pairs.Split = make([]loader.Split, len(folds))
		var pairs []int32
		for i, f := range folds {
			switch f {
			case -1:
				data.Pairs.Split[i] = loader.Test
			case part:
				data.Pairs.Split[i] = loader.Validation
				pairs = append(pairs, int32(i))
			}
		}
		before, after, err := r.without(ctx, data, pairs)
		if err != nil {
			return nil, nil, err
		}
		for i, pair := range pairs {
			start[place[pair]], learned[place[pair]] = before[i], after[i]
		}
	}
	return start, learned, nil
}

// without trains as the run does on the training split of data, and returns the
// cosines of pairs before and after.
func (r *run) without(ctx context.Context, data *loader.Dataset, pairs []int32) (start, learned []float32, err error) {
	w, err := NewWorkspace(data, func() (graph.Backend, error) { return r.opts.Backend, nil })
	if err != nil {
		return nil, nil, err
	}
	defer w.closeParts()
	recipe := r.recipe
	recipe.CrossValidate, recipe.Patience = 0, 0
	if recipe.Start.Name() == (Auto{}).Name() {
		recipe.Start = Identity{} // as the run's own: a part that chose would judge itself
	}
	sub, err := newRun(data, Options{Recipe: recipe, Backend: r.opts.Backend, try: &try{workspace: w, report: func(int, float64) bool { return true }}})
	if err != nil {
		return nil, nil, err
	}
	defer sub.close()
	if err := sub.begin(ctx); err != nil {
		return nil, nil, err
	}
	if start, err = sub.eval.cosines(ctx, pairs, true); err != nil {
		return nil, nil, err
	}
	if err := sub.train(ctx); err != nil {
		return nil, nil, err
	}
	learned, err = sub.eval.cosines(ctx, pairs, true)
	return start, learned, err
}

// retrained adds to the errors of cross-validated figures what other training
// pairs would have changed. Resampled groups say how the figures vary with the
// pairs that are scored, σ²/J for J parts; but the trainings share most of their
// pairs, so what they have in common does not average out. Nadeau and Bengio
// (Inference for the Generalization Error, Machine Learning 52, 2003, § 3) put
// the whole at σ²·(1/J + n₂/n₁), where n₂/n₁ = 1/(J−1) is how many pairs are
// scored for one that is learned from.
func (r *run) retrained(c rundir.Comparison) rundir.Comparison {
	parts := float64(r.recipe.CrossValidate)
	f := rundir.Figure(math.Sqrt(1 + parts/(parts-1)))
	around := func(middle rundir.Figure, i rundir.Interval) rundir.Interval {
		return rundir.Interval{Low: middle + f*(i.Low-middle), High: middle + f*(i.High-middle)}
	}
	c.AfterInterval, c.GainInterval = around(c.After, c.AfterInterval), around(c.Gain, c.GainInterval)
	c.AfterInterval.High = min(c.AfterInterval.High, 1) // which no figure exceeds
	c.GainSE *= f
	return c
}
