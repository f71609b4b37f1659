package trainer

import (
	"cmp"
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
// from fewer is missed more than the time is worth that training in parts takes,
// and too little to judge by.
const fewPairs = 2000

// choosingPairs is how many training pairs it takes to choose an epoch by them.
// Of fewer all epochs are trained.
const choosingPairs = 500

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

// A crossValidation is the cosines of the training pairs, in the data set's order,
// under the start and under what was learned without each in some epochs.
type crossValidation struct {
	Start   []float32 `json:"start"`
	Learned []float32 `json:"learned"`
	Epochs  int       `json:"epochs"`
}

// choosing reports whether there are pairs enough to choose by.
func (r *run) choosing() bool { return len(r.data.Indices(loader.Train)) >= choosingPairs }

// crossValidate judges each part of the training pairs by what is learned from the
// others. The result itself has learned from all of them, in as many epochs as were
// best, or in all where the pairs are too few to tell.
func (r *run) crossValidate(ctx context.Context) (*crossValidation, error) {
	epochs, err := r.unseenCosines(ctx, r.chosenStart(), r.recipe.Epochs)
	if err != nil {
		return nil, err
	}
	best := r.recipe.Epochs
	if r.choosing() {
		best = 1
		for epoch := range epochs {
			if r.crossedScores(epochs[epoch]).figure(r.figure) > r.crossedScores(epochs[best]).figure(r.figure) {
				best = max(epoch, 1)
			}
		}
	}
	return &crossValidation{epochs[0], epochs[best], best}, nil
}

// A fold is a part of the training pairs, and a workspace of the data in which it is
// the validation split.
type fold struct {
	pairs     []int32
	workspace *Workspace
}

// cut makes the folds. Groups are not torn, so what they say is of new groups.
func (r *run) cut() error {
	of, err := r.data.Folds(r.recipe.CrossValidate, r.recipe.Seed)
	if err != nil {
		return err
	}
	for part := range int32(r.recipe.CrossValidate) {
		var f fold
		data := r.data.Share(1)[0]
		data.Pairs.Split = make([]loader.Split, len(of))
		for i, is := range of {
			switch is {
			case -1:
				data.Pairs.Split[i] = loader.Test
			case part:
				data.Pairs.Split[i] = loader.Validation
				f.pairs = append(f.pairs, int32(i))
			}
		}
		if f.workspace, err = NewWorkspace(data, func() (graph.Backend, error) { return r.opts.Backend, nil }); err != nil {
			return err
		}
		r.folds = append(r.folds, f)
	}
	return nil
}

// closeFolds gives back all but the backend, which is the run's.
func (r *run) closeFolds() {
	for _, f := range r.folds {
		f.workspace.closeParts()
	}
	r.folds = nil
}

// unseenCosines begins at a start without each fold, trains some epochs, none or the
// recipe's, and returns the cosines of all training pairs, each by what has not seen
// it, after each epoch, those of the start first.
func (r *run) unseenCosines(ctx context.Context, start Start, epochs int) (cosines [][]float32, err error) {
	training := r.data.Indices(loader.Train)
	place := make(map[int32]int, len(training))
	for i, pair := range training {
		place[pair] = i
	}
	for range epochs + 1 {
		cosines = append(cosines, make([]float32, len(training)))
	}
	for _, f := range r.folds {
		err := r.leaveOut(ctx, f, start, epochs > 0, func(sub *run, epoch int) error {
			of, err := sub.eval.cosines(ctx, f.pairs, true)
			for i, c := range of {
				cosines[epoch][place[f.pairs[i]]] = c
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return cosines, nil
}

// leaveOut trains from a start as the run does, but for a fold, and calls scored at the
// start, which is epoch 0, and after each epoch.
func (r *run) leaveOut(ctx context.Context, f fold, start Start, train bool, scored func(sub *run, epoch int) error) error {
	recipe := r.recipe
	recipe.CrossValidate, recipe.Patience, recipe.Start = 0, 0, start
	var sub *run
	var failed error
	t := &try{workspace: f.workspace, part: true, report: func(epoch int, _ float64) bool {
		if failed = scored(sub, epoch); failed == nil {
			r.tellFolds()
		}
		return failed == nil
	}}
	sub, err := newRun(f.workspace.data, Options{Recipe: recipe, Backend: r.opts.Backend, try: t})
	if err != nil {
		return err
	}
	defer sub.close()
	if err := sub.begin(ctx); err != nil {
		return err
	}
	if err = scored(sub, 0); err == nil {
		r.tellFolds()
	}
	if err == nil && train {
		err = cmp.Or(sub.train(ctx), failed)
	}
	return cmp.Or(ctx.Err(), err) // an interrupted part has left no checkpoint
}

// tellFolds counts how often a fold has been scored: under the starts that
// Auto compares, and under the start and each epoch of a training.
func (r *run) tellFolds() {
	if r.opts.CrossValidating == nil {
		return
	}
	r.leftOut++
	each := 1 + r.recipe.Epochs
	if r.chooses() {
		each += len(r.candidates())
	}
	r.opts.CrossValidating(r.leftOut, len(r.folds)*each)
}

// crossedScores are scores of the training pairs.
func (r *run) crossedScores(cosines []float32) splitScores {
	return r.eval.split(r.data.Indices(loader.Train), measured{cosines: cosines}, loader.Train)
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
