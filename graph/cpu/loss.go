package cpu

import (
	"fmt"

	"github.com/cosfit/cosfit/graph"
)

// NewLoss prepares a loss on the cosine.
func (b *Backend) NewLoss(l graph.Loss) (graph.LossKernel, error) {
	return &loss{function: l, value: newArray(), ds: newArray(0), scaled: newArray(0), byParameters: newArray(0), scaledParameters: newArray(0)}, nil
}

type loss struct {
	function  graph.Loss
	value, ds *array
	scaled    *array // ds times the gradient from above

	byParameters, scaledParameters *array // of a graph.FittedLoss
}

// Forward computes the loss and keeps its derivative.
func (o *loss) Forward(s graph.Array, b *graph.Batch) (graph.Array, error) {
	return o.evaluate(s, b, o.function.Evaluate)
}

// ForwardAt does so for given parameters.
func (o *loss) ForwardAt(s, parameters graph.Array, b *graph.Batch) (graph.Array, error) {
	p, err := own(parameters)
	if err != nil {
		return nil, err
	}
	o.byParameters.resize(len(p.data))
	return o.evaluate(s, b, func(b graph.Scored, gradient []float32) float64 {
		return o.function.(graph.FittedLoss).EvaluateAt(b, p.data, gradient, o.byParameters.data)
	})
}

// ByParameters returns the derivative of ForwardAt by them.
func (o *loss) ByParameters(upstream float32) (graph.Array, error) {
	return o.byParameters.times(upstream, o.scaledParameters), nil
}

func (o *loss) evaluate(s graph.Array, b *graph.Batch, function func(b graph.Scored, gradient []float32) float64) (graph.Array, error) {
	a, err := own(s)
	if err != nil {
		return nil, err
	}
	if len(a.data) != len(b.Labels) || len(b.Groups) > 0 && len(a.data) != len(b.Groups) {
		return nil, fmt.Errorf("cpu: %d cosines for %d labels and %d groups", len(a.data), len(b.Labels), len(b.Groups))
	}
	o.ds.resize(len(a.data))
	scored := graph.Scored{Cosines: a.data, Labels: b.Labels, Low: b.Low, Groups: b.Groups}
	o.value.data[0] = float32(function(scored, o.ds.data))
	return o.value, nil
}

// Backward returns the derivative times upstream.
func (o *loss) Backward(upstream float32) (graph.Array, error) {
	return o.ds.times(upstream, o.scaled), nil
}
