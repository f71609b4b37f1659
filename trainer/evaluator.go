package trainer

import (
	"slices"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
)

// A view is the pairs of some splits and the texts that they use, so that
// each text is projected once and no other is.
type view struct {
	pairs       []int32 // numbers in the data set, ascending
	rows        []int32 // rows of the table
	left, right []int32 // positions in rows, one for each pair
}

func newView(data *loader.Dataset, splits ...loader.Split) *view {
	v := &view{}
	position := make(map[int32]int32)
	at := func(row int32) int32 {
		p, ok := position[row]
		if !ok {
			p = int32(len(v.rows))
			position[row] = p
			v.rows = append(v.rows, row)
		}
		return p
	}
	for i, s := range data.Pairs.Split {
		if slices.Contains(splits, s) {
			v.pairs = append(v.pairs, int32(i))
			v.left = append(v.left, at(data.Pairs.Left[i]))
			v.right = append(v.right, at(data.Pairs.Right[i]))
		}
	}
	return v
}

// An evaluator compares texts under the embeddings as they are and under a
// matrix.
type evaluator struct {
	data    *loader.Dataset
	backend graph.Backend
	table   graph.Array                             // the embeddings as they are
	project func(rows []int32) (graph.Array, error) // the given rows of the table under the matrix
	loss    graph.Loss
}

// space returns the vectors of a view's texts, [len(rows), _]: projected, or
// as they are.
func (e *evaluator) space(v *view, projected bool) (p graph.Array, left, right []int32, err error) {
	if !projected {
		return e.table, e.pick(v, e.data.Pairs.Left), e.pick(v, e.data.Pairs.Right), nil
	}
	p, err = e.project(v.rows)
	return p, v.left, v.right, err
}

func (e *evaluator) pick(v *view, of []int32) []int32 {
	out := make([]int32, len(v.pairs))
	for i, p := range v.pairs {
		out[i] = of[p]
	}
	return out
}

// cosines returns the cosine of each pair of a view.
func (e *evaluator) cosines(v *view, projected bool) ([]float32, error) {
	p, left, right, err := e.space(v, projected)
	if err != nil {
		return nil, err
	}
	s := make([]float32, len(v.pairs))
	return s, e.backend.PairCosines(p, left, right, s)
}

// A splitScores is the pairs of one split with their cosines.
type splitScores struct {
	cosines  []float32
	labels   []float32
	groups   []int32
	positive []bool
	graded   bool
	ranking  *ranking // nil where graded
}

// split picks one split out of a view's cosines.
func (e *evaluator) split(v *view, cosines []float32, s loader.Split) splitScores {
	p := &e.data.Pairs
	out := splitScores{graded: e.data.Labels.Graded}
	for i, pair := range v.pairs {
		if p.Split[pair] == s {
			out.cosines = append(out.cosines, cosines[i])
			out.labels = append(out.labels, p.Label[pair])
			out.groups = append(out.groups, p.Group[pair])
			out.positive = append(out.positive, e.data.Labels.Positive(p.Label[pair]))
		}
	}
	if !out.graded {
		out.ranking = newRanking(out.cosines, out.positive)
	}
	return out
}

// The figures that can choose an epoch, as Metrics and summary.json name them.
const (
	byROCAUC   = "roc_auc"
	bySpearman = "spearman"
	byAccuracy = "accuracy_best_threshold"
)

// selectionFigure names the figure that chooses the epoch and judges the
// result: ROC AUC, Spearman's correlation where labels are graded, and the
// notebook's own where the test split decides.
func selectionFigure(r Recipe, graded bool) string {
	switch {
	case graded:
		return bySpearman
	case r.SelectOn == loader.Test:
		return byAccuracy
	}
	return byROCAUC
}

// figure computes one of them.
func (s splitScores) figure(name string) float64 {
	switch name {
	case bySpearman:
		return spearman(s.cosines, s.labels)
	case byAccuracy:
		_, accuracy := s.ranking.bestThreshold()
		return accuracy
	}
	return s.ranking.rocAUC(nil)
}

// metrics computes all figures that need no retrieval. An unknown threshold
// stands for the split's own best.
func (s splitScores) metrics(loss graph.Loss, threshold rundir.Figure) rundir.Metrics {
	m := unknownMetrics()
	m.Pairs = len(s.cosines)
	if m.Pairs == 0 {
		return m
	}
	m.Loss = rundir.Figure(loss.Evaluate(s.cosines, s.labels, make([]float32, m.Pairs)))
	if s.graded {
		m.Spearman = rundir.Figure(spearman(s.cosines, s.labels))
		m.Pearson = rundir.Figure(pearson(s.cosines, s.labels))
		return m
	}
	best, accuracy := s.ranking.bestThreshold()
	m.BestThreshold, m.AccuracyBestThreshold = rundir.Figure(best), rundir.Figure(accuracy)
	if !threshold.Known() {
		threshold = m.BestThreshold
	}
	c := s.ranking.confusionAt(float64(threshold))
	positives := float64(c.tp+c.fn) / float64(m.Pairs)
	m.Threshold = threshold
	m.Majority = rundir.Figure(max(positives, 1-positives))
	m.Accuracy = rundir.Figure(c.accuracy())
	m.AccuracySE = rundir.Figure(accuracySE(s.correct(float64(threshold)), s.groups))
	m.Precision, m.Recall, m.F1 = rundir.Figure(c.precision()), rundir.Figure(c.recall()), rundir.Figure(c.f1())
	m.ROCAUC = rundir.Figure(s.ranking.rocAUC(nil))
	m.AveragePrecision = rundir.Figure(s.ranking.averagePrecision())
	return m
}

// threshold is the one that all splits are scored with: the best on the split
// that chooses the epoch. It is unknown where that is the test split, since
// then each split is scored with its own best, as the notebook does.
func (r Recipe) threshold(chosen splitScores) rundir.Figure {
	if r.SelectOn == loader.Test {
		return rundir.None
	}
	return bestThreshold(chosen)
}

func bestThreshold(s splitScores) rundir.Figure {
	if s.graded || len(s.cosines) == 0 {
		return rundir.None
	}
	t, _ := s.ranking.bestThreshold()
	return rundir.Figure(t)
}

// correct says for each pair whether the rule at a threshold is right.
func (s splitScores) correct(threshold float64) []bool {
	out := make([]bool, len(s.cosines))
	for i, c := range s.cosines {
		out[i] = (float64(c) > threshold) == s.positive[i]
	}
	return out
}

// figures fills in a summary's figures of every split that has pairs.
func (e *evaluator) figures(s *rundir.Summary, v *view, before, after []float32, thresholdBefore, thresholdAfter rundir.Figure) {
	s.Before, s.After = map[string]rundir.Metrics{}, map[string]rundir.Metrics{}
	s.Comparisons = map[string]map[string]rundir.Comparison{}
	for split := range loader.Split(loader.NumSplits) {
		b, a := e.split(v, before, split), e.split(v, after, split)
		if len(b.cosines) == 0 {
			continue
		}
		name := split.String()
		s.Before[name], s.After[name] = b.metrics(e.loss, thresholdBefore), a.metrics(e.loss, thresholdAfter)
		s.Comparisons[name] = comparisons(b, a, s.Before[name].Threshold, s.After[name].Threshold)
	}
}

func unknownMetrics() rundir.Metrics {
	n := rundir.None
	return rundir.Metrics{Loss: n, Majority: n, Accuracy: n, AccuracySE: n, Threshold: n, AccuracyBestThreshold: n,
		BestThreshold: n, ROCAUC: n, AveragePrecision: n, Precision: n, Recall: n, F1: n, Spearman: n, Pearson: n,
		MRR: n, RecallAt1: n, RecallAt10: n, NDCGAt10: n}
}
