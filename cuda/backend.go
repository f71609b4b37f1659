//go:build gpu && linux

package cuda

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/cosfit/cosfit/cuda/internal/kernels"
	"github.com/cosfit/cosfit/cuda/internal/nvidia"
	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/cpu"
)

// A Backend computes on one GPU. Its calls queue work on one stream and return;
// a second stream fills tables. Memory, kernels and recordings stay until
// Close.
//
// A call may come from any goroutine, one at a time: each locks its goroutine
// to a thread and makes the device's context current there, which costs well
// under a microsecond.
type Backend struct {
	precision Precision
	kernel    string
	device    nvidia.Device
	context   *nvidia.Context
	stream    *nvidia.Stream // everything but what fills tables, in order
	copies    *nvidia.Stream // fills tables

	compiler *kernels.Compiler
	step     *kernels.Step // of the precision
	exact    *kernels.Step // of fp32, for evaluation
	products *products

	pieces ring // pinned, for copies of any size
	steps  ring // pinned, for what a step is told

	job        memory       // what a step is told, as kernels read it
	staged     *graph.Batch // the one that is there for a whole step
	parameters []*array     // that have a copy as an operand

	rows, results memory // what evaluation is asked and answers

	threads int          // of host
	host    *cpu.Backend // the processor, for what has no kernels; nil before the first

	recordings     []*recording
	capturing      *capture // nil where nothing is being recorded
	recordsNothing bool

	projectRows, partSimilarities int // see settings

	memories []*memory
	closers  []func() error // in reverse order
}

var (
	_ graph.Backend  = (*Backend)(nil)
	_ graph.Recorder = (*Backend)(nil)
	_ graph.Tuned    = (*Backend)(nil)
)

// Name returns "cuda".
func (b *Backend) Name() string { return "cuda" }

// Kernel names what decides the bits of a result: the precision, the
// architecture that the kernels are compiled for, and the versions of the
// libraries.
func (b *Backend) Kernel() string { return b.kernel }

// Precision returns that of training steps.
func (b *Backend) Precision() string { return string(b.precision) }

// enter makes the context current, on a thread that is the goroutine's until
// leave.
func (b *Backend) enter() error {
	if b.context == nil {
		return errors.New("the CUDA backend has been closed")
	}
	runtime.LockOSThread()
	if err := b.context.SetCurrent(); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	return nil
}

func (b *Backend) leave() { runtime.UnlockOSThread() }

// closing has Close call f, before what it was told earlier.
func (b *Backend) closing(f func() error) { b.closers = append(b.closers, f) }

// Close waits for the device and gives everything back. The first error is
// returned; after a fault of the device that is the fault.
func (b *Backend) Close() error {
	if b.context == nil {
		return nil
	}
	if err := b.enter(); err != nil {
		return err
	}
	defer b.leave()
	var first error
	do := func(f func() error) {
		if err := f(); first == nil {
			first = err
		}
	}
	for _, s := range []*nvidia.Stream{b.copies, b.stream} {
		if s != nil {
			do(s.Synchronize)
		}
	}
	do(b.forget)
	if b.products != nil {
		do(b.products.close)
	}
	for _, m := range b.memories {
		do(func() error { return b.release(m) })
	}
	do(b.pieces.close)
	do(b.steps.close)
	for i := len(b.closers) - 1; i >= 0; i-- {
		do(b.closers[i])
	}
	b.context = nil
	return first
}

// own checks that an array is one of this backend's.
func (b *Backend) own(a graph.Array) (*array, error) {
	var own *array
	switch c := a.(type) {
	case *array:
		own = c
	case *table:
		own = &c.array
	default:
		return nil, fmt.Errorf("cuda: got a %T, want an array of this backend", a)
	}
	if own.backend != b {
		return nil, errors.New("cuda: got an array of another backend")
	}
	return own, nil
}
