package negatives

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/cosfit/cosfit/internal/kernel"
	"github.com/cosfit/cosfit/loader"
)

// Find finds negatives, query by query in the order of their first pairs, the
// hard ones of each before the weak ones. It changes nothing. Its errors are
// those of reading vectors, ctx's, and of options that make no sense.
func Find(ctx context.Context, c *Corpus, o Options) ([]Negative, Report, error) {
	if err := o.check(c.Vectors != nil); err != nil {
		return nil, Report{}, err
	}
	m := &mining{Corpus: c, Options: o}
	m.findQueries()
	m.findHomes()
	m.readPools()
	var found []Negative
	if o.Hard > 0 {
		m.report.Hard = &Found{Each: o.Hard}
		hard, err := m.findHard(ctx)
		if err != nil {
			return nil, m.report, err
		}
		found = hard
	}
	if o.Weak > 0 {
		m.report.Weak = &Found{Each: o.Weak}
		weak, err := m.findWeak(found)
		if err != nil {
			return nil, m.report, err
		}
		found = append(found, weak...)
	}
	slices.SortStableFunc(found, func(a, b Negative) int { return cmp.Compare(a.Like, b.Like) })
	return found, m.report, nil
}

// findHard finds the hard negatives of all queries.
func (m *mining) findHard(ctx context.Context) ([]Negative, error) {
	byQuery := make([][]Negative, len(m.queries))
	visit := func(q int, hits []kernel.Hit, answer float64) (err error) {
		byQuery[q], err = m.choose(&m.queries[q], hits, answer)
		return err
	}
	var err error
	switch {
	case m.Vectors == nil:
		err = m.shufflePools(visit)
	case m.Pools != nil:
		err = m.comparePools(ctx, visit)
	default:
		err = m.search(ctx, visit)
	}
	found := slices.Concat(byQuery...)
	if m.report.Similarity != nil && len(found) > 0 {
		for _, n := range found {
			m.report.Similarity.Hard += float64(n.Similarity) / float64(len(found))
		}
	}
	return found, err
}

// choose takes negatives of a query from hits, the best first, of which none is
// barred. answer is the cosine of the query with the least similar of its
// answers.
func (m *mining) choose(q *query, hits []kernel.Hit, answer float64) (found []Negative, err error) {
	hits = m.inRange(hits)
	seen := len(hits)
	var struck [reasons]int
	hits = slices.DeleteFunc(hits, func(h kernel.Hit) bool {
		why, out := m.Limits.strike(float64(h.Score), answer)
		if out {
			struck[why]++
		}
		return out
	})
	switch m.Strategy {
	case Random:
		shuffle(m.random(q.text, loader.Hard), hits)
	case First:
		slices.SortFunc(hits, func(a, b kernel.Hit) int { return cmp.Compare(a.Passage, b.Passage) })
	}
	for _, h := range hits {
		if len(found) == m.Hard {
			break
		}
		same, err := m.alike(q, h.Passage)
		switch {
		case err != nil:
			return nil, err
		case same:
			struck[nearDuplicate]++
		default:
			found = append(found, Negative{q.like, h.Passage, loader.Hard, h.Score})
		}
	}
	m.report.Hard.add(len(found), struck, seen)
	return found, nil
}

// alike reports whether a text says almost the same as the query or an answer.
func (m *mining) alike(q *query, text int32) (bool, error) {
	if m.Alike == nil {
		return false, nil
	}
	if q.say == nil {
		q.say = append(slices.Clone(q.positives), q.text)
	}
	return m.Alike(text, q.say)
}

// inRange leaves out what is not at the ranks in question.
func (m *mining) inRange(hits []kernel.Hit) []kernel.Hit {
	last := len(hits)
	if m.Pools == nil || m.Ranks.To > 0 {
		last = min(last, m.Ranks.depth(m.Hard))
	}
	return hits[min(m.Ranks.From, last):last]
}

func shuffle[T any](random *rand.Rand, list []T) {
	random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

// A visitor takes the passages that may become hard negatives of a query, the
// best first, and the cosine of the query with the least similar of its
// answers.
type visitor func(q int, hits []kernel.Hit, answer float64) error

// shufflePools visits the pools without vectors, in a random order.
func (m *mining) shufflePools(visit visitor) error {
	for i := range m.queries {
		q := &m.queries[i]
		hits := make([]kernel.Hit, len(q.pool))
		for j, text := range q.pool {
			hits[j] = kernel.Hit{Score: float32(math.NaN()), Passage: text}
		}
		shuffle(m.random(q.text, loader.Hard), hits)
		if err := visit(i, hits, math.NaN()); err != nil {
			return err
		}
	}
	return nil
}
