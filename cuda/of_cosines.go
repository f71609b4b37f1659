//go:build gpu && linux

package cuda

import "github.com/cosfit/cosfit/graph"

// An ofCosines is a loss on the cosine where the vectors are given, as by a matrix
// for one side: it compares each pair before the loss, and brings the derivative to
// the vectors behind it, as score does, in float32.
type ofCosines struct {
	*loss
	cosines  *array // [n]
	inverses memory // of lengths [2n]
	dp       derivative
}

func (b *Backend) newOfCosines(l graph.Loss) (*ofCosines, error) {
	kernel, err := b.NewLoss(l)
	if err != nil {
		return nil, err
	}
	return &ofCosines{loss: kernel.(*loss), cosines: b.newArray(0)}, nil
}

// Forward computes the loss and keeps its derivative.
func (o *ofCosines) Forward(p graph.Array, batch *graph.Batch) (graph.Array, error) {
	return o.through(p, batch, o.loss.Forward)
}

// ForwardAt does so for given parameters, which the device reads.
func (o *ofCosines) ForwardAt(p, parameters graph.Array, batch *graph.Batch) (graph.Array, error) {
	return o.through(p, batch, func(s graph.Array, batch *graph.Batch) (graph.Array, error) {
		return o.loss.ForwardAt(s, parameters, batch)
	})
}

func (o *ofCosines) through(p graph.Array, batch *graph.Batch, loss func(s graph.Array, batch *graph.Batch) (graph.Array, error)) (graph.Array, error) {
	if err := o.enter(); err != nil {
		return nil, err
	}
	defer o.leave()
	a, n, k, err := o.projected(p, batch)
	if err != nil {
		return nil, err
	}
	if o.dp, err = o.dp.of(o.Backend, 2*n, k); err != nil {
		return nil, err
	}
	if err := o.cosines.resize(n); err != nil {
		return nil, err
	}
	if err := o.grow(&o.inverses, 8*n); err != nil {
		return nil, err
	}
	if err := o.exact.Cosine(o.stream, a.at, o.cosines.at, o.inverses.at, n, k); err != nil {
		return nil, err
	}
	value, err := loss(o.cosines, batch)
	if err != nil {
		return nil, err
	}
	return value, o.exact.Pull(o.stream, a.at, o.cosines.at, o.inverses.at, o.ds.at, o.dp.at, n, k)
}

// Backward returns the derivative by the vectors times upstream.
func (o *ofCosines) Backward(upstream float32) (graph.Array, error) { return o.dp.times(upstream) }
