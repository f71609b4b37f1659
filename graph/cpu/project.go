package cpu

import (
	"fmt"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/kernel"
)

// NewProject prepares the projection of a batch.
func (b *Backend) NewProject(d, k int) (graph.ProjectKernel, error) {
	return &projection{x: b.pool.NewOperand(d, kernel.Single), d: d, k: k, g: b.pool.NewGradient(k, kernel.Single), p: newArray(0, k), dm: newArray(d, k)}, nil
}

type projection struct {
	d, k  int
	x     *kernel.Operand // [n, d]
	g     *kernel.Gradient
	p, dm *array
}

// Forward computes P = X·M.
func (o *projection) Forward(m graph.Array, b *graph.Batch) (graph.Array, error) {
	var err error
	if o.p.data, err = project(o.x, o.d, o.k, m, b, o.p.data); err != nil {
		return nil, err
	}
	o.p.Resize(o.x.Rows())
	return o.p, nil
}

// Backward computes dM = Xᵀ·dP.
func (o *projection) Backward(dp graph.Array) (graph.Array, error) {
	a, err := own(dp)
	if err != nil {
		return nil, err
	}
	if len(a.data) != o.x.Rows()*o.k {
		return nil, fmt.Errorf("cpu: a gradient of %d numbers for %d rows of %d", len(a.data), o.x.Rows(), o.k)
	}
	o.g.Pack(a.data)
	o.x.TransposedTimes(o.g, o.dm.data)
	return o.dm, nil
}
