package trainer

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/loader"
)

// A ClosedForm is a matrix that follows from the training split without any
// epochs. It is judged like a learned one: against the recipe's start.
type ClosedForm interface {
	Name() string
	// Fits reports whether there is such a matrix of shape [d, k].
	Fits(d, k int) error
	// Solve looks at the training split of data and nothing else of it. For
	// graph.Dual the matrix is the left one above the right one.
	Solve(data *loader.Dataset, k int) (Beginning, error)
}

// Closed is the recipe of a closed form for embeddings of d dimensions.
func Closed(f ClosedForm, side graph.Side, d int) Recipe {
	r := Default(d)
	r.Name, r.ClosedForm, r.Side = f.Name(), f, side
	r.Epochs, r.Patience, r.Start = 1, 0, Identity{}
	return r
}

// solve stands for the only epoch of a closed form.
func (r *run) solve(ctx context.Context) (pairs int, err error) {
	if err := r.solveOnce(); err != nil {
		return 0, err
	}
	return len(r.data.Indices(loader.Train)), errorOr(ctx.Err(), r.use(r.solved))
}

// solveOnce solves the closed form unless it is solved.
func (r *run) solveOnce() (err error) {
	if r.solved.Matrix != nil {
		return nil
	}
	form := r.recipe.ClosedForm
	if r.solved, err = form.Solve(r.data, r.recipe.Dims); err != nil {
		return fmt.Errorf("%s: %w", r.data.Name, err)
	}
	if slices.ContainsFunc(r.solved.Matrix, func(v float32) bool { return !(math.Abs(float64(v)) <= math.MaxFloat32) }) {
		return fmt.Errorf("%s: %s has no finite matrix for these pairs", r.data.Name, form.Name())
	}
	return nil
}

func errorOr(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// use makes a matrix with its offset the one that texts are projected by.
func (r *run) use(b Beginning) error {
	if err := r.eval.subtract(b.Offset); err != nil {
		return err
	}
	return r.opts.Backend.Upload(r.shown, b.Matrix)
}

// result is the matrix of the best epoch with its offset.
func (r *run) result() Beginning {
	offset := r.start.Offset
	if r.recipe.ClosedForm != nil && r.state.BestEpoch > 0 {
		offset = r.solved.Offset
	}
	return Beginning{r.best, offset}
}

// positives lists the similar pairs of the training split, as rows of the table.
func positives(data *loader.Dataset) (left, right []int32, err error) {
	p := &data.Pairs
	for _, i := range data.Indices(loader.Train) {
		if data.Labels.Positive(p.Label[i]) {
			left, right = append(left, p.Left[i]), append(right, p.Right[i])
		}
	}
	if len(left) == 0 {
		return nil, nil, fmt.Errorf("no similar pairs in the training split")
	}
	return left, right, nil
}
