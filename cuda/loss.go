//go:build gpu && linux

package cuda

import (
	"errors"
	"fmt"

	"github.com/cosfit/cosfit/cuda/internal/kernels"
	"github.com/cosfit/cosfit/cuda/internal/nvidia"
	"github.com/cosfit/cosfit/graph"
)

// A loss is a function of the cosines.
type loss struct {
	*Backend
	kernel       *kernels.Loss
	learned      int // parameters
	value        *array
	ds           derivative
	byParameters derivative
}

// NewLoss compiles a loss, which must say its formula in CUDA C.
func (b *Backend) NewLoss(l graph.Loss) (graph.LossKernel, error) {
	formula, ok := l.(graph.DeviceLoss)
	if !ok {
		return nil, fmt.Errorf("the loss %s has no formula for a GPU (graph.DeviceLoss): train with --device cpu", l.Name())
	}
	learned := 0
	if f, ok := l.(graph.Fitted); ok {
		learned = len(f.Parameters())
	}
	if err := b.enter(); err != nil {
		return nil, err
	}
	defer b.leave()
	kernel, err := b.compiler.Loss(b.context, formula.CUDA(), learned)
	if err != nil {
		return nil, fmt.Errorf("the loss %s: %w", l.Name(), err)
	}
	b.closing(kernel.Close)
	return &loss{Backend: b, kernel: kernel, learned: learned, value: b.newArray(), ds: b.newDerivative(0), byParameters: b.newDerivative(learned)}, nil
}

// Forward computes the mean loss and keeps its derivative.
func (o *loss) Forward(s graph.Array, batch *graph.Batch) (graph.Array, error) {
	if o.learned > 0 {
		return nil, errors.New("cuda: a loss that learns numbers of its own is computed without them")
	}
	return o.run(s, 0, batch)
}

// ForwardAt does so for given parameters, which the device reads.
func (o *loss) ForwardAt(s, parameters graph.Array, batch *graph.Batch) (graph.Array, error) {
	p, err := o.own(parameters)
	if err != nil {
		return nil, err
	}
	if p.Size() != o.learned {
		return nil, fmt.Errorf("cuda: %d parameters for a loss that learns %d", p.Size(), o.learned)
	}
	return o.run(s, p.at, batch)
}

func (o *loss) run(s graph.Array, parameters nvidia.Pointer, batch *graph.Batch) (graph.Array, error) {
	if err := o.enter(); err != nil {
		return nil, err
	}
	defer o.leave()
	a, err := o.own(s)
	if err != nil {
		return nil, err
	}
	n := a.Size()
	if n != len(batch.Labels) || len(batch.Groups) > 0 && n != len(batch.Groups) {
		return nil, fmt.Errorf("cuda: %d cosines for %d labels and %d groups", n, len(batch.Labels), len(batch.Groups))
	}
	if err := o.grow(&o.value.memory, 4); err != nil {
		return nil, err
	}
	if err := errors.Join(o.ds.resize(n), o.byParameters.resize(o.learned)); err != nil {
		return nil, err
	}
	if err := o.stage(batch); err != nil {
		return nil, err
	}
	return o.value, o.kernel.Run(o.stream, o.job.at, a.at, parameters, o.ds.at, o.byParameters.at, o.value.at, n)
}

// Backward returns the derivative by the cosines times upstream.
func (o *loss) Backward(upstream float32) (graph.Array, error) { return o.ds.times(upstream) }

// ByParameters returns that by the parameters.
func (o *loss) ByParameters(upstream float32) (graph.Array, error) {
	return o.byParameters.times(upstream)
}
