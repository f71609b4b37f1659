package trainer

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/kernel"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
)

// A query is a group's left text with the right texts that answer it.
type query struct {
	group    int32
	left     int32   // row of the table
	relevant []int32 // positions in the list of passages
	itself   int32   // position of the query's own text among the passages, or −1
	split    loader.Split
}

// retrievalTask asks each group's query against all right texts of the data
// set: those of one split alone would flatter.
type retrievalTask struct {
	passages []int32 // rows of the table
	order    []int32 // position of each passage's text id in sorted order
	queries  []query
	notes    []string
}

// newRetrievalTask finds the groups that have one query and a passage that
// answers it. Graded labels say nothing about answers.
func newRetrievalTask(data *loader.Dataset) *retrievalTask {
	t := &retrievalTask{}
	if data.Labels.Graded {
		return t
	}
	position := map[int32]int32{}
	p := &data.Pairs
	for _, right := range p.Right {
		if _, ok := position[right]; !ok {
			position[right] = int32(len(t.passages))
			t.passages = append(t.passages, right)
		}
	}
	t.order = sortedOrder(t.passages, data.Vectors.IDs)
	queries := make([]query, len(p.Groups))
	several := make([]bool, len(p.Groups))
	seen := make([]bool, len(p.Groups))
	for i, g := range p.Group {
		q := &queries[g]
		several[g] = several[g] || (seen[g] && q.left != p.Left[i])
		if !seen[g] || p.Split[i] < q.split { // a query of training, too, is not held out
			q.split = p.Split[i]
		}
		seen[g], q.group, q.left = true, g, p.Left[i]
		if data.Labels.Positive(p.Label[i]) {
			q.relevant = append(q.relevant, position[p.Right[i]])
		}
	}
	for g, q := range queries {
		if several[g] || len(q.relevant) == 0 {
			continue
		}
		q.itself = -1
		if at, found := position[q.left]; found && !slices.Contains(q.relevant, at) {
			q.itself = at
		}
		t.queries = append(t.queries, q)
	}
	for s := range loader.Split(loader.NumSplits) {
		t.sample(s, queriesFor(s, len(t.passages)), p.Groups)
	}
	return t
}

// queriesFor is how many queries of a split are asked: enough for two digits of
// their means, and, above the least, no more than keep the comparisons within
// 10⁹. Of the training split the least will do: nothing is judged by it, and it
// is the largest.
func queriesFor(s loader.Split, passages int) int {
	const least, most, comparisons = 1000, 5000, 1_000_000_000
	if s == loader.Train {
		return least
	}
	return min(most, max(least, comparisons/max(1, passages)))
}

// sample keeps at most n queries of a split: those whose group's name has the
// lowest hash, so that the choice depends on nothing else.
func (t *retrievalTask) sample(s loader.Split, n int, groups []string) {
	type drawn struct {
		group int32
		order string
	}
	var all []drawn
	for _, q := range t.queries {
		if q.split == s {
			sum := sha256.Sum256([]byte(groups[q.group]))
			all = append(all, drawn{q.group, string(sum[:])})
		}
	}
	if len(all) <= n {
		return
	}
	slices.SortFunc(all, func(a, b drawn) int { return cmp.Compare(a.order, b.order) })
	leftOut := map[int32]bool{}
	for _, d := range all[n:] {
		leftOut[d.group] = true
	}
	t.queries = slices.DeleteFunc(t.queries, func(q query) bool { return leftOut[q.group] })
	if s == loader.Train {
		return // whose figures no panel shows
	}
	t.notes = append(t.notes, fmt.Sprintf("retrieval figures of %s are of %d of its %d queries, drawn by their names: all would take long", s, n, len(all)))
}

// of is the task with at most n queries of one split alone, drawn as sample does.
func (t *retrievalTask) of(s loader.Split, n int, groups []string) *retrievalTask {
	own := *t
	own.queries, own.notes = nil, nil
	for _, q := range t.queries {
		if q.split == s {
			own.queries = append(own.queries, q)
		}
	}
	own.sample(s, n, groups)
	return &own
}

// sortedOrder returns the place of each row when sorted by its text id.
func sortedOrder(rows []int32, ids []string) []int32 {
	sorted := make([]int32, len(rows))
	for i := range sorted {
		sorted[i] = int32(i)
	}
	slices.SortStableFunc(sorted, func(a, b int32) int { return strings.Compare(ids[rows[a]], ids[rows[b]]) })
	order := make([]int32, len(rows))
	for place, i := range sorted {
		order[i] = int32(place)
	}
	return order
}

// retrieveUntrained is retrieve with the embeddings as they are, which has no
// figures where those of the two sides cannot be compared.
func (e *evaluator) retrieveUntrained(ctx context.Context, t *retrievalTask, into map[string]rundir.Metrics, apart *rundir.Metrics) (found [][]int, err error) {
	if left, right := e.data.Vectors.Dims(); left != right {
		return nil, nil
	}
	return e.retrieve(ctx, t, false, into, apart)
}

// retrieve adds the retrieval figures to the metrics of each split, and, where
// apart is not nil, those of the queries that share nothing with training to it,
// unless these are too few to say anything. It returns the ranks of each query's
// relevant passages.
func (e *evaluator) retrieve(ctx context.Context, t *retrievalTask, projected bool, into map[string]rundir.Metrics, apart *rundir.Metrics) (found [][]int, err error) {
	if len(t.queries) == 0 {
		return nil, nil
	}
	rankers, err := e.rank(ctx, t, projected)
	if err != nil {
		return nil, err
	}
	var results [loader.NumSplits]retrieval
	var heldOut retrieval
	for i, q := range t.queries {
		ranks := rankers[i].ranks()
		found = append(found, ranks)
		results[q.split].add(ranks)
		if apart != nil && e.heldOut.asks(q) {
			heldOut.add(ranks)
		}
	}
	if apart != nil && heldOut.queries >= fewestToTell {
		heldOut.fill(apart)
	}
	for s := range results {
		name := loader.Split(s).String()
		m, ok := into[name]
		if !ok {
			continue
		}
		results[s].fill(&m)
		into[name] = m
	}
	return found, nil
}

// search fills in a summary's figures of a search, as the embeddings are and under the
// matrix, and compares the two.
func (e *evaluator) search(ctx context.Context, t *retrievalTask, s *rundir.Summary) error {
	s.Data.Notes = append(s.Data.Notes, t.notes...)
	beforeApart, afterApart := apart(s)
	before, err := e.retrieveUntrained(ctx, t, s.Before, beforeApart)
	if err != nil {
		return err
	}
	after, err := e.retrieve(ctx, t, true, s.After, afterApart)
	if err != nil || before == nil {
		return err
	}
	for split := range loader.Split(loader.NumSplits) {
		t.compare(s.Comparisons[split.String()], before, after, func(q query) bool { return q.split == split })
	}
	if w := s.WithoutShared; w != nil && w.After.Queries > 0 {
		t.compare(w.Comparisons, before, after, e.heldOut.asks)
	}
	return nil
}

// compare adds how some queries search before and after, by the ranks of their
// relevant passages, to comparisons; where these are nil nothing was scored.
func (t *retrievalTask) compare(c map[string]rundir.Comparison, before, after [][]int, which func(query) bool) {
	var groups []int32
	var of []int
	for i, q := range t.queries {
		if which(q) {
			groups, of = append(groups, q.group), append(of, i)
		}
	}
	if c == nil || of == nil {
		return
	}
	for figure, value := range map[string]func(ranks []int) float64{
		"mrr":          func(ranks []int) float64 { return 1 / float64(ranks[0]) },
		"recall_at_10": func(ranks []int) float64 { return recallAt(retrievalDepth, ranks) },
		byNDCG:         func(ranks []int) float64 { return ndcgAt(retrievalDepth, ranks) },
	} {
		mean := func(found [][]int) estimate {
			values := make([]float64, len(of))
			for i, q := range of {
				values[i] = value(found[q])
			}
			return estimate{groups, meanOver(values)}
		}
		c[figure] = changed(mean(before), mean(after))
	}
}

// fill puts the figures where they belong.
func (r *retrieval) fill(m *rundir.Metrics) {
	queries, mrr, at1, at10, ndcg := r.figures()
	m.Queries = queries
	m.MRR, m.RecallAt1, m.RecallAt10, m.NDCGAt10 = rundir.Figure(mrr), rundir.Figure(at1), rundir.Figure(at10), rundir.Figure(ndcg)
}

// rank asks every query against every passage, which are visited in parts.
func (e *evaluator) rank(ctx context.Context, t *retrievalTask, projected bool) ([]ranker, error) {
	dims := e.data.Vectors.Dim
	if projected {
		dims = e.dims
	}
	similar, err := e.backend.NewSimilarities(dims)
	if err != nil {
		return nil, err
	}
	lefts := make([]int32, len(t.queries))
	for i, q := range t.queries {
		lefts[i] = q.left
	}
	err = e.visit(ctx, lefts, projected, false, func(_ int, p graph.Array, rows []int32) error { return similar.AddQueries(p, rows) })
	if err != nil {
		return nil, err
	}
	rankers, err := e.relevant(ctx, t, projected, similar)
	if err != nil {
		return nil, err
	}
	var out []float32
	pool := kernel.NewPool(runtime.GOMAXPROCS(0))
	err = e.visit(ctx, t.passages, projected, true, func(first int, p graph.Array, rows []int32) error {
		if err := similar.SetPassages(p, rows); err != nil {
			return err
		}
		n := len(rows)
		block := max(1, min(similaritiesAtOnce/n, len(t.queries))) // queries at a time
		out = slices.Grow(out[:0], block*n)[:block*n]
		for lo := 0; lo < len(t.queries); lo += block {
			hi := min(lo+block, len(t.queries))
			if err := similar.Of(lo, hi-lo, out[:(hi-lo)*n]); err != nil {
				return err
			}
			pool.Run(hi-lo, func(i int) {
				q, row := t.queries[lo+i], out[i*n:(i+1)*n]
				if at := int(q.itself) - first; q.itself >= 0 && at >= 0 && at < n { // nobody searches for the text that they have
					row[at] = float32(math.Inf(-1))
				}
				rankers[lo+i].add(row, t.order[first:first+n])
			})
		}
		return ctx.Err()
	})
	return rankers, err
}

// relevant compares each query with the passages that answer it.
func (e *evaluator) relevant(ctx context.Context, t *retrievalTask, projected bool, similar graph.SimilarityKernel) ([]ranker, error) {
	const most = 1024 // relevant passages at a time, or those of one query
	rankers := make([]ranker, 0, len(t.queries))
	for len(rankers) < len(t.queries) {
		var rows []int32
		part := t.queries[len(rankers):len(rankers)]
		for _, q := range t.queries[len(rankers):] {
			if len(part) > 0 && len(rows)+len(q.relevant) > most {
				break
			}
			part = part[:len(part)+1]
			for _, at := range q.relevant {
				rows = append(rows, t.passages[at])
			}
		}
		similarities := make([]float32, len(part)*len(rows)) // [queries, rows]
		err := e.visit(ctx, rows, projected, true, func(first int, p graph.Array, some []int32) error {
			if err := similar.SetPassages(p, some); err != nil {
				return err
			}
			out := make([]float32, len(part)*len(some))
			if err := similar.Of(len(rankers), len(part), out); err != nil {
				return err
			}
			for i := range part {
				copy(similarities[i*len(rows)+first:], out[i*len(some):(i+1)*len(some)])
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		column := 0
		for i, q := range part {
			hits := make([]hit, len(q.relevant))
			for j, at := range q.relevant {
				hits[j] = hit{similarities[i*len(rows)+column], t.order[at]}
				column++
			}
			rankers = append(rankers, newRanker(hits))
		}
	}
	return rankers, nil
}

// visit hands rows of the data set, left or right texts, to f, projected or as they are, in parts
// that fit the memory: the vectors of the rows from number first on are rows
// of p.
func (e *evaluator) visit(ctx context.Context, rows []int32, projected, right bool, f func(first int, p graph.Array, rows []int32) error) error {
	most := min(e.rowsAtOnce(6), visitRows)
	for first := 0; first < len(rows); first += most {
		if err := ctx.Err(); err != nil {
			return err
		}
		vectors, part, err := e.data.Rows(rows[first:min(first+most, len(rows))])
		if err != nil {
			return err
		}
		if err := e.hold(vectors); err != nil {
			return err
		}
		var p graph.Array = e.table
		if projected {
			left, others := part, []int32(nil)
			if right && e.side != graph.Both {
				left, others = nil, part
			}
			if p, err = e.project(vectors, left, others); err != nil {
				return err
			}
			part = counting(len(part))
		}
		if err := f(first, p, part); err != nil {
			return err
		}
	}
	return nil
}

// visitRows bounds a part where the memory does not.
const visitRows = 1 << 13

// similaritiesAtOnce bounds the comparisons at a time: enough queries for each
// copy of the passages that a product makes.
const similaritiesAtOnce = 1 << 22

// counting returns 0, 1, … n−1.
func counting(n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(i)
	}
	return out
}
