package cpu

import (
	"fmt"

	"github.com/cosfit/cosfit/graph"
)

// NewVectorLoss prepares a loss on projected vectors.
func (b *Backend) NewVectorLoss(l graph.VectorLoss) (graph.VectorLossKernel, error) {
	return &vectorLoss{function: l, vectors: graph.Vectors{Pool: b.pool}, value: newArray(), dp: newArray(0, 1), scaled: newArray(0, 1), byParameters: newArray(0), scaledParameters: newArray(0)}, nil
}

type vectorLoss struct {
	function graph.VectorLoss
	vectors  graph.Vectors
	value    *array
	dp       *array

	scaled                         *array // dp times the gradient from above
	byParameters, scaledParameters *array // of a graph.FittedVectorLoss
}

// Forward computes the loss and keeps its derivative.
func (o *vectorLoss) Forward(p graph.Array, b *graph.Batch) (graph.Array, error) {
	return o.evaluate(p, b, o.function.Evaluate)
}

// ForwardAt does so for given parameters.
func (o *vectorLoss) ForwardAt(p, parameters graph.Array, b *graph.Batch) (graph.Array, error) {
	of, err := own(parameters)
	if err != nil {
		return nil, err
	}
	o.byParameters.resize(len(of.data))
	return o.evaluate(p, b, func(v *graph.Vectors, dp []float32) (float64, error) {
		return o.function.(graph.FittedVectorLoss).EvaluateAt(v, of.data, dp, o.byParameters.data)
	})
}

// ByParameters returns the derivative of ForwardAt by them.
func (o *vectorLoss) ByParameters(upstream float32) (graph.Array, error) {
	return o.byParameters.times(upstream, o.scaledParameters), nil
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
	if o.dp.Shape()[1] != v.K {
		o.dp = newArray(0, v.K)
	}
	o.dp.resize(2 * n)
	loss, err := function(v, o.dp.data)
	o.value.data[0] = float32(loss)
	return o.value, err
}

// Backward returns the derivative times upstream.
func (o *vectorLoss) Backward(upstream float32) (graph.Array, error) {
	if o.scaled.Shape()[1] != o.vectors.K {
		o.scaled = newArray(0, o.vectors.K)
	}
	return o.dp.times(upstream, o.scaled), nil
}

// times is the array times a factor, in memory of the same width where it is not 1.
func (a *array) times(factor float32, memory *array) *array {
	if factor == 1 {
		return a
	}
	memory.resize(a.Shape()[0])
	for i, v := range a.data {
		memory.data[i] = v * factor
	}
	return memory
}
