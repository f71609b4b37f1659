package cpu

import (
	"fmt"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/kernel"
)

// NewSidedProject prepares the projection of a batch whose sides differ.
func (b *Backend) NewSidedProject(side graph.Side, d, k int) (graph.ProjectKernel, error) {
	o := &sidedProjection{side: side, d: d, k: k, p: newArray(0, k), dm: newArray(side.Rows(d), k)}
	o.left = half{b.pool.NewOperand(d, kernel.Single), b.pool.NewGradient(k, kernel.Single)}
	if side == graph.Dual {
		o.right = half{b.pool.NewOperand(d, kernel.Single), b.pool.NewGradient(k, kernel.Single)}
	}
	return o, nil
}

type sidedProjection struct {
	side        graph.Side
	d, k        int
	left, right half
	lefts       int
	p, dm       *array
}

// A half is a side that has a matrix.
type half struct {
	x *kernel.Operand  // [n, d]
	g *kernel.Gradient // [n, k]
}

// Forward computes P = X·M for each side that has a matrix, and copies the
// other's embeddings.
func (o *sidedProjection) Forward(m graph.Array, b *graph.Batch) (graph.Array, error) {
	from, err := source(b, o.d, o.side.Width(o.d, o.k))
	if err != nil {
		return nil, err
	}
	matrix, err := own(m)
	if err != nil {
		return nil, err
	}
	if s := matrix.Shape(); s[0] != o.side.Rows(o.d) || s[1] != o.k {
		return nil, fmt.Errorf("cpu: a matrix of shape %v, want (%d, %d)", s, o.side.Rows(o.d), o.k)
	}
	o.lefts = len(b.Left)
	o.p.resize(o.lefts + len(b.Right))
	p, q := o.p.data[:o.lefts*o.k], o.p.data[o.lefts*o.k:]
	o.left.x.GatherTimes(from, b.Left, nil, b.Dropout, matrix.data[:o.d*o.k], o.k, p)
	if o.side == graph.Dual {
		o.right.x.GatherTimes(from, nil, b.Right, b.Dropout, matrix.data[o.d*o.k:], o.k, q)
		return o.p, nil
	}
	for i, row := range b.Right {
		copy(q[i*o.k:(i+1)*o.k], from.Table[int(row)*from.Width:])
	}
	return o.p, nil
}

// Backward computes dM = Xᵀ·dP for each side that has a matrix.
func (o *sidedProjection) Backward(dp graph.Array) (graph.Array, error) {
	a, err := own(dp)
	if err != nil {
		return nil, err
	}
	if len(a.data) != len(o.p.data) {
		return nil, fmt.Errorf("cpu: a gradient of %d numbers for %d", len(a.data), len(o.p.data))
	}
	at := o.lefts * o.k
	o.left.backward(a.data[:at], o.dm.data[:o.d*o.k])
	if o.side == graph.Dual {
		o.right.backward(a.data[at:], o.dm.data[o.d*o.k:])
	}
	return o.dm, nil
}

func (h half) backward(dp, dm []float32) {
	h.g.Pack(dp)
	h.x.TransposedTimes(h.g, dm)
}
