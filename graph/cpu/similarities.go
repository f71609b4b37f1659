package cpu

import (
	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/kernel"
)

// NewSimilarities copies the passages and scales each to length 1.
func (b *Backend) NewSimilarities(p graph.Array, passages []int32) (graph.SimilarityKernel, error) {
	a, err := own(p)
	if err != nil {
		return nil, err
	}
	o := &similarities{threads: b.threads, k: a.Shape()[1], source: a, n: len(passages)}
	o.passages = o.unit(passages, make([]float32, len(passages)*o.k))
	return o, nil
}

type similarities struct {
	threads, k, n int
	source        *array
	passages      []float32 // [n, k], rows of length 1
	queries       []float32
}

// Of multiplies unit queries by unit passages.
func (o *similarities) Of(queries []int32, out []float32) error {
	o.queries = o.unit(queries, grow(o.queries, len(queries)*o.k))
	kernel.GemmNT(o.threads, len(queries), o.n, o.k, o.queries, o.passages, out)
	return nil
}

func (o *similarities) unit(rows []int32, dst []float32) []float32 {
	kernel.Gather(o.threads, o.k, o.source.data, rows, 0, graph.Dropout{}, dst)
	kernel.Normalize(o.threads, len(rows), o.k, dst)
	return dst
}
