package cpu

import (
	"fmt"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/kernel"
)

// NewScore prepares the cosines of a batch.
func (b *Backend) NewScore(d, k int) (graph.ScoreKernel, error) {
	return &score{pool: b.pool, d: d, k: k, s: newArray(0), dm: newArray(d, k)}, nil
}

// score holds the two sides of a batch one above the other: rows 0 … B−1 are
// the left ones, rows B … 2B−1 the right ones.
type score struct {
	pool          *kernel.Pool
	d, k          int
	x             []float32 // [2B, d] gathered embeddings
	g             []float32 // [2B, k] the projected vectors, then the gradient of each cosine by them
	s, dm         *array
	scale, scaled []float32 // [2B], [2B, k]
}

// Forward computes P = X·M, then the cosines and their gradients in one pass
// over P, which the gradients overwrite.
func (o *score) Forward(m graph.Array, b *graph.Batch) (graph.Array, error) {
	if len(b.Left) != len(b.Right) {
		return nil, fmt.Errorf("cpu: a batch with %d left and %d right texts", len(b.Left), len(b.Right))
	}
	n := len(b.Left)
	var err error
	if o.x, err = gather(o.pool, o.d, b, o.x); err != nil {
		return nil, err
	}
	if o.g, err = project(o.pool, o.d, o.k, m, o.x, o.g); err != nil {
		return nil, err
	}
	o.s.resize(n)
	l, r := o.g[:n*o.k], o.g[n*o.k:]
	o.pool.Cosines(o.k, l, r, o.s.data, l, r)
	return o.s, nil
}

// Backward scales the rows of G by ds and multiplies by Xᵀ.
func (o *score) Backward(ds graph.Array) (graph.Array, error) {
	a, err := own(ds)
	if err != nil {
		return nil, err
	}
	n := len(a.data)
	o.scale = append(append(o.scale[:0], a.data...), a.data...)
	o.scaled = grow(o.scaled, 2*n*o.k)
	o.pool.ScaleRows(o.k, o.g, o.scale, o.scaled)
	o.pool.GemmTN(o.d, o.k, 2*n, o.x, o.scaled, o.dm.data)
	return o.dm, nil
}

// gather copies the embeddings of both sides of a batch into x, left above
// right, with dropout.
func gather(pool *kernel.Pool, d int, b *graph.Batch, x []float32) ([]float32, error) {
	table, err := own(b.Table)
	if err != nil {
		return nil, err
	}
	if table.Shape()[1] != d {
		return nil, fmt.Errorf("cpu: embeddings of %d dimensions for a matrix of %d rows", table.Shape()[1], d)
	}
	x = grow(x, (len(b.Left)+len(b.Right))*d)
	pool.Gather(d, table.data, b.Left, 0, b.Dropout, x)
	pool.Gather(d, table.data, b.Right, 1, b.Dropout, x[len(b.Left)*d:])
	return x, nil
}

// project computes P = X·M.
func project(pool *kernel.Pool, d, k int, m graph.Array, x, p []float32) ([]float32, error) {
	a, err := own(m)
	if err != nil {
		return nil, err
	}
	if s := a.Shape(); s[0] != d || s[1] != k {
		return nil, fmt.Errorf("cpu: a matrix of shape %v, want (%d, %d)", s, d, k)
	}
	n := len(x) / d
	p = grow(p, n*k)
	pool.Gemm(n, k, d, x, a.data, p)
	return p, nil
}
