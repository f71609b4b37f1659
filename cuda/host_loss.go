//go:build gpu && linux

package cuda

import "github.com/cosfit/cosfit/graph"

// A hostLoss is a loss on projected vectors that only Go knows. P [2n, k] comes to
// the host, the processor computes, and dP goes back: 16·n·k bytes a step, for
// which the device waits. Such a step cannot be recorded.
type hostLoss struct {
	*Backend
	kernel     graph.VectorLossKernel // of the processor
	vectors    graph.Table            // P there
	parameters graph.Array            // there, of a loss that learns some
	numbers    []float32              // P, and then what goes back

	value        *array
	dp           derivative
	byParameters derivative
}

func (b *Backend) newHostLoss(l graph.VectorLoss) (*hostLoss, error) {
	kernel, err := b.processor().NewVectorLoss(l)
	if err != nil {
		return nil, err
	}
	o := &hostLoss{Backend: b, kernel: kernel, value: b.newArray()}
	if f, ok := l.(graph.Fitted); ok {
		learned := len(f.Parameters())
		o.byParameters = b.newDerivative(learned)
		if o.parameters, err = b.host.NewArray(learned); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// Forward computes the loss and keeps its derivative.
func (o *hostLoss) Forward(p graph.Array, batch *graph.Batch) (graph.Array, error) {
	if err := o.enter(); err != nil {
		return nil, err
	}
	defer o.leave()
	return o.compute(p, batch, o.kernel.Forward)
}

// ForwardAt does so for given parameters.
func (o *hostLoss) ForwardAt(p, parameters graph.Array, batch *graph.Batch) (graph.Array, error) {
	if err := o.enter(); err != nil {
		return nil, err
	}
	defer o.leave()
	numbers := make([]float32, parameters.Size())
	if err := o.Download(numbers, parameters); err != nil {
		return nil, err
	}
	if err := o.host.Upload(o.parameters, numbers); err != nil {
		return nil, err
	}
	fitted := o.kernel.(graph.FittedKernel)
	value, err := o.compute(p, batch, func(p graph.Array, batch *graph.Batch) (graph.Array, error) {
		return fitted.ForwardAt(p, o.parameters, batch)
	})
	if err != nil {
		return nil, err
	}
	by, err := fitted.ByParameters(1)
	if err != nil {
		return nil, err
	}
	return value, o.take(o.byParameters.array, by)
}

// compute has the processor compute the loss of P.
func (o *hostLoss) compute(p graph.Array, batch *graph.Batch, forward func(p graph.Array, batch *graph.Batch) (graph.Array, error)) (graph.Array, error) {
	a, _, k, err := o.projected(p, batch)
	if err != nil {
		return nil, err
	}
	if err := o.notRecording(); err != nil {
		return nil, err
	}
	if o.vectors == nil || o.vectors.Shape()[1] != k {
		if o.vectors, err = o.host.NewTable(k); err != nil {
			return nil, err
		}
	}
	if o.dp, err = o.dp.of(o.Backend, a.Shape()[0], k); err != nil {
		return nil, err
	}
	o.room(a.Size())
	if err := o.fetch(raw(o.numbers), a.at); err != nil {
		return nil, err
	}
	if err := o.vectors.Set(o.numbers); err != nil {
		return nil, err
	}
	value, err := forward(o.vectors, batch)
	if err != nil {
		return nil, err
	}
	dp, err := o.kernel.Backward(1)
	if err != nil {
		return nil, err
	}
	if err := o.take(o.value, value); err != nil {
		return nil, err
	}
	return o.value, o.take(o.dp.array, dp)
}

func (o *hostLoss) room(n int) {
	if cap(o.numbers) < n {
		o.numbers = make([]float32, n)
	}
	o.numbers = o.numbers[:n]
}

// take copies an array of the processor's. P is lost.
func (o *hostLoss) take(to *array, from graph.Array) error {
	o.room(from.Size())
	if err := o.host.Download(o.numbers, from); err != nil {
		return err
	}
	if shape := from.Shape(); len(shape) > 0 {
		to.Resize(shape[0])
	}
	if err := o.grow(&to.memory, 4*to.Size()); err != nil {
		return err
	}
	return o.send(o.stream, to.at, raw(o.numbers))
}

// Backward returns the derivative by the vectors times upstream.
func (o *hostLoss) Backward(upstream float32) (graph.Array, error) { return o.dp.times(upstream) }

// ByParameters returns that by the parameters.
func (o *hostLoss) ByParameters(upstream float32) (graph.Array, error) {
	return o.byParameters.times(upstream)
}
