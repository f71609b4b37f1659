//go:build gpu && linux

package cuda

import (
	"github.com/cosfit/cosfit/cuda/internal/kernels"
	"github.com/cosfit/cosfit/cuda/internal/nvidia"
	"github.com/cosfit/cosfit/graph"
)

// A contrast is graph.InfoNCE on the device: products for all similarities of the
// batch, a kernel for their derivative, and products back. Which passages are no
// negatives the kernel finds in the batch's numbers of texts and groups, so that a
// step stages no more than with any other loss and can be recorded.
type contrast struct {
	*Backend
	kernel    *kernels.Contrast
	symmetric bool
	theta     *array // [1], −log τ, where it is not learned

	left, right side
	inverses    memory // of lengths [2n]
	s, ds       memory // of some queries with all candidates: float32, and of the precision
	sums        memory // float64 [n, 2], or [2, n, 2]

	value   *array
	dp      derivative
	byTheta derivative
}

// A side is the vectors of one side at length 1 [n, k], of the precision, and the
// derivative by them, float32. The other side begins in memory of its own, so at a
// multiple of 256 bytes, as the algorithms of products suppose.
type side struct{ unit, gradient memory }

const (
	// partSimilarities are about as many as are held at a time: 16 MB, which stay in
	// the cache of an A100 or H100 between the kernels that pass them on.
	partSimilarities = 1 << 22
	// partRows divide the queries of a part, so that each begins at a multiple of 256
	// bytes.
	partRows = 128
)

func (b *Backend) newContrast(l graph.InfoNCE) (*contrast, error) {
	if err := b.enter(); err != nil {
		return nil, err
	}
	defer b.leave()
	kernel, err := b.compiler.Contrast(b.context, b.precision)
	if err != nil {
		return nil, err
	}
	b.closing(kernel.Close)
	theta, err := b.NewArray(1)
	if err != nil {
		return nil, err
	}
	learning := graph.InfoNCE{Temperature: l.Temperature, Learn: true}
	return &contrast{Backend: b, kernel: kernel, symmetric: l.Symmetric, theta: theta.(*array),
		value: b.newArray(), byTheta: b.newDerivative(1)}, b.Upload(theta, learning.Parameters())
}

// Forward computes the loss and keeps its derivative.
func (o *contrast) Forward(p graph.Array, batch *graph.Batch) (graph.Array, error) {
	return o.ForwardAt(p, o.theta, batch)
}

// ForwardAt does so for a given temperature, which the device reads.
func (o *contrast) ForwardAt(p, parameters graph.Array, batch *graph.Batch) (graph.Array, error) {
	if err := o.enter(); err != nil {
		return nil, err
	}
	defer o.leave()
	theta, err := o.own(parameters)
	if err != nil {
		return nil, err
	}
	a, n, k, err := o.projected(p, batch)
	if err != nil {
		return nil, err
	}
	if err := o.room(n, k); err != nil {
		return nil, err
	}
	if n == 0 {
		return o.value, o.zero(o.value)
	}
	if err := o.stage(batch); err != nil {
		return nil, err
	}
	if err := o.kernel.Unit(o.stream, a.at, o.left.unit.at, o.right.unit.at, o.inverses.at, n, k); err != nil {
		return nil, err
	}
	for _, s := range []side{o.left, o.right} {
		if err := o.stream.Fill(s.gradient.at, 0, n*k); err != nil {
			return nil, err
		}
	}
	if err := o.directions(theta, n, k); err != nil {
		return nil, err
	}
	return o.value, o.kernel.ThroughUnit(o.stream, a.at, o.inverses.at, o.left.gradient.at, o.right.gradient.at, o.dp.at, n, k)
}

// directions computes the loss, of left texts with right ones and, of a symmetric
// one, the other way round too.
func (o *contrast) directions(theta *array, n, k int) error {
	directions, weight := 1, float32(1)
	if o.symmetric {
		directions, weight = 2, 0.5
	}
	sides := [2]side{o.left, o.right}
	for i := range directions {
		if err := o.direction(theta, sides[i], sides[1-i], n, k, i == 1, weight); err != nil {
			return err
		}
	}
	return o.kernel.Loss(o.stream, o.sums.at, o.value.at, o.byTheta.at, directions*n)
}

// part is how many of n queries are compared at a time.
func (o *contrast) part(n int) int {
	return min(n, max(1, o.partSimilarities/n/partRows)*partRows)
}

// direction adds the derivative of one direction to the gradients, part by part.
func (o *contrast) direction(theta *array, queries, candidates side, n, k int, toQueries bool, weight float32) error {
	sums := o.sums.at
	if toQueries {
		sums += nvidia.Pointer(16 * n)
	}
	for first := 0; first < n; first += o.part(n) {
		rows := min(o.part(n), n-first)
		unit := queries.unit.at + nvidia.Pointer(first*k*o.precision.OperandSize())
		gradient := queries.gradient.at + nvidia.Pointer(4*first*k)
		similar, forth, back := o.product(rows, n, k), o.product(rows, k, n), o.product(n, k, rows)
		similar.TransB, back.TransA = true, true
		if err := o.multiply(similar, unit, candidates.unit.at, 0, o.s.at); err != nil {
			return err
		}
		if err := o.kernel.Contrast(o.stream, o.job.at, theta.at, o.s.at, o.ds.at, sums, first, rows, n, toQueries, weight); err != nil {
			return err
		}
		if err := o.multiply(forth, o.ds.at, candidates.unit.at, 1, gradient); err != nil {
			return err
		}
		if err := o.multiply(back, o.ds.at, unit, 1, candidates.gradient.at); err != nil {
			return err
		}
	}
	return nil
}

// room makes room for n pairs.
func (o *contrast) room(n, k int) error {
	dp, err := o.dp.of(o.Backend, 2*n, k)
	if err != nil {
		return err
	}
	o.dp = dp
	if err := o.byTheta.resize(1); err != nil {
		return err
	}
	size, part := o.precision.OperandSize(), 0
	if n > 0 {
		part = o.part(n) * n
	}
	for _, m := range []struct {
		of    *memory
		bytes int
	}{
		{&o.value.memory, 4},
		{&o.left.unit, n * k * size}, {&o.right.unit, n * k * size},
		{&o.left.gradient, 4 * n * k}, {&o.right.gradient, 4 * n * k},
		{&o.inverses, 8 * n},
		{&o.s, 4 * part}, {&o.ds, part * size},
		{&o.sums, 32 * n},
	} {
		if err := o.grow(m.of, m.bytes); err != nil {
			return err
		}
	}
	return nil
}

// Backward returns the derivative by the vectors times upstream.
func (o *contrast) Backward(upstream float32) (graph.Array, error) { return o.dp.times(upstream) }

// ByParameters returns that by −log τ.
func (o *contrast) ByParameters(upstream float32) (graph.Array, error) {
	return o.byTheta.times(upstream)
}
