package trainer

import (
	"context"
	"fmt"
	"slices"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/loader"
)

// The figures that can choose an epoch, as Metrics and summary.json name them.
const (
	byROCAUC   = "roc_auc"
	bySpearman = "spearman"
	byNDCG     = "ndcg_at_10"
	byAccuracy = "accuracy_best_threshold"
)

// Metrics are what Recipe.Metric may name.
func Metrics() []string { return []string{byNDCG, byROCAUC, bySpearman} }

// SelectionFigure names the figure that chooses the epoch of a recipe and judges
// the result, as summary.json has it; the larger the better. It is the recipe's
// metric, or the notebook's own where the test split decides.
func SelectionFigure(r Recipe, data *loader.Dataset) string {
	figure := metricOf(r.Metric, data)
	if r.Metric == "" && figure == byROCAUC && r.SelectOn == loader.Test {
		return byAccuracy
	}
	return figure
}

// metricOf is a metric, or, where that is empty, the one of the data's task:
// grades are compared by their order, similar pairs alone by a search.
func metricOf(metric string, data *loader.Dataset) string {
	switch {
	case metric != "":
		return metric
	case data.Labels.Graded:
		return bySpearman
	case onlySimilar(data):
		return byNDCG
	}
	return byROCAUC
}

// judgedBy is the figure that judges a split by a metric: this one, or, where it is
// empty or cannot be had, that of the labels, which a note says then.
func judgedBy(metric string, data *loader.Dataset, split loader.Split) (figure, note string, err error) {
	figure = metricOf("", data)
	var had bool
	switch metric {
	case "", figure:
		return figure, "", nil
	case byNDCG:
		had = !data.Labels.Graded && checkQueries(data, split) == nil
	case byROCAUC, bySpearman: // of labels of another kind
	default:
		return "", "", setting("metric", "is %q, want one of %v", metric, Metrics())
	}
	if had {
		return metric, "", nil
	}
	return figure, fmt.Sprintf("the matrix was learned by %s, which these pairs have no figure for: %s judges here", figureNames[metric], figureNames[figure]), nil
}

// onlySimilar reports whether no pair says what is dissimilar.
func onlySimilar(data *loader.Dataset) bool {
	return !data.Labels.Graded && !slices.ContainsFunc(data.Pairs.Label, func(l float32) bool { return !data.Labels.Positive(l) })
}

// learnsFromSimilar reports whether a recipe's loss, which a closed form has none
// of, can do without dissimilar pairs.
func (r Recipe) learnsFromSimilar() bool {
	return r.ClosedForm != nil || isA[graph.SimilarLoss](r.Loss)
}

// For is the recipe as it trains on a data set. Where all pairs are similar, the
// default recipe's own loss gives way to ofSimilar, InfoNCE, whose dissimilar pairs
// are the other passages of a batch. A search is not judged in parts: a validation split
// is held out instead.
func (r Recipe) For(data *loader.Dataset) Recipe {
	if SelectionFigure(r, data) == byNDCG {
		r.CrossValidate = 0
	}
	if r.Name == Default(1).Name && sameComponent(r.Loss, Default(1).Loss) && onlySimilar(data) {
		r.Loss = ofSimilar()
	}
	return r
}

// ofSimilar is the loss that the default recipe takes where all pairs are similar.
func ofSimilar() graph.SimilarLoss { return &graph.InfoNCE{Temperature: 0.05} }

// sameComponent reports whether two components have one name and the same settings.
func sameComponent(a, b named) bool {
	x, errX := partOf(a)
	y, errY := partOf(b)
	return errX == nil && errY == nil && x.Name == y.Name && string(x.Settings) == string(y.Settings)
}

// similarNote says what follows from similar pairs alone, where they are.
func (r *run) similarNote() string {
	if !onlySimilar(r.data) {
		return ""
	}
	note := "all pairs are similar, so there is no ROC AUC and no threshold"
	if r.recipe.ClosedForm == nil {
		note += fmt.Sprintf("; training is by --loss %s, which takes what is dissimilar from the rest of a batch", r.recipe.Loss.Name())
	}
	return note
}

// checkMetric refuses a metric that the labels have no figure for.
func (r Recipe) checkMetric(data *loader.Dataset) error {
	graded := data.Labels.Graded
	switch {
	case r.Metric != "" && !slices.Contains(Metrics(), r.Metric):
		return setting("metric", "is %q, want one of %v", r.Metric, Metrics())
	case graded && r.Metric != "" && r.Metric != bySpearman:
		return setting("metric", "is %s, but the labels of %s are grades, which do not say what is similar: leave it out, or use spearman", r.Metric, data.Name)
	case !graded && r.Metric == bySpearman:
		return setting("metric", "is spearman, but %s has only two kinds of label, which have no order to compare: leave it out, or use roc_auc", data.Name)
	}
	return nil
}

// checkQueries refuses a split in which nothing can be searched for.
func checkQueries(data *loader.Dataset, s loader.Split) error {
	if len(newRetrievalTask(data).of(s, 1, data.Pairs.Groups).queries) > 0 {
		return nil
	}
	return fmt.Errorf("%s: nothing can be searched for in the %s split, where no group has one left text and a right one that is similar: %s takes such groups", data.Name, s, figureNames[byNDCG])
}

// A measured is how texts compare under one matrix. Both are nil where embeddings
// cannot be compared.
type measured struct {
	cosines []float32 // of each of some pairs
	ndcg    []float64 // nDCG@10 of each query of the evaluator's task; nil without one
}

// measure compares the given pairs and asks the queries of the task, projected or
// as the embeddings are.
func (e *evaluator) measure(ctx context.Context, pairs []int32, projected bool) (m measured, err error) {
	if m.cosines, err = e.cosines(ctx, pairs, projected); err != nil || e.task == nil || len(e.task.queries) == 0 {
		return m, err
	}
	rankers, err := e.rank(ctx, e.task, projected)
	for i := range rankers {
		m.ndcg = append(m.ndcg, ndcgAt(retrievalDepth, rankers[i].ranks()))
	}
	return m, err
}

// chosenBy is how many queries choose an epoch, at most: they are asked after each.
const chosenBy = 1000
