// Package cpu is the backend that computes on the processor, on all its cores.
package cpu

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/kernel"
)

// A Backend computes in main memory with the functions of internal/kernel.
type Backend struct {
	pool      *kernel.Pool
	precision string
	parts     kernel.Parts // of numbers in the products of a Score
}

var _ graph.Backend = (*Backend)(nil)

// New returns a backend that uses the given number of threads; 0 means one for
// each processor. The results are the same for any number. The caller closes it,
// which ends the threads.
func New(threads int) *Backend {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	b := &Backend{kernel.NewPool(threads), "fp32", kernel.Single}
	b.pool.Keep()
	return b
}

// ErrNoEngine says that this processor computes in single precision only.
var ErrNoEngine = errors.New("this processor has no matrix engine (AMX on Linux), or COSFIT_CPU leaves it out")

// coarser are the precisions below fp32, in parts of a number: the products of three
// pairs of bfloat16 are no less precise than tf32.
var coarser = map[string]kernel.Parts{"tf32": 2, "bf16": 1}

// NewCoarse is New with the products of a training step ([graph.ScoreKernel]) in tf32
// or bf16. All else is fp32. The error is ErrNoEngine where nothing would be gained.
func NewCoarse(threads int, precision string) (*Backend, error) {
	parts, ok := coarser[precision]
	if !ok {
		return nil, fmt.Errorf("cpu: a precision %q", precision)
	}
	if !kernel.Engine() {
		return nil, ErrNoEngine
	}
	b := New(threads)
	b.precision, b.parts = precision, parts
	return b, nil
}

// Name returns "cpu".
func (b *Backend) Name() string { return "cpu" }

// Kernel names the arithmetic and, where it depends on that, the architecture.
func (b *Backend) Kernel() string { return kernel.Name() }

// Precision is that of a training step's products.
func (b *Backend) Precision() string { return b.precision }

// Close ends the threads; the memory is the garbage collector's.
func (b *Backend) Close() error {
	b.pool.Close()
	return nil
}

// An array is a slice. Its capacity may exceed its shape, so that a short
// batch can follow a long one.
type array struct {
	graph.Header
	data []float32
}

// NewArray allocates zeros.
func (b *Backend) NewArray(shape ...int) (graph.Array, error) { return newArray(shape...), nil }

func newArray(shape ...int) *array {
	a := &array{Header: graph.NewHeader(shape...)}
	a.data = kernel.Allocate(a.Size())
	return a
}

// A table is an array that borrows its memory.
type table struct{ *array }

// NewTable makes an empty table.
func (b *Backend) NewTable(d int) (graph.Table, error) { return table{newArray(0, d)}, nil }

// Set borrows vectors.
func (t table) Set(vectors []float32) error {
	d := t.Shape()[1]
	if len(vectors)%d != 0 {
		return fmt.Errorf("cpu: a table of %d numbers, want a multiple of %d", len(vectors), d)
	}
	t.Resize(len(vectors) / d)
	t.data = vectors
	return nil
}

// resize sets the number of rows and grows the memory if need be.
func (a *array) resize(rows int) {
	a.Resize(rows)
	a.data = grow(a.data, a.Size())
}

func grow(s []float32, n int) []float32 {
	if cap(s) < n {
		return kernel.Allocate(n)
	}
	return s[:n]
}

// own checks that an array is one of this package's.
func own(a graph.Array) (*array, error) {
	switch c := a.(type) {
	case *array:
		return c, nil
	case table:
		return c.array, nil
	}
	return nil, fmt.Errorf("cpu: got a %T, want an array of this backend", a)
}

// Upload copies src into dst.
func (b *Backend) Upload(dst graph.Array, src []float32) error {
	a, err := own(dst)
	if err == nil && len(src) != len(a.data) {
		err = fmt.Errorf("cpu: upload of %d numbers into an array of %d", len(src), len(a.data))
	}
	if err == nil {
		copy(a.data, src)
	}
	return err
}

// Download copies src into dst.
func (b *Backend) Download(dst []float32, src graph.Array) error {
	a, err := own(src)
	if err == nil && len(dst) != len(a.data) {
		err = fmt.Errorf("cpu: download of an array of %d numbers into %d", len(a.data), len(dst))
	}
	if err == nil {
		copy(dst, a.data)
	}
	return err
}

// PairCosines compares rows of p.
func (b *Backend) PairCosines(p graph.Array, left, right []int32, s []float32) error {
	a, err := own(p)
	if err != nil {
		return err
	}
	b.pool.PairCosines(a.Shape()[1], a.data, left, right, s)
	return nil
}
