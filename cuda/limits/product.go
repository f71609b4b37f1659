//go:build gpu && linux

package limits

import (
	"math"
	"time"

	"github.com/cosfit/cosfit/cuda"
	"github.com/cosfit/cosfit/cuda/internal/nvidia"
)

const (
	workspace  = 32 << 20 // bytes, what NVIDIA advises for its newest GPUs
	candidates = 8
)

// NewProduct prepares a product of random matrices on the number-th GPU, by the
// fastest of the algorithms that cuBLASLt suggests.
func NewProduct(number int, p Product) (*Work, error) {
	return with(number, func(w *Work) error { return w.product(p) })
}

func (w *Work) product(p Product) error {
	what := nvidia.Matmul{M: p.Rows, N: p.Columns, K: p.Inner, TransA: p.TransA, TransB: p.TransB}
	size := int64(4)
	switch p.Precision {
	case cuda.BF16:
		what.Input, size = nvidia.BFloat16, 2
	case cuda.TF32:
		what.Compute = nvidia.ComputeTF32
	}
	blas, err := nvidia.OpenCublasLt(w.driver.Version.Major)
	if err != nil {
		return err
	}
	handle, err := blas.NewHandle()
	if err != nil {
		return err
	}
	w.later(handle.Destroy)
	plan, err := handle.Plan(what)
	if err != nil {
		return err
	}
	w.later(plan.Destroy)
	algos, err := plan.Candidates(workspace, candidates)
	if err != nil {
		return err
	}
	a, err := w.random(int64(p.Rows)*int64(p.Inner), size)
	if err != nil {
		return err
	}
	b, err := w.random(int64(p.Inner)*int64(p.Columns), size)
	if err != nil {
		return err
	}
	c, err := w.alloc(4 * int64(p.Rows) * int64(p.Columns))
	if err != nil {
		return err
	}
	space, err := w.alloc(workspace)
	if err != nil {
		return err
	}
	run := func(algo *nvidia.Algo) func() error {
		return func() error { return plan.Run(w.stream, algo, 1, a, b, 0, c, c, space, workspace) }
	}
	best := time.Duration(math.MaxInt64)
	var refused error // cuBLASLt may refuse an algorithm that it has named
	for _, algo := range algos {
		w.queue = run(&algo)
		took, err := w.fastest()
		if err != nil {
			refused = err
			continue
		}
		if took < best {
			best, algos[0] = took, algo
		}
	}
	if best == math.MaxInt64 {
		return refused
	}
	w.queue = run(&algos[0])
	return nil
}

// fastest is the least of three times, after one that does not count.
func (w *Work) fastest() (best time.Duration, err error) {
	if _, err := w.do(1); err != nil {
		return 0, err
	}
	best = math.MaxInt64
	for range 3 {
		took, err := w.do(2)
		if err != nil {
			return 0, err
		}
		best = min(best, took)
	}
	return best, nil
}

// bfloat16 rounds to the nearest, to even where two are as near.
func bfloat16(x float32) uint16 {
	bits := math.Float32bits(x)
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}
