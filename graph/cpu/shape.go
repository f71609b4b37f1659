package cpu

import (
	"fmt"

	"github.com/cosfit/cosfit/graph"
)

var _ graph.ShapedBackend = (*Backend)(nil)

// NewShape prepares a shape of the matrix.
func (b *Backend) NewShape(s graph.Shape, sides, d, k int) (graph.ShapeKernel, error) {
	return &shape{
		function: s, form: graph.Form{Sides: sides, D: d, K: k, Start: make([]float32, sides*d*k), Pool: b.pool},
		m: newArray(sides*d, k), dtheta: newArray(0),
	}, nil
}

type shape struct {
	function  graph.Shape
	form      graph.Form
	theta     []float32 // of the last Forward
	m, dtheta *array
}

// Size is that of θ.
func (o *shape) Size() int { return o.function.Size(&o.form) }

// Begin keeps a copy of the start.
func (o *shape) Begin(start []float32, seed uint64) ([]float32, error) {
	copy(o.form.Start, start)
	return o.function.Begin(&o.form, seed), nil
}

// Forward computes the matrix.
func (o *shape) Forward(theta graph.Array) (graph.Array, error) {
	a, err := own(theta)
	if err != nil {
		return nil, err
	}
	o.theta = a.data
	o.function.Matrix(&o.form, o.theta, o.m.data)
	return o.m, nil
}

// Backward computes the derivative by what the last Forward had.
func (o *shape) Backward(dm graph.Array) (graph.Array, error) {
	a, err := own(dm)
	if err != nil {
		return nil, err
	}
	if len(a.data) != len(o.m.data) {
		return nil, fmt.Errorf("cpu: a gradient of %d numbers for a matrix of %d", len(a.data), len(o.m.data))
	}
	o.dtheta.resize(len(o.theta))
	o.function.Gradient(&o.form, o.theta, a.data, o.dtheta.data)
	return o.dtheta, nil
}
