package trainer

import (
	"math"
	"slices"
	"strings"

	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
)

// A query is a group's left text with the right texts that answer it.
type query struct {
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
		seen[g], q.left, q.split = true, p.Left[i], p.Split[i]
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
	return t
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

// retrieve adds the retrieval figures to the metrics of each split.
func (e *evaluator) retrieve(t *retrievalTask, projected bool, into map[string]rundir.Metrics) error {
	if len(t.queries) == 0 {
		return nil
	}
	p := e.table
	if projected {
		all := make([]int32, e.data.Vectors.Rows())
		for i := range all {
			all[i] = int32(i)
		}
		var err error
		if p, err = e.project(all); err != nil {
			return err
		}
	}
	similar, err := e.backend.NewSimilarities(p, t.passages)
	if err != nil {
		return err
	}
	const block = 64
	var results [loader.NumSplits]retrieval
	out := make([]float32, block*len(t.passages))
	for part := range slices.Chunk(t.queries, block) {
		lefts := make([]int32, len(part))
		for i, q := range part {
			lefts[i] = q.left
		}
		if err := similar.Of(lefts, out[:len(part)*len(t.passages)]); err != nil {
			return err
		}
		for i, q := range part {
			row := out[i*len(t.passages) : (i+1)*len(t.passages)]
			if q.itself >= 0 { // nobody searches for the text that they have
				row[q.itself] = float32(math.Inf(-1))
			}
			results[q.split].add(retrievalRanks(row, q.relevant, t.order))
		}
	}
	for s := range results {
		name := loader.Split(s).String()
		m, ok := into[name]
		if !ok {
			continue
		}
		queries, mrr, at1, at10, ndcg := results[s].figures()
		m.Queries = queries
		m.MRR, m.RecallAt1, m.RecallAt10, m.NDCGAt10 = rundir.Figure(mrr), rundir.Figure(at1), rundir.Figure(at10), rundir.Figure(ndcg)
		into[name] = m
	}
	return nil
}
