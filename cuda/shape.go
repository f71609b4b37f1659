//go:build gpu && linux

package cuda

import (
	"fmt"

	"github.com/cosfit/cosfit/cuda/internal/nvidia"
	"github.com/cosfit/cosfit/graph"
)

var _ graph.ShapedBackend = (*Backend)(nil)

// A shaped computes a matrix of a graph.DeviceShape, in float32 whatever the
// precision.
type shaped struct {
	*Backend
	function  graph.DeviceShape
	form      graph.Form // without a start
	terms     graph.Terms
	start     *array // [Sides·D, K]
	m, dtheta *array
	theta     *array // of the last Forward
}

// NewShape prepares a shape of the matrix: by kernels of the device, where it says
// how, else on the processor.
func (b *Backend) NewShape(s graph.Shape, sides, d, k int) (graph.ShapeKernel, error) {
	function, ok := s.(graph.DeviceShape)
	if !ok {
		return b.newHostShape(s, sides, d, k)
	}
	form := graph.Form{Sides: sides, D: d, K: k}
	o := &shaped{Backend: b, function: function, form: form, terms: function.Terms(&form)}
	for _, a := range []struct {
		to    **array
		shape []int
	}{{&o.start, []int{sides * d, k}}, {&o.m, []int{sides * d, k}}, {&o.dtheta, []int{o.Size()}}} {
		made, err := b.NewArray(a.shape...)
		if err != nil {
			return nil, err
		}
		*a.to = made.(*array)
	}
	return o, nil
}

// Size is that of θ.
func (o *shaped) Size() int { return o.function.Size(&o.form) }

// Begin sends the start.
func (o *shaped) Begin(start []float32, seed uint64) ([]float32, error) {
	form := o.form
	form.Start = start
	return o.function.Begin(&form, seed), o.Upload(o.start, start)
}

// A sideTerms is where a side's numbers are: bytes inside θ, and inside the matrix.
type sideTerms struct{ w, u, v, m int }

func (o *shaped) side(i int) sideTerms {
	t := sideTerms{w: 4 * i * (o.Size() / o.form.Sides), m: 4 * i * o.form.D * o.form.K}
	if t.u = t.w; o.terms.Weight != 0 {
		t.u += 4 * o.form.K
	}
	t.v = t.u + 4*o.form.D*o.terms.Rank
	return t
}

// Forward computes M = S·diag(1 + Weight·w) + U·Vᵀ for each side.
func (o *shaped) Forward(theta graph.Array) (graph.Array, error) {
	if err := o.enter(); err != nil {
		return nil, err
	}
	defer o.leave()
	a, err := o.own(theta)
	if err != nil {
		return nil, err
	}
	if a.Size() != o.Size() {
		return nil, fmt.Errorf("cuda: %d numbers for a shape of %d", a.Size(), o.Size())
	}
	o.theta, o.m.current = a, false
	d, k, rank := o.form.D, o.form.K, o.terms.Rank
	for i := range o.form.Sides {
		side := o.side(i)
		start, m := o.start.at+nvidia.Pointer(side.m), o.m.at+nvidia.Pointer(side.m)
		if o.terms.Weight != 0 {
			err = o.exact.Diagonal(o.stream, start, a.at+nvidia.Pointer(side.w), m, o.terms.Weight, d, k)
		} else {
			err = o.stream.Copy(m, start, 4*d*k)
		}
		if err == nil && rank > 0 {
			uv := nvidia.Matmul{M: d, N: k, K: rank, TransB: true, Compute: nvidia.ComputeFloat32, Align: aligned(side.u, side.v, side.m)}
			err = o.multiply(uv, a.at+nvidia.Pointer(side.u), a.at+nvidia.Pointer(side.v), 1, m)
		}
		if err != nil {
			return nil, err
		}
	}
	return o.m, nil
}

// Backward computes dw_j = Weight·Σ_i S_ij·dM_ij, dU = dM·V and dV = dMᵀ·U.
func (o *shaped) Backward(dm graph.Array) (graph.Array, error) {
	if err := o.enter(); err != nil {
		return nil, err
	}
	defer o.leave()
	a, err := o.matrix(dm, o.form.Sides*o.form.D, o.form.K)
	if err != nil {
		return nil, err
	}
	d, k, rank := o.form.D, o.form.K, o.terms.Rank
	theta, dtheta := o.theta.at, o.dtheta.at
	for i := range o.form.Sides {
		side := o.side(i)
		dm := a.at + nvidia.Pointer(side.m)
		if o.terms.Weight != 0 {
			if err := o.exact.DiagonalGradient(o.stream, o.start.at+nvidia.Pointer(side.m), dm, dtheta+nvidia.Pointer(side.w), o.terms.Weight, d, k); err != nil {
				return nil, err
			}
		}
		if rank == 0 {
			continue
		}
		du := nvidia.Matmul{M: d, N: rank, K: k, Compute: nvidia.ComputeFloat32, Align: aligned(side.u, side.v, side.m)}
		if err := o.multiply(du, dm, theta+nvidia.Pointer(side.v), 0, dtheta+nvidia.Pointer(side.u)); err != nil {
			return nil, err
		}
		dv := nvidia.Matmul{M: k, N: rank, K: d, TransA: true, Compute: nvidia.ComputeFloat32, Align: aligned(side.u, side.v, side.m)}
		if err := o.multiply(dv, dm, theta+nvidia.Pointer(side.u), 0, dtheta+nvidia.Pointer(side.v)); err != nil {
			return nil, err
		}
	}
	return o.dtheta, nil
}
