package trainer

import (
	"fmt"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/loader"
)

// Data whose left vectors have other dimensions than the right ones come from
// two models. A matrix for queries maps the space of the one into that of the
// other, so that an index of passages stays what it is while queries come from
// another model.

// A mapper is a Start or a ClosedForm that maps one space into another, where
// others change vectors within one.
type mapper interface{ mapsAcross() }

// Across makes a recipe fit for left vectors of other dimensions than right ones:
// it has as many columns as those, and a start that is solved, Procrustes, since there are
// no embeddings as they are to start from. What is solved at once has chance to
// beat, which is what a random start reaches.
func (r Recipe) Across(left, right int) Recipe {
	if left == right {
		return r
	}
	r.Dims = right
	if _, ok := r.Start.(mapper); ok {
		return r
	}
	r.Start = &Procrustes{}
	if o, ok := r.Optimizer.(AdamW); ok && o.ToStart {
		o.WeightDecay *= acrossDecay
		r.Optimizer = o
	}
	if r.ClosedForm != nil {
		r.Start = &Random{}
	}
	return r
}

// acrossDecay is how much harder a start that is solved holds: it knows all texts
// that both models embed, and the pairs are fewer (benchmarks/results/cross-model.txt).
const acrossDecay = 7.5

// checkAcross refuses what has no meaning for vectors of these dimensions.
func (r Recipe) checkAcross(left, right int) error {
	if left == right {
		return nil
	}
	of := fmt.Sprintf("left vectors have %d dimensions and right ones %d", left, right)
	if r.ClosedForm != nil {
		if _, ok := r.ClosedForm.(mapper); !ok {
			return setting("recipe", "is %s, but %s, which only ridge, procrustes and trainings with --side query map to each other", r.Name, of)
		}
	}
	if r.Side != graph.Query {
		return setting("side", "is %s, but %s: --side query learns a matrix that maps queries to where the passages are", r.Side, of)
	}
	if _, ok := r.Start.(mapper); !ok {
		return setting("init", "is %s, but %s: use ridge, procrustes or random", r.Start.Name(), of)
	}
	return nil
}

// acrossNote says what data of two models mean for the figures; "" where they are
// of one.
func acrossNote(data *loader.Dataset) string {
	left, right := data.Vectors.Dims()
	if left == right {
		return ""
	}
	return fmt.Sprintf("left vectors have %d dimensions and right ones %d, so they come from two models, and there are no figures without a matrix", left, right)
}
