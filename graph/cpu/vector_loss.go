package cpu

import (
	"fmt"

	"github.com/cosfit/cosfit/graph"
)

// NewVectorLoss prepares a loss on projected vectors.
func (b *Backend) NewVectorLoss(l graph.VectorLoss) (graph.VectorLossKernel, error) {
	return &vectorLoss{function: l, vectors: graph.Vectors{Pool: b.pool}, value: newArray(), dp: newArray(0, 1)}, nil
}

type vectorLoss struct {
	function graph.VectorLoss
	vectors  graph.Vectors
	value    *array
	dp       *array
}

// Forward computes the loss and keeps its derivative.
func (o *vectorLoss) Forward(p graph.Array, b *graph.Batch) (graph.Array, error) {
	a, err := own(p)
	if err != nil {
		return nil, err
	}
	n := len(b.Left)
	if len(b.Right) != n || len(b.Labels) != n || len(b.Groups) > 0 && len(b.Groups) != n || a.Shape()[0] != 2*n {
		return nil, fmt.Errorf("cpu: %d vectors of %d left and %d right texts, %d labels and %d groups", a.Shape()[0], n, len(b.Right), len(b.Labels), len(b.Groups))
	}
	v := &o.vectors
	v.K, v.P = a.Shape()[1], a.data
	v.Left, v.Right, v.Labels, v.Low, v.Groups = b.Left, b.Right, b.Labels, b.Low, b.Groups
	v.Reuse()
	if o.dp.Shape()[1] != v.K {
		o.dp = newArray(0, v.K)
	}
	o.dp.resize(2 * n)
	loss, err := o.function.Evaluate(v, o.dp.data)
	o.value.data[0] = float32(loss)
	return o.value, err
}

// Backward returns the derivative times upstream.
func (o *vectorLoss) Backward(upstream float32) (graph.Array, error) {
	if upstream != 1 {
		for i := range o.dp.data {
			o.dp.data[i] *= upstream
		}
	}
	return o.dp, nil
}
