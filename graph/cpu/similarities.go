package cpu

import (
	"fmt"
	"slices"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/kernel"
)

// NewSimilarities prepares to compare vectors of k dimensions.
func (b *Backend) NewSimilarities(k int) (graph.SimilarityKernel, error) {
	return &similarities{pool: b.pool, k: k}, nil
}

type similarities struct {
	pool              *kernel.Pool
	k                 int
	passages, queries []float32 // rows of length 1
}

// SetPassages replaces the passages.
func (o *similarities) SetPassages(p graph.Array, rows []int32) (err error) {
	o.passages, err = o.appendUnit(o.passages[:0], p, rows)
	return err
}

// AddQueries appends queries.
func (o *similarities) AddQueries(p graph.Array, rows []int32) (err error) {
	o.queries, err = o.appendUnit(o.queries, p, rows)
	return err
}

// Of multiplies unit queries by unit passages.
func (o *similarities) Of(first, n int, out []float32) error {
	if (first+n)*o.k > len(o.queries) {
		return fmt.Errorf("cpu: queries %d to %d of %d", first, first+n-1, len(o.queries)/o.k)
	}
	o.pool.GemmNT(n, len(o.passages)/o.k, o.k, o.queries[first*o.k:(first+n)*o.k], o.passages, out)
	return nil
}

// appendUnit appends rows of p scaled to length 1.
func (o *similarities) appendUnit(dst []float32, p graph.Array, rows []int32) ([]float32, error) {
	a, err := own(p)
	if err != nil {
		return dst, err
	}
	if k := a.Shape()[1]; k != o.k {
		return dst, fmt.Errorf("cpu: vectors of %d dimensions among some of %d", k, o.k)
	}
	old := len(dst)
	dst = slices.Grow(dst, len(rows)*o.k)[:old+len(rows)*o.k]
	o.pool.Gather(o.k, a.data, rows, 0, graph.Dropout{}, dst[old:])
	o.pool.Normalize(len(rows), o.k, dst[old:])
	return dst, nil
}
