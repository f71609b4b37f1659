//go:build gpu && linux

package cuda

import (
	"fmt"

	"github.com/cosfit/cosfit/cuda/internal/nvidia"
	"github.com/cosfit/cosfit/graph"
)

// A score computes the cosines of a batch. Rows 0 … B−1 of its matrices are the
// left texts, rows B … 2B−1 the right ones.
type score struct {
	*Backend
	d, k     int
	x        memory // X [2B, d], of the precision
	p        memory // P [2B, k], float32
	inverses memory // 1/|p| of each row of P
	dp       memory // [2B, k], of the precision
	s, dm    *array
}

// NewScore prepares the cosines of a batch.
func (b *Backend) NewScore(d, k int) (graph.ScoreKernel, error) {
	return &score{Backend: b, d: d, k: k, s: b.newArray(0), dm: b.newArray(d, k)}, nil
}

// Forward gathers X, computes P = X·M, and the cosines.
func (o *score) Forward(m graph.Array, batch *graph.Batch) (graph.Array, error) {
	if err := o.enter(); err != nil {
		return nil, err
	}
	defer o.leave()
	n := len(batch.Left)
	if n != len(batch.Right) {
		return nil, fmt.Errorf("cuda: a batch with %d left and %d right texts", n, len(batch.Right))
	}
	if err := o.batched(batch, o.d, o.d); err != nil {
		return nil, err
	}
	matrix, err := o.matrix(m, o.d, o.k)
	if err != nil {
		return nil, err
	}
	if err := o.room(n); err != nil {
		return nil, err
	}
	if n == 0 {
		return o.s, nil
	}
	operand, err := o.operandOf(matrix)
	if err != nil {
		return nil, err
	}
	if err := o.stage(batch); err != nil {
		return nil, err
	}
	if err := o.step.Gather(o.stream, o.job.at, o.x.at, 0, 2*n, 2*n, o.d); err != nil {
		return nil, err
	}
	if err := o.multiply(o.product(2*n, o.k, o.d), o.x.at, operand, 0, o.p.at); err != nil {
		return nil, err
	}
	return o.s, o.step.Cosine(o.stream, o.p.at, o.s.at, o.inverses.at, n, o.k)
}

// room makes room for n pairs.
func (o *score) room(n int) error {
	if err := o.s.resize(n); err != nil {
		return err
	}
	size := o.precision.OperandSize()
	for _, part := range []struct {
		of    *memory
		bytes int
	}{
		{&o.x, 2 * n * o.d * size},
		{&o.p, 2 * n * o.k * 4},
		{&o.inverses, 2 * n * 4},
		{&o.dp, 2 * n * o.k * size},
		{&o.dm.memory, o.d * o.k * 4},
	} {
		if err := o.grow(part.of, part.bytes); err != nil {
			return err
		}
	}
	return nil
}

// Backward computes dP from ds, P and the cosines, and dM = Xᵀ·dP.
func (o *score) Backward(ds graph.Array) (graph.Array, error) {
	if err := o.enter(); err != nil {
		return nil, err
	}
	defer o.leave()
	a, err := o.own(ds)
	if err != nil {
		return nil, err
	}
	n := o.s.Size()
	if a.Size() != n {
		return nil, fmt.Errorf("cuda: %d derivatives for %d cosines", a.Size(), n)
	}
	if n == 0 {
		return o.dm, o.zero(o.dm)
	}
	if err := o.step.Pull(o.stream, o.p.at, o.s.at, o.inverses.at, a.at, o.dp.at, n, o.k); err != nil {
		return nil, err
	}
	dm := o.product(o.d, o.k, 2*n)
	dm.TransA = true
	return o.dm, o.multiply(dm, o.x.at, o.dp.at, 0, o.dm.at)
}

// zero fills an array.
func (b *Backend) zero(a *array) error { return b.stream.Fill(a.at, 0, a.Size()) }

// product is one of a step, in its precision.
func (b *Backend) product(m, n, k int) nvidia.Matmul {
	p := nvidia.Matmul{M: m, N: n, K: k, Compute: nvidia.ComputeFloat32}
	switch b.precision {
	case TF32:
		p.Compute = nvidia.ComputeTF32
	case BF16:
		p.Input = nvidia.BFloat16
	}
	return p
}
