package trainer

import (
	"fmt"
	"slices"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
)

// Prepare makes a data set ready for a recipe: it carves a validation split
// where the recipe needs one. It reports what would keep Train from beginning,
// before anything is written.
func Prepare(data *loader.Dataset, recipe Recipe) error { return prepare(data, recipe, false) }

// prepare is Prepare, or that for what is trained without a part: it chooses nothing.
func prepare(data *loader.Dataset, recipe Recipe, part bool) error {
	recipe = recipe.For(data)
	if err := recipe.Check(data.Vectors.Dims()); err != nil {
		return err
	}
	return recipe.preparePairs(data, part)
}

// PreparePairs is what Prepare does that needs labels and splits alone: the vectors
// of data may be missing.
func PreparePairs(data *loader.Dataset, recipe Recipe) error {
	return recipe.For(data).preparePairs(data, false)
}

// Check refuses settings that make no sense for left and right vectors of so many
// dimensions; 0 for both means that these are not yet known.
func (r Recipe) Check(left, right int) error {
	if err := r.check(); err != nil || left == 0 {
		return err
	}
	return r.checkDims(left, right)
}

// checkDims refuses a matrix that there is none of between vectors of these
// dimensions.
func (r Recipe) checkDims(d, right int) error {
	if err := r.checkAcross(d, right); err != nil {
		return err
	}
	if r.Side == graph.Query && r.Dims != right {
		return setting("dims", "is %d, but with --side query the passages keep their %d dimensions, which queries are compared with: leave it out", r.Dims, right)
	}
	if r.ClosedForm != nil {
		if err := r.ClosedForm.Fits(d, r.Dims); err != nil {
			return err
		}
	}
	if err := r.Start.Fits(d, r.Dims); err != nil {
		return err
	}
	if s := r.Shape; s != nil {
		if err := s.Fits(d, r.Dims); err != nil {
			return setting("shape", "%s has %v", s.Name(), err)
		}
	}
	return r.checkStart(d == right)
}

// preparePairs carves a validation split where the recipe needs one, and reports
// labels and splits that it cannot learn from, choose on or judge by. A part chooses
// nothing.
func (r Recipe) preparePairs(data *loader.Dataset, part bool) error {
	if err := r.checkMetric(data); err != nil {
		return err
	}
	crossed := r.SelectOn == loader.Validation && HoldOut(data, r.CrossValidate)
	for _, s := range []loader.Split{loader.Train, r.SelectOn} {
		if s == r.SelectOn && (crossed || part) {
			continue
		}
		if s == loader.Train && r.ClosedForm != nil {
			continue // it says itself what it lacks
		}
		if err := r.checkSplit(data, s); err != nil {
			return err
		}
	}
	if SelectionFigure(r, data) == byNDCG {
		return checkQueries(data, r.SelectOn)
	}
	return nil
}

// checkStart refuses a start that does not go with the side, where both sides'
// vectors are of one space or not.
func (r Recipe) checkStart(oneSpace bool) error {
	name := r.Start.Name()
	switch r.Start.(type) {
	case Ridge, *Ridge, Procrustes, *Procrustes:
		if r.Side != graph.Query {
			return setting("init", "is %s, which brings queries to their passages: it goes with --side query", name)
		}
		return nil
	}
	if r.Side == graph.Query && oneSpace && slices.Contains([]string{"orthogonal", "pca", "random"}, name) {
		return setting("init", "is %s, which turns the queries away from the passages that --side query leaves as they are: use identity, centred, top-removed, whitening, ridge or procrustes", name)
	}
	return nil
}

// CheckBackend reports whether a backend can train by a recipe, before anything is
// written.
func CheckBackend(b graph.Backend, r Recipe) error {
	model, err := graph.NewShapedModel(b, r.shape(), r.Side, 2, 2, r.objective())
	if err != nil {
		return err
	}
	return model.Close()
}

// checkSplit refuses a split that a recipe cannot learn from or choose on.
func (r Recipe) checkSplit(data *loader.Dataset, s loader.Split) error {
	pairs := data.Indices(s)
	if len(pairs) == 0 {
		return fmt.Errorf("%s: the %s split is empty: too few groups, or none marked %q; label pairs of more groups, or mark some", data.Name, s, s)
	}
	first, differ, positives := data.Pairs.Label[pairs[0]], false, 0
	for _, i := range pairs {
		label := data.Pairs.Label[i]
		differ = differ || label != first
		if data.Labels.Positive(label) {
			positives++
		}
	}
	switch {
	case data.Labels.Graded && !differ:
		return fmt.Errorf("%s: all %d pairs of the %s split have the label %g: different ones are needed", data.Name, len(pairs), s, first)
	case data.Labels.Graded:
		return nil
	case positives == len(pairs):
		return r.checkSimilar(data, s, len(pairs))
	case positives == 0:
		return fmt.Errorf("%s: all %d pairs of the %s split are dissimilar: both kinds are needed", data.Name, len(pairs), s)
	}
	return nil
}

// checkSimilar refuses a split of similar pairs alone, unless the loss can learn
// from it, or a search can choose on it.
func (r Recipe) checkSimilar(data *loader.Dataset, s loader.Split, pairs int) error {
	switch {
	case s == loader.Train && !r.learnsFromSimilar():
		return fmt.Errorf("%s: all %d pairs of the %s split are similar: --loss %s needs both kinds, so use --loss %s, or add negatives (cosfit mine)", data.Name, pairs, s, r.Loss.Name(), ofSimilar().Name())
	case s != loader.Train && SelectionFigure(r, data) != byNDCG:
		return fmt.Errorf("%s: all %d pairs of the %s split are similar: both kinds are needed to choose by %s, so use --metric ndcg_at_10, or add negatives (cosfit mine)", data.Name, pairs, s, figureNames[SelectionFigure(r, data)])
	}
	return nil
}

// repeatedNote counts the training pairs of two texts that make another pair as well;
// "" for none. It sorts 8 bytes a pair, where loader's Repeats, which knows of each
// pair, keeps them all in a map.
func repeatedNote(data *loader.Dataset) string {
	pairs := data.Indices(loader.Train)
	keys := make([]uint64, len(pairs))
	for i, p := range pairs {
		keys[i] = uint64(data.Pairs.Left[p])<<32 | uint64(data.Pairs.Right[p])
	}
	slices.Sort(keys)
	n := len(keys) - len(slices.Compact(keys))
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d of the %d training pairs repeat the two texts of another one, and are learned from all the same: cosfit data check says which", n, len(pairs))
}

func describe(data *loader.Dataset, source rundir.Data) (rundir.Data, error) {
	fingerprint, err := data.Fingerprint()
	source.Fingerprint = fingerprint
	source.Model = data.Model
	left, right := data.Vectors.Dims()
	if source.Dimensions = left; right != left {
		source.RightDimensions = right
	}
	source.LabelRange = data.Labels.String()
	source.Texts = data.Vectors.Rows()
	source.Notes = slices.Clone(data.Notes)
	for _, note := range []string{acrossNote(data), repeatedNote(data)} {
		if note != "" {
			source.Notes = append(source.Notes, note)
		}
	}
	source.Pairs = map[string]int{}
	for s := range loader.Split(loader.NumSplits) {
		source.Pairs[s.String()] = len(data.Indices(s))
	}
	return source, err
}
