package trainer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
)

// Auto starts from whichever of a few starts that need no labels compares the
// pairs best that judge the result; in parts, each by a start that is of the others'
// texts, where there is no split that judges. The embeddings as they are stay where no
// other start is better by more than two standard errors over groups, and where
// pairs are too few to choose by.
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
	if !r.chooses() {
		return r.sameStart()
	}
	if r.crossed {
		if err := r.compareStarts(ctx, r.crossedStart); err != nil {
			return err
		}
		return r.sameStart()
	}
	if r.opts.try == nil {
		return r.compareStarts(ctx, r.wholeStart)
	}
	chosen, key := r.opts.try.workspace.chosen, choice{r.figure, r.recipe.Dims, r.recipe.Side, r.recipe.Seed}
	if name, known := chosen[key]; known {
		r.state.Start = name
		return r.sameStart()
	}
	err := r.compareStarts(ctx, r.wholeStart)
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

// chooses reports whether the start is Auto's and there is something to choose by:
// the fewest pairs do not tell, and the notebook's accuracy has no error.
func (r *run) chooses() bool {
	return r.recipe.Start.Name() == (Auto{}).Name() && r.figure != byAccuracy && (!r.crossed || r.choosing())
}

// compareStarts makes the best of Auto's starts that of the run. scores are those
// of the pairs that judge, under a start.
func (r *run) compareStarts(ctx context.Context, scores func(context.Context, Start) (splitScores, error)) error {
	var start Beginning
	var begun, best splitScores
	for i, s := range r.candidates() {
		its, err := scores(ctx, s)
		if own := (*startError)(nil); i > 0 && errors.As(err, &own) {
			continue // such as a covariance of too few texts
		}
		if err != nil {
			return err
		}
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

// wholeStart begins at a start and scores it.
func (r *run) wholeStart(ctx context.Context, s Start) (splitScores, error) {
	if err := r.startFrom(s); err != nil {
		return splitScores{}, err
	}
	if err := r.use(r.start); err != nil {
		return splitScores{}, err
	}
	pairs := r.data.Indices(r.selectOn())
	m, err := r.eval.measure(ctx, pairs, true)
	return r.eval.split(pairs, m, r.selectOn()), err
}

// crossedStart scores each part of the pairs under a start that is of the others'
// texts.
func (r *run) crossedStart(ctx context.Context, s Start) (splitScores, error) {
	cosines, err := r.unseenCosines(ctx, s, 0)
	if err != nil {
		return splitScores{}, err
	}
	return r.crossedScores(cosines[0]), nil
}

// candidates are the starts to choose from.
func (r *run) candidates() []Start {
	return Auto{}.starts(r.data.Vectors.Dim, r.recipe.Dims, r.recipe.Side)
}

// sameStart makes the start that was chosen.
func (r *run) sameStart() error { return r.startFrom(r.chosenStart()) }

// chosenStart is the recipe's start, or that which Auto chose.
func (r *run) chosenStart() Start {
	if r.recipe.Start.Name() != (Auto{}).Name() {
		return r.recipe.Start
	}
	candidates := r.candidates()
	for _, s := range candidates {
		if s.Name() == r.state.Start {
			return s
		}
	}
	return candidates[0]
}

// startFrom makes a start that of each matrix of the model: both begin alike.
func (r *run) startFrom(s Start) error {
	b, err := r.beginningFrom(s)
	if err != nil {
		return &startError{err}
	}
	r.start = Beginning{Offset: b.Offset}
	for len(r.start.Matrix) < len(r.best) {
		r.start.Matrix = append(r.start.Matrix, b.Matrix...)
	}
	return nil
}

// A startError says why there is no such start for the data.
type startError struct{ error }

func (e *startError) Unwrap() error { return e.error }

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

// startNamed is what training started from, in words, and "" where that is the
// embeddings as they are.
func (r *run) startNamed() string {
	if r.state.Start != "" {
		return r.startWords()
	}
	name := r.chosenStart().Name()
	if d, _ := r.data.Vectors.Dims(); name != (Identity{}).Name() {
		return name
	} else if r.recipe.Dims < d {
		return fmt.Sprintf("the embeddings' first %d numbers", r.recipe.Dims)
	}
	return ""
}

// fromStart adds to a judgement what the start that Auto chose is worth by itself.
func (o outcome) fromStart(j rundir.Judgement) rundir.Judgement {
	if o.learned.Before <= o.untrained {
		return j
	}
	j.Accepted = true
	j.Text = strings.Replace(j.Text, "Nothing gained:", "Training gained nothing over its start:", 1)
	j.Text += fmt.Sprintf(" On %s the start had raised it from %.3f, that of the embeddings as they are, to %.3f.", o.on, o.untrained, o.learned.Before)
	if !o.beatsStart() && o.tested && o.test.all.Before.Known() {
		j.Text += " On test that " + o.test.went(" untrained") + o.test.verdict()
	}
	return j
}
