package cpu

import (
	"fmt"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/kernel"
)

// NewScore prepares the cosines of a batch.
func (b *Backend) NewScore(d, k int) (graph.ScoreKernel, error) {
	return &score{
		x: b.pool.NewOperand(d, b.parts), d: d, k: k, g: b.pool.NewGradient(k, b.parts),
		s: newArray(0), dm: newArray(d, k),
	}, nil
}

// score holds the two sides of a batch one above the other: rows 0 … B−1 are
// the left ones, rows B … 2B−1 the right ones.
type score struct {
	d, k  int
	x     *kernel.Operand  // [2B, d] gathered embeddings
	p     []float32        // [2B, k] projected vectors
	g     *kernel.Gradient // [2B, k] of the loss by p
	s, dm *array
}

// Forward computes P = X·M and the cosines, and keeps what their gradients need.
func (o *score) Forward(m graph.Array, b *graph.Batch) (graph.Array, error) {
	if len(b.Left) != len(b.Right) {
		return nil, fmt.Errorf("cpu: a batch with %d left and %d right texts", len(b.Left), len(b.Right))
	}
	var err error
	if o.p, err = project(o.x, o.d, o.k, m, b, o.p); err != nil {
		return nil, err
	}
	o.s.resize(len(b.Left))
	o.g.Cosines(o.p, o.s.data)
	return o.s, nil
}

// Backward makes dP of P and ds, and multiplies it by Xᵀ.
func (o *score) Backward(ds graph.Array) (graph.Array, error) {
	a, err := own(ds)
	if err != nil {
		return nil, err
	}
	if len(a.data) != len(o.s.data) {
		return nil, fmt.Errorf("cpu: derivatives by %d cosines, want %d", len(a.data), len(o.s.data))
	}
	o.g.Pull(a.data)
	o.x.TransposedTimes(o.g, o.dm.data)
	return o.dm, nil
}

// source is where a batch gathers embeddings of d dimensions from, in a table
// whose rows have that width.
func source(b *graph.Batch, d, width int) (kernel.Source, error) {
	table, err := own(b.Table)
	if err != nil {
		return kernel.Source{}, err
	}
	if have := table.Shape()[1]; have != width {
		return kernel.Source{}, fmt.Errorf("cpu: embeddings of %d dimensions, want %d for a matrix of %d rows", have, width, d)
	}
	from := kernel.Source{Table: table.data, Width: width}
	if b.Offset == nil {
		return from, nil
	}
	offset, err := own(b.Offset)
	if err != nil {
		return kernel.Source{}, err
	}
	if offset.Size() != d {
		return kernel.Source{}, fmt.Errorf("cpu: an offset of %d numbers for embeddings of %d", offset.Size(), d)
	}
	from.Offset = offset.data
	return from, nil
}

// project computes P = X·M for the embeddings of both sides of a batch, with
// dropout.
func project(x *kernel.Operand, d, k int, m graph.Array, b *graph.Batch, p []float32) ([]float32, error) {
	from, err := source(b, d, d)
	if err != nil {
		return nil, err
	}
	matrix, err := own(m)
	if err != nil {
		return nil, err
	}
	if s := matrix.Shape(); s[0] != d || s[1] != k {
		return nil, fmt.Errorf("cpu: a matrix of shape %v, want (%d, %d)", s, d, k)
	}
	p = grow(p, (len(b.Left)+len(b.Right))*k)
	x.GatherTimes(from, b.Left, b.Right, b.Dropout, matrix.data, k, p)
	return p, nil
}
