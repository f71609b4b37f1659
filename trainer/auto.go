package trainer

import (
	"context"
	"fmt"
	"math"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/loader"
)

// Auto starts from whichever of a few starts that need no labels compares the
// pairs best that judge the result. The embeddings as they are stay where no
// other start is better by more than one standard error over groups.
type Auto struct{}

// Name returns "auto".
func (Auto) Name() string { return "auto" }

// Fits wants k ≤ d, as the starts do.
func (Auto) Fits(d, k int) error { return notWider("auto", d, k, orRandom) }

// Begin is the start where there is nothing to choose by: the embeddings as
// they are.
func (Auto) Begin(data *loader.Dataset, k int, seed uint64) (Beginning, error) {
	return Identity{}.Begin(data, k, seed)
}

// starts are what Auto chooses from; the first has to be beaten.
func (Auto) starts(d, k int, side graph.Side) []Start {
	starts := []Start{Identity{}, Centred{}}
	if side == graph.Query { // others would turn the queries away from the passages
		return starts
	}
	if k < d {
		starts = append(starts, PCA{})
	}
	return append(starts, white{})
}

// white starts from the closed form Whitening, as large as eye(d, k), so that a
// learning rate means the same.
type white struct{}

func (white) Name() string        { return "whitening" }
func (white) Fits(d, k int) error { return Whitening{}.Fits(d, k) }

func (white) Begin(data *loader.Dataset, k int, _ uint64) (Beginning, error) {
	b, err := Whitening{}.Solve(data, k)
	square := 0.0
	for _, v := range b.Matrix {
		square += float64(v) * float64(v)
	}
	scale := float32(math.Sqrt(float64(k) / square))
	for i := range b.Matrix {
		b.Matrix[i] *= scale
	}
	return b, err
}

// beginning makes the start of the run, or chooses it.
func (r *run) beginning(ctx context.Context) (Beginning, error) {
	if r.recipe.Start.Name() != (Auto{}).Name() {
		return r.beginningFrom(r.recipe.Start)
	}
	pairs := r.data.Indices(r.selectOn())
	var best Beginning
	var begun, scores splitScores
	for i, s := range (Auto{}).starts(r.data.Vectors.Dim, r.recipe.Dims, r.recipe.Side) {
		b, err := r.beginningFrom(s)
		if err != nil && i > 0 {
			continue // such as a covariance of too few texts
		}
		if err == nil {
			err = r.use(r.onSides(b))
		}
		if err != nil {
			return b, err
		}
		cosines, err := r.eval.cosines(ctx, pairs, true)
		if err != nil {
			return b, err
		}
		its := r.eval.split(pairs, cosines, r.selectOn())
		if i == 0 {
			best, begun, scores = b, its, its
			continue
		}
		c := comparisons(begun, its, bestThreshold(begun), bestThreshold(its))[r.figure]
		if c.Gain > c.GainSE && its.figure(r.figure) > scores.figure(r.figure) {
			best, scores, r.chose = b, its, s.Name()
		}
	}
	return best, nil
}

// startNote says what Auto chose, where that is not the embeddings as they are.
func (r *run) startNote() string {
	if r.chose == "" {
		return ""
	}
	return fmt.Sprintf("training started from --init %s, which compares the pairs of %s better than the embeddings as they are", r.chose, r.selectedOn())
}
