package negatives

import (
	"cmp"
	"context"
	"slices"

	"github.com/cosfit/cosfit/internal/kernel"
)

// compareNumbers bounds the vectors that are compared at a time, beside those
// of one query.
const compareNumbers = 1 << 22

// readPools gives the queries what may be taken from their pools, of each class
// the first text.
func (m *mining) readPools() {
	at := make(map[int32][]int, len(m.queries)) // more than one where a text asks in several groups
	for i, q := range m.queries {
		at[q.text] = append(at[q.text], i)
	}
	for _, pool := range m.Pools {
		for _, i := range at[pool.Query] {
			if q := &m.queries[i]; slices.Contains(q.positives, pool.Answer) {
				q.pool = append(q.pool, pool.Candidates...)
			}
		}
	}
	for i := range m.queries {
		q := &m.queries[i]
		split := m.split(q.like)
		slices.SortFunc(q.pool, func(a, b int32) int {
			return cmp.Or(cmp.Compare(m.Classes[a], m.Classes[b]), cmp.Compare(a, b))
		})
		q.pool = slices.CompactFunc(q.pool, func(a, b int32) bool { return m.Classes[a] == m.Classes[b] })
		q.pool = slices.DeleteFunc(q.pool, func(text int32) bool { return !m.homes[m.Classes[text]].has(split) || m.bars(q, text) })
		slices.Sort(q.pool)
	}
}

// DocumentPools makes a pool of the passages of the documents that each query's
// answers come from.
func (c *Corpus) DocumentPools() []Pool {
	ofSource := map[int32][]int32{}
	if c.Sources != nil {
		for _, text := range c.Passages {
			if s := c.Sources[text]; s >= 0 {
				ofSource[s] = append(ofSource[s], text)
			}
		}
	}
	pools := []Pool{}
	for i, label := range c.Pairs.Label {
		right := c.Pairs.Right[i]
		if label < c.Middle || c.Sources == nil || c.Sources[right] < 0 {
			continue
		}
		pools = append(pools, Pool{c.Pairs.Left[i], right, ofSource[c.Sources[right]]})
	}
	return pools
}

// comparePools visits the pools, the most similar passages first.
func (m *mining) comparePools(ctx context.Context, visit visitor) error {
	m.report.Similarity = &Cosines{}
	with := func(q *query) []int32 { return slices.Concat(q.positives, q.pool) }
	return m.compare(ctx, with, func(i int, cosines []float32) error {
		q := &m.queries[i]
		answer := m.answered(cosines[:len(q.positives)])
		hits := make([]kernel.Hit, len(q.pool))
		for j, text := range q.pool {
			hits[j] = kernel.Hit{Score: cosines[len(q.positives)+j], Passage: text}
		}
		slices.SortFunc(hits, func(a, b kernel.Hit) int {
			return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Passage, b.Passage))
		})
		return visit(i, hits, answer)
	})
}

// answered returns the cosine of the least similar answer of a query, and counts
// it in.
func (m *mining) answered(cosines []float32) float64 {
	answer := float64(slices.Min(cosines))
	m.report.Similarity.Positive += answer / float64(len(m.queries))
	return answer
}

// compare visits the cosines of each query with a list of passages, some queries
// at a time.
func (m *mining) compare(ctx context.Context, with func(*query) []int32, visit func(q int, cosines []float32) error) error {
	pool := kernel.NewPool(m.Threads)
	most := compareNumbers / m.Vectors.Dim // vectors
	var x []float32
	for first := 0; first < len(m.queries); {
		if err := ctx.Err(); err != nil {
			return err
		}
		var texts, passages, left, right []int32
		end := first
		for ; end < len(m.queries); end++ {
			list := with(&m.queries[end])
			if end > first && len(texts)+len(passages)+1+len(list) > most {
				break
			}
			for range list {
				left = append(left, int32(len(texts)))
			}
			texts, passages = append(texts, m.queries[end].text), append(passages, list...)
		}
		for i := range passages {
			right = append(right, int32(len(texts)+i))
		}
		n := (len(texts) + len(passages)) * m.Vectors.Dim
		x = slices.Grow(x[:0], n)[:n]
		if err := m.Vectors.Queries(texts, x[:len(texts)*m.Vectors.Dim]); err != nil {
			return err
		}
		if err := m.Vectors.passages(passages, x[len(texts)*m.Vectors.Dim:]); err != nil {
			return err
		}
		cosines := make([]float32, len(left))
		pool.PairCosines(m.Vectors.Dim, x, left, right, cosines)
		for ; first < end; first++ {
			k := len(with(&m.queries[first]))
			if err := visit(first, cosines[:k]); err != nil {
				return err
			}
			cosines = cosines[k:]
		}
	}
	return nil
}

// answers returns the cosine of each query with the least similar of its
// answers.
func (m *mining) answers(ctx context.Context) ([]float64, error) {
	m.report.Similarity = &Cosines{}
	out := make([]float64, len(m.queries))
	err := m.compare(ctx, func(q *query) []int32 { return q.positives }, func(i int, cosines []float32) error {
		out[i] = m.answered(cosines)
		return nil
	})
	return out, err
}
