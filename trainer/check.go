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
func Prepare(data *loader.Dataset, recipe Recipe) error {
	if err := recipe.check(); err != nil {
		return err
	}
	d := data.Vectors.Dim
	if recipe.Side == graph.Query && recipe.Dims != d {
		return setting("dims", "is %d, but with --side query the passages keep their %d dimensions, which queries are compared with: leave it out", recipe.Dims, d)
	}
	if recipe.ClosedForm != nil {
		if err := recipe.ClosedForm.Fits(d, recipe.Dims); err != nil {
			return err
		}
	}
	if err := recipe.Start.Fits(d, recipe.Dims); err != nil {
		return err
	}
	if s := recipe.Shape; s != nil {
		if err := s.Fits(d, recipe.Dims); err != nil {
			return setting("shape", "%s has %v", s.Name(), err)
		}
	}
	if name := recipe.Start.Name(); recipe.Side == graph.Query && slices.Contains([]string{"orthogonal", "pca", "random"}, name) {
		return setting("init", "is %s, which turns the queries away from the passages that --side query leaves as they are: use identity, centred, top-removed or whitening", name)
	}
	crossed := recipe.SelectOn == loader.Validation && HoldOut(data, recipe.CrossValidate)
	for _, s := range []loader.Split{loader.Train, recipe.SelectOn} {
		if s == recipe.SelectOn && crossed {
			continue
		}
		if s == loader.Train && recipe.ClosedForm != nil {
			continue // it says itself what it lacks
		}
		if err := checkSplit(data, s); err != nil {
			return err
		}
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

// checkSplit refuses a split that cannot be learned from or chosen on.
func checkSplit(data *loader.Dataset, s loader.Split) error {
	pairs := data.Indices(s)
	if len(pairs) == 0 {
		return fmt.Errorf("%s: the %s split is empty: too few groups, or none marked %q", data.Name, s, s)
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
		return fmt.Errorf("%s: all %d pairs of the %s split are similar: both kinds are needed", data.Name, len(pairs), s)
	case positives == 0:
		return fmt.Errorf("%s: all %d pairs of the %s split are dissimilar: both kinds are needed", data.Name, len(pairs), s)
	}
	return nil
}

func describe(data *loader.Dataset, source rundir.Data) (rundir.Data, error) {
	fingerprint, err := data.Fingerprint()
	source.Fingerprint = fingerprint
	source.Model = data.Model
	source.Dimensions = data.Vectors.Dim
	source.LabelRange = data.Labels.String()
	source.Texts = data.Vectors.Rows()
	source.Notes = slices.Clone(data.Notes)
	source.Pairs = map[string]int{}
	for s := range loader.Split(loader.NumSplits) {
		source.Pairs[s.String()] = len(data.Indices(s))
	}
	return source, err
}
