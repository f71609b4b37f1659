package cpu

import (
	"fmt"

	"github.com/cosfit/cosfit/graph"
)

// NewVectorLoss prepares a loss on projected vectors.
func (b *Backend) NewVectorLoss(l graph.VectorLoss) (graph.VectorLossKernel, error) {
	return &vectorLoss{function: l, vectors: graph.Vectors{Pool: b.pool}, evaluated: newEvaluated(newArray(0, 1))}, nil
}

type vectorLoss struct {
	function graph.VectorLoss
	vectors  graph.Vectors
	evaluated
}

// Forward computes the loss and keeps its derivative.
func (o *vectorLoss) Forward(p graph.Array, b *graph.Batch) (graph.Array, error) {
	return o.evaluate(p, b, o.function.Evaluate)
}

// ForwardAt does so for given parameters.
func (o *vectorLoss) ForwardAt(p, parameters graph.Array, b *graph.Batch) (graph.Array, error) {
	of, by, err := o.at(parameters)
	if err != nil {
		return nil, err
	}
	return o.evaluate(p, b, func(v *graph.Vectors, dp []float32) (float64, error) {
		return o.function.(graph.FittedVectorLoss).EvaluateAt(v, of, dp, by)
	})
}

func (o *vectorLoss) evaluate(p graph.Array, b *graph.Batch, function func(v *graph.Vectors, dp []float32) (float64, error)) (graph.Array, error) {
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
	if o.gradient.Shape()[1] != v.K {
		o.gradient, o.scaled = newArray(0, v.K), newArray(0, v.K)
	}
	o.gradient.resize(2 * n)
	loss, err := function(v, o.gradient.data)
	o.value.data[0] = float32(loss)
	return o.value, err
}
