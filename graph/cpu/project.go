package cpu

import (
	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/kernel"
)

// NewProject prepares the projection of a batch.
func (b *Backend) NewProject(d, k int) (graph.ProjectKernel, error) {
	return &projection{pool: b.pool, d: d, k: k, p: newArray(0, k), dm: newArray(d, k)}, nil
}

type projection struct {
	pool  *kernel.Pool
	d, k  int
	x     []float32 // [n, d]
	p, dm *array
}

// Forward computes P = X·M.
func (o *projection) Forward(m graph.Array, b *graph.Batch) (graph.Array, error) {
	var err error
	if o.x, err = gather(o.pool, o.d, b, o.x); err != nil {
		return nil, err
	}
	if o.p.data, err = project(o.pool, o.d, o.k, m, o.x, o.p.data); err != nil {
		return nil, err
	}
	o.p.Resize(len(b.Left) + len(b.Right))
	return o.p, nil
}

// Backward computes dM = Xᵀ·dP.
func (o *projection) Backward(dp graph.Array) (graph.Array, error) {
	a, err := own(dp)
	if err != nil {
		return nil, err
	}
	o.pool.GemmTN(o.d, o.k, len(o.x)/o.d, o.x, a.data, o.dm.data)
	return o.dm, nil
}
