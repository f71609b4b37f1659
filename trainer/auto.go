package trainer

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
)

// Auto starts from whichever of a few starts that need no labels compares the
// pairs best that judge the result. The embeddings as they are stay where no
// other start is better by more than two standard errors over groups, and where
// pairs are few.
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

// chooseStart makes the start of the run.
func (r *run) chooseStart(ctx context.Context) error {
	if r.recipe.Start.Name() != (Auto{}).Name() {
		return r.startFrom(r.recipe.Start)
	}
	// A mean and a covariance suit the few texts that they are of, and the
	// notebook's accuracy has no error to choose by.
	if r.crossed || r.figure == byAccuracy {
		return r.startFrom(Identity{})
	}
	if r.opts.try == nil {
		return r.compareStarts(ctx)
	}
	chosen, key := r.opts.try.workspace.chosen, choice{r.figure, r.recipe.Dims, r.recipe.Side, r.recipe.Seed}
	if name, known := chosen[key]; known {
		r.state.Start = name
		return r.sameStart()
	}
	err := r.compareStarts(ctx)
	if err == nil {
		chosen[key] = r.state.Start
	}
	return err
}

// A choice is what Auto's depends on beside the data and the backend.
type choice struct {
	figure string
	dims   int
	side   graph.Side
	seed   uint64
}

// compareStarts makes the best of Auto's starts that of the run.
func (r *run) compareStarts(ctx context.Context) error {
	pairs := r.data.Indices(r.selectOn())
	var start Beginning
	var begun, best splitScores
	for i, s := range r.candidates() {
		if err := r.startFrom(s); err != nil {
			if i == 0 || ctx.Err() != nil {
				return err
			}
			continue // such as a covariance of too few texts
		}
		if err := r.use(r.start); err != nil {
			return err
		}
		m, err := r.eval.measure(ctx, pairs, true)
		if err != nil {
			return err
		}
		its := r.eval.split(pairs, m, r.selectOn())
		if i == 0 {
			start, begun, best = r.start, its, its
			continue
		}
		if its.figure(r.figure) <= best.figure(r.figure) {
			continue
		}
		if gain := its.figure(r.figure) - begun.figure(r.figure); gain > 2*float64(gainError(begun, its, r.figure)) {
			start, best, r.state.Start = r.start, its, s.Name()
		}
	}
	r.start = start
	return nil
}

// candidates are the starts to choose from.
func (r *run) candidates() []Start {
	return Auto{}.starts(r.data.Vectors.Dim, r.recipe.Dims, r.recipe.Side)
}

// sameStart makes the start of a run that goes on: the choice is not made again.
func (r *run) sameStart() error {
	if r.recipe.Start.Name() != (Auto{}).Name() {
		return r.startFrom(r.recipe.Start)
	}
	candidates := r.candidates()
	for _, s := range candidates {
		if s.Name() == r.state.Start {
			return r.startFrom(s)
		}
	}
	return r.startFrom(candidates[0])
}

// startFrom makes a start that of each matrix of the model: both begin alike.
func (r *run) startFrom(s Start) error {
	b, err := r.beginningFrom(s)
	if err != nil {
		return err
	}
	r.start = Beginning{Offset: b.Offset}
	for len(r.start.Matrix) < len(r.best) {
		r.start.Matrix = append(r.start.Matrix, b.Matrix...)
	}
	return nil
}

// startNote says what Auto chose, where that is not the embeddings as they are.
func (r *run) startNote() string {
	if r.state.Start == "" {
		return ""
	}
	return fmt.Sprintf("training started from %s, which compare the pairs of %s better than the embeddings as they are", r.startWords(), r.selectedOn())
}

// startWords is what Auto chose, in words.
func (r *run) startWords() string {
	switch r.state.Start {
	case Centred{}.Name():
		return "the embeddings less their mean"
	case PCA{}.Name():
		return "the embeddings' leading directions"
	}
	return "whitened embeddings"
}

// fromStart adds to a judgement what the start that Auto chose is worth by itself.
func (o outcome) fromStart(j rundir.Judgement, words string) rundir.Judgement {
	if o.learned.Before <= o.untrained {
		return j
	}
	j.Accepted = true
	j.Text = strings.Replace(j.Text, "Nothing gained:", "Training gained nothing over its start:", 1)
	j.Text += fmt.Sprintf(" The start, %s, had raised it there from %.3f, that of the embeddings as they are, to %.3f.", words, o.untrained, o.learned.Before)
	if !o.beatsStart() && o.tested && o.test.Before.Known() {
		j.Text += fmt.Sprintf(" On test that went from %.3f to %.3f: %s.", o.test.Before, o.test.After, verdict(o.test))
	}
	return j
}
