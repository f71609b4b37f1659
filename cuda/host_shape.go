//go:build gpu && linux

package cuda

import "github.com/cosfit/cosfit/graph"

// A hostShape is a shape that only Go knows. θ and dM come to the host, the processor
// computes, and M and dθ go back, for which the device waits. Such a step cannot be
// recorded.
type hostShape struct {
	*Backend
	kernel     graph.ShapeKernel // of the processor
	theta, dm  graph.Array       // there
	m, dtheta  graph.Array
	travelling []float32 // what is on its way
}

func (b *Backend) newHostShape(s graph.Shape, sides, d, k int) (graph.ShapeKernel, error) {
	o := &hostShape{Backend: b}
	var err error
	if o.kernel, err = b.processor().NewShape(s, sides, d, k); err != nil {
		return nil, err
	}
	size := o.kernel.Size()
	for _, a := range []struct {
		to    *graph.Array
		on    graph.Backend
		shape []int
	}{{&o.theta, o.host, []int{size}}, {&o.dm, o.host, []int{sides * d, k}}, {&o.dtheta, b, []int{size}}, {&o.m, b, []int{sides * d, k}}} {
		if *a.to, err = a.on.NewArray(a.shape...); err != nil {
			return nil, err
		}
	}
	o.travelling = make([]float32, max(size, sides*d*k))
	return o, nil
}

// Size is that of θ.
func (o *hostShape) Size() int { return o.kernel.Size() }

// Begin gives the start to the processor.
func (o *hostShape) Begin(start []float32, seed uint64) ([]float32, error) {
	return o.kernel.Begin(start, seed)
}

// Forward computes the matrix.
func (o *hostShape) Forward(theta graph.Array) (graph.Array, error) {
	return o.compute(theta, o.theta, o.kernel.Forward, o.m)
}

// Backward computes the derivative by θ.
func (o *hostShape) Backward(dm graph.Array) (graph.Array, error) {
	return o.compute(dm, o.dm, o.kernel.Backward, o.dtheta)
}

// compute has the processor compute f of an array, which is carried there, and
// returns the result, which is carried back.
func (o *hostShape) compute(from, there graph.Array, f func(graph.Array) (graph.Array, error), to graph.Array) (graph.Array, error) {
	if err := carry(o.travelling, o.Backend, from, o.host, there); err != nil {
		return nil, err
	}
	result, err := f(there)
	if err != nil {
		return nil, err
	}
	return to, carry(o.travelling, o.host, result, o.Backend, to)
}

// carry copies an array of one backend to one of another's by way of a buffer.
func carry(by []float32, from graph.Backend, a graph.Array, to graph.Backend, b graph.Array) error {
	by = by[:min(a.Size(), len(by))]
	if err := from.Download(by, a); err != nil {
		return err
	}
	return to.Upload(b, by)
}
