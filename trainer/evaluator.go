package trainer

import (
	"context"
	"math"
	"slices"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
)

// used returns the rows that a batch uses among n, each once and ascending,
// and the places of its left and right rows among them.
func used(b loader.Batch, n int) (rows, left, right []int32) {
	place := make([]int32, n)
	for _, side := range [][]int32{b.Left, b.Right} {
		for _, r := range side {
			place[r] = 1
		}
	}
	for r, is := range place {
		if is == 1 {
			place[r] = int32(len(rows))
			rows = append(rows, int32(r))
		}
	}
	left, right = slices.Clone(b.Left), slices.Clone(b.Right)
	for _, side := range [][]int32{left, right} {
		for i, r := range side {
			side[i] = place[r]
		}
	}
	return rows, left, right
}

// An evaluator compares texts under the embeddings as they are and under a
// matrix.
type evaluator struct {
	data    *loader.Dataset
	backend graph.Backend
	table   graph.Table // the embeddings of the chunk at hand
	offset  graph.Array // [d], which is taken off what the matrix takes; nil: none
	offsets graph.Array // memory of offset
	dims    int         // k
	// project returns rows of the table, whose contents are vectors, as the matrix
	// makes them: those of left texts above those of right ones.
	project func(vectors []float32, left, right []int32) (graph.Array, error)
	side    graph.Side
	loss    graph.Objective // to report, where it is one of the cosines
	whole   bool            // the table holds all embeddings of a data set in memory
	heldOut heldOut         // of the split that is judged at the end
	task    *retrievalTask  // that figures of a search are of; nil where none chooses or judges
}

// subtract makes the matrix take embeddings less an offset [d], or as they are
// where that is nil.
func (e *evaluator) subtract(offset []float32) (err error) {
	e.offset = nil
	if offset == nil {
		return nil
	}
	if e.offsets == nil {
		if e.offsets, err = e.backend.NewArray(len(offset)); err != nil {
			return err
		}
	}
	e.offset = e.offsets
	return e.backend.Upload(e.offset, offset)
}

// hold makes the table hold vectors that the data set delivered. One in memory
// delivers the same array each time and never changes it, so once is enough.
func (e *evaluator) hold(vectors []float32) error {
	if e.whole {
		return nil
	}
	if err := e.table.Set(vectors); err != nil {
		return err
	}
	e.whole = e.data.Vectors.Data != nil
	return nil
}

// rowsAtOnce is how many vectors may be projected at a time without taking
// more than the given share of the memory: each stands there gathered and
// projected.
func (e *evaluator) rowsAtOnce(share int64) int {
	if e.data.Memory == 0 {
		return math.MaxInt
	}
	return int(max(2, e.data.Memory/share/int64(4*(e.data.Vectors.Dim+e.dims))))
}

// untrained measures the given pairs as the embeddings are, where those of the
// two sides can be compared.
func (e *evaluator) untrained(ctx context.Context, pairs []int32) (measured, error) {
	if left, right := e.data.Vectors.Dims(); left != right {
		return measured{}, nil
	}
	return e.measure(ctx, pairs, false)
}

// cosines returns the cosine of each of the given pairs, projected or as the
// embeddings are. A text is projected once where the memory holds what all texts
// become, else once for each part of the pairs.
func (e *evaluator) cosines(ctx context.Context, pairs []int32, projected bool) ([]float32, error) {
	out := make([]float32, len(pairs))
	rest := out
	for chunk, err := range e.data.Chunks(ctx, pairs, 1) {
		if err != nil {
			return nil, err
		}
		if err := e.hold(chunk.Vectors); err != nil {
			return nil, err
		}
		size := chunk.Len()
		if n := e.rowsAtOnce(3); projected && len(chunk.Vectors)/e.data.Vectors.Dim > n {
			size = n / 2
		}
		for batch := range chunk.Batches(size) {
			if err := e.compare(chunk.Vectors, batch, projected, rest[:batch.Len()]); err != nil {
				return nil, err
			}
			rest = rest[batch.Len():]
		}
	}
	return out, nil
}

// compare writes the cosines of a batch of a chunk.
func (e *evaluator) compare(vectors []float32, b loader.Batch, projected bool, out []float32) error {
	if !projected {
		return e.backend.PairCosines(e.table, b.Left, b.Right, out)
	}
	n := len(vectors) / e.data.Vectors.Dim
	rows, left, right := used(b, n)
	var others []int32
	if e.side != graph.Both {
		rows, left, _ = used(loader.Batch{Left: b.Left}, n)
		others, right, _ = used(loader.Batch{Left: b.Right}, n)
		for i := range right {
			right[i] += int32(len(rows))
		}
	}
	p, err := e.project(vectors, rows, others)
	if err != nil {
		return err
	}
	return e.backend.PairCosines(p, left, right, out)
}

// A splitScores is the pairs of one split with their cosines, and its queries.
type splitScores struct {
	cosines  []float32
	labels   []float32
	groups   []int32
	positive []bool
	low      float32 // the lower end of the label range
	graded   bool
	ranking  *ranking // nil where graded

	ndcg  []float64 // nDCG@10 of each query of the evaluator's task that belongs here
	asked []int32   // the groups of these
}

// split picks one split out of what was measured of some pairs.
func (e *evaluator) split(pairs []int32, m measured, s loader.Split) splitScores {
	return e.scores(pairs, m, func(pair int32) bool { return e.data.Pairs.Split[pair] == s }, func(q query) bool { return q.split == s })
}

// scores picks some pairs and queries out of more.
func (e *evaluator) scores(pairs []int32, m measured, which func(pair int32) bool, asked func(query) bool) splitScores {
	cosines := m.cosines
	p := &e.data.Pairs
	out := splitScores{graded: e.data.Labels.Graded, low: float32(e.data.Labels.Min)}
	if cosines == nil {
		return out
	}
	for i, pair := range pairs {
		if which(pair) {
			out.cosines = append(out.cosines, cosines[i])
			out.labels = append(out.labels, p.Label[pair])
			out.groups = append(out.groups, p.Group[pair])
			out.positive = append(out.positive, e.data.Labels.Positive(p.Label[pair]))
		}
	}
	if !out.graded {
		out.ranking = newRanking(out.cosines, out.positive)
	}
	for i, ndcg := range m.ndcg {
		if q := e.task.queries[i]; asked(q) {
			out.ndcg, out.asked = append(out.ndcg, ndcg), append(out.asked, q.group)
		}
	}
	return out
}

// oneKind reports whether all pairs are similar, or all dissimilar: there is
// nothing to tell apart, and no threshold of their own.
func (s splitScores) oneKind() bool {
	return !s.graded && (!slices.Contains(s.positive, true) || !slices.Contains(s.positive, false))
}

// FigureName is the figure of that name in words.
func FigureName(figure string) string { return figureNames[figure] }

// figure computes one of those that choose an epoch.
func (s splitScores) figure(name string) float64 {
	switch name {
	case byNDCG:
		return meanOf(s.ndcg)
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
func (s splitScores) metrics(loss graph.Objective, threshold rundir.Figure) rundir.Metrics {
	m := unknownMetrics()
	m.Pairs = len(s.cosines)
	if m.Pairs == 0 {
		return m
	}
	if l, ok := loss.(graph.Loss); ok {
		m.Loss = rundir.Figure(l.Evaluate(graph.Scored{Cosines: s.cosines, Labels: s.labels, Low: s.low, Groups: s.groups}, make([]float32, m.Pairs)))
	}
	if s.graded {
		m.Spearman = rundir.Figure(spearman(s.cosines, s.labels))
		m.Pearson = rundir.Figure(pearson(s.cosines, s.labels))
		return m
	}
	if !s.oneKind() {
		best, accuracy := s.ranking.bestThreshold()
		m.BestThreshold, m.AccuracyBestThreshold = rundir.Figure(best), rundir.Figure(accuracy)
	}
	if !threshold.Known() {
		threshold = m.BestThreshold
	}
	if !threshold.Known() && s.oneKind() {
		return m
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
	if s.graded || s.oneKind() {
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
func (e *evaluator) figures(s *rundir.Summary, pairs []int32, before, after measured, thresholdBefore, thresholdAfter rundir.Figure) {
	s.Before, s.After = map[string]rundir.Metrics{}, map[string]rundir.Metrics{}
	s.Comparisons = map[string]map[string]rundir.Comparison{}
	for split := range loader.Split(loader.NumSplits) {
		b, a := e.split(pairs, before, split), e.split(pairs, after, split)
		if len(a.cosines) == 0 {
			continue
		}
		name := split.String()
		s.Before[name], s.After[name] = b.metrics(e.loss, thresholdBefore), a.metrics(e.loss, thresholdAfter)
		s.Comparisons[name] = comparisons(b, a, s.Before[name].Threshold, s.After[name].Threshold)
	}
	e.withoutShared(s, pairs, before, after)
}

func unknownMetrics() rundir.Metrics {
	n := rundir.None
	return rundir.Metrics{Loss: n, Majority: n, Accuracy: n, AccuracySE: n, Threshold: n, AccuracyBestThreshold: n,
		BestThreshold: n, ROCAUC: n, AveragePrecision: n, Precision: n, Recall: n, F1: n, Spearman: n, Pearson: n,
		MRR: n, RecallAt1: n, RecallAt10: n, NDCGAt10: n}
}
