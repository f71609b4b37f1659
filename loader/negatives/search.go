package negatives

import (
	"context"
	"sync"

	"github.com/cosfit/cosfit/internal/kernel"
	"github.com/cosfit/cosfit/loader"
)

const (
	defaultMemory = 400 << 20
	partNumbers   = 1 << 22 // of the passages that are read at a time
)

// search visits the queries with the most similar passages of their split.
func (m *mining) search(ctx context.Context, visit visitor) error {
	answers, err := m.answers(ctx)
	if err != nil {
		return err
	}
	pool := kernel.NewPool(m.Threads)
	pool.Keep()
	defer pool.Close()
	done := 0
	for s := range loader.Split(loader.NumSplits) {
		var queries []int
		for i := range m.queries {
			if m.split(m.queries[i].like) == s {
				queries = append(queries, i)
			}
		}
		if len(queries) == 0 {
			continue
		}
		passages := m.passagesOf(s)
		depth := max(1, min(m.Ranks.depth(m.Hard), len(passages)))
		for most := m.queriesAtOnce(depth); len(queries) > 0; {
			some := queries[:min(most, len(queries))]
			queries = queries[len(some):]
			found, err := m.searchFor(ctx, pool, some, passages, depth, done)
			if err != nil {
				return err
			}
			for i, q := range some {
				hits := found.Best(i)
				for j := range hits {
					hits[j].Passage = passages[hits[j].Passage]
				}
				if err := visit(q, hits, answers[q]); err != nil {
					return err
				}
			}
			done += len(some)
		}
	}
	return nil
}

// queriesAtOnce is how many queries a search takes, so that it keeps to the
// memory: each has its vector, once as it is and once packed, and its hits.
func (m *mining) queriesAtOnce(depth int) int {
	memory := m.Memory
	if memory == 0 {
		memory = defaultMemory
	}
	each := 2*4*m.Vectors.Dim + 8*depth
	return max(1, int(memory/2)/each)
}

// searchFor compares some queries with passages and finds the best of each, as
// many as depth. done is the number of queries that were before.
func (m *mining) searchFor(ctx context.Context, pool *kernel.Pool, queries []int, passages []int32, depth, done int) (*kernel.Search, error) {
	d := m.Vectors.Dim
	texts := make([]int32, len(queries))
	for i, q := range queries {
		texts[i] = m.queries[q].text
	}
	x := kernel.Allocate(len(texts) * d)
	if err := m.Vectors.Queries(texts, x); err != nil {
		return nil, err
	}
	pool.Normalize(len(texts), d, x)
	search := pool.NewSearch(len(texts), d, depth, x)
	search.Keep = func(q int, passage int32) bool { return !m.bars(&m.queries[queries[q]], passages[passage]) }
	first := 0
	err := m.readAhead(passages, func(n int, vectors []float32) error {
		pool.Normalize(n, d, vectors)
		search.Add(n, int32(first), vectors)
		first += n
		if m.Progress != nil {
			m.Progress(done+int(float64(first)/float64(len(passages))*float64(len(queries))), len(m.queries))
		}
		return ctx.Err()
	})
	return search, err
}

// readAhead visits the vectors of passages part by part. The next part is read
// meanwhile.
func (m *mining) readAhead(passages []int32, visit func(n int, vectors []float32) error) error {
	d := m.Vectors.Dim
	most := max(1, partNumbers/d)
	type part struct {
		n       int
		vectors []float32
		err     error
	}
	parts, free, stop := make(chan part), make(chan []float32, 2), make(chan struct{})
	for range cap(free) {
		free <- make([]float32, min(most, len(passages))*d)
	}
	var reader sync.WaitGroup
	defer reader.Wait()
	defer close(stop)
	reader.Go(func() {
		defer close(parts)
		for len(passages) > 0 {
			n := min(most, len(passages))
			p := part{n: n, vectors: <-free}
			p.err = m.Vectors.passages(passages[:n], p.vectors[:n*d])
			select {
			case parts <- p:
			case <-stop:
				return
			}
			if p.err != nil {
				return
			}
			passages = passages[n:]
		}
	})
	for p := range parts {
		if p.err != nil {
			return p.err
		}
		if err := visit(p.n, p.vectors[:p.n*d]); err != nil {
			return err
		}
		free <- p.vectors
	}
	return nil
}
