package negatives

import (
	"math"
	"slices"

	"github.com/cosfit/cosfit/loader"
)

// findWeak draws the weak negatives of all queries, from what is not a hard one
// already.
func (m *mining) findWeak(hard []Negative) (found []Negative, err error) {
	taken := map[int32][]int32{} // classes, by the query's pair
	for _, n := range hard {
		taken[n.Like] = append(taken[n.Like], m.Classes[n.Passage])
	}
	var lists [loader.NumSplits][]int32
	for i := range m.queries {
		q := &m.queries[i]
		split := m.split(q.like)
		if lists[split] == nil {
			lists[split] = m.passagesOf(split)
		}
		drawn, err := m.draw(q, lists[split], taken[q.like])
		if err != nil {
			return nil, err
		}
		m.report.Weak.add(len(drawn), [reasons]int{}, len(drawn))
		for _, text := range drawn {
			found = append(found, Negative{q.like, text, loader.Weak, float32(math.NaN())})
		}
	}
	return found, nil
}

// draw draws passages of other groups and documents, all with the same
// probability.
func (m *mining) draw(q *query, list, taken []int32) (drawn []int32, err error) {
	if len(list) == 0 {
		return nil, nil
	}
	barred := m.own(q)
	eligible := func(text int32) bool {
		return !m.bars(q, text) && !barred(text) && !slices.Contains(taken, m.Classes[text]) && !slices.Contains(drawn, text)
	}
	random := m.random(q.text, loader.Weak)
	for tries := 10 * (m.Weak + 1); tries > 0 && len(drawn) < m.Weak; tries-- {
		text := list[random.IntN(len(list))]
		if !eligible(text) {
			continue
		}
		if drawn, err = m.take(q, text, drawn); err != nil {
			return nil, err
		}
	}
	if len(drawn) == m.Weak {
		return drawn, nil
	}
	var rest []int32 // where little is eligible
	for _, text := range list {
		if eligible(text) {
			rest = append(rest, text)
		}
	}
	shuffle(random, rest)
	for _, text := range rest {
		if len(drawn) == m.Weak {
			break
		}
		if drawn, err = m.take(q, text, drawn); err != nil {
			return nil, err
		}
	}
	return drawn, nil
}

// take appends a text, unless it says almost what the query or an answer says.
func (m *mining) take(q *query, text int32, drawn []int32) ([]int32, error) {
	if same, err := m.alike(q, text); same || err != nil {
		return drawn, err
	}
	return append(drawn, text), nil
}

// own reports of texts whether they are of the documents that the query's answers
// come from, or of its pool.
func (m *mining) own(q *query) func(text int32) bool {
	var sources []int32
	if m.Sources != nil {
		for _, text := range q.positives {
			if s := m.Sources[text]; s >= 0 && !slices.Contains(sources, s) {
				sources = append(sources, s)
			}
		}
	}
	pool := make([]int32, len(q.pool))
	for i, text := range q.pool {
		pool[i] = m.Classes[text]
	}
	slices.Sort(pool)
	return func(text int32) bool {
		_, inPool := slices.BinarySearch(pool, m.Classes[text])
		return inPool || len(sources) > 0 && slices.Contains(sources, m.Sources[text])
	}
}
