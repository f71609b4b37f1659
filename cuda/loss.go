//go:build gpu && linux

package cuda

import (
	"fmt"

	"github.com/cosfit/cosfit/cuda/internal/kernels"
	"github.com/cosfit/cosfit/graph"
)

// A loss is a function of the cosines.
type loss struct {
	*Backend
	kernel    *kernels.Loss
	value, ds *array
	scaled    *array // ds times the gradient from above
}

// NewLoss compiles a loss, which must say its formula in CUDA C.
func (b *Backend) NewLoss(l graph.Loss) (graph.LossKernel, error) {
	if f, ok := l.(graph.Fitted); ok && f.Parameters() != nil {
		return nil, fmt.Errorf("the loss %s is to learn its own scale, which a GPU cannot yet: train with --device cpu, or without --learn-scale", l.Name())
	}
	formula, ok := l.(graph.DeviceLoss)
	if !ok {
		return nil, fmt.Errorf("the loss %s has no formula for a GPU (graph.DeviceLoss): train with --device cpu", l.Name())
	}
	if err := b.enter(); err != nil {
		return nil, err
	}
	defer b.leave()
	kernel, err := b.compiler.Loss(b.context, formula.CUDA())
	if err != nil {
		return nil, fmt.Errorf("the loss %s: %w", l.Name(), err)
	}
	b.closing(kernel.Close)
	return &loss{Backend: b, kernel: kernel, value: b.newArray(), ds: b.newArray(0), scaled: b.newArray(0)}, nil
}

// NewVectorLoss has no kernels yet.
func (b *Backend) NewVectorLoss(l graph.VectorLoss) (graph.VectorLossKernel, error) {
	return nil, fmt.Errorf("the loss %s compares projected vectors, which has no kernels for a GPU yet: train with --device cpu", l.Name())
}

// Forward computes the mean loss and keeps its derivative.
func (o *loss) Forward(s graph.Array, batch *graph.Batch) (graph.Array, error) {
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
	if err := o.ds.resize(n); err != nil {
		return nil, err
	}
	if err := o.stage(batch); err != nil {
		return nil, err
	}
	return o.value, o.kernel.Run(o.stream, o.job.at, a.at, o.ds.at, o.value.at, n)
}

// Backward returns the derivative times upstream.
func (o *loss) Backward(upstream float32) (graph.Array, error) {
	if upstream == 1 {
		return o.ds, nil
	}
	if err := o.enter(); err != nil {
		return nil, err
	}
	defer o.leave()
	n := o.ds.Size()
	if err := o.scaled.resize(n); err != nil {
		return nil, err
	}
	return o.scaled, o.kernel.Scale(o.stream, o.ds.at, o.scaled.at, upstream, n)
}
