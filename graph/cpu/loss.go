package cpu

import (
	"fmt"

	"github.com/cosfit/cosfit/graph"
)

// NewLoss prepares a loss on the cosine.
func (b *Backend) NewLoss(l graph.Loss) (graph.LossKernel, error) {
	return &loss{function: l, evaluated: newEvaluated(newArray(0))}, nil
}

type loss struct {
	function graph.Loss
	evaluated
}

// Forward computes the loss and keeps its derivative.
func (o *loss) Forward(s graph.Array, b *graph.Batch) (graph.Array, error) {
	return o.evaluate(s, b, o.function.Evaluate)
}

// ForwardAt does so for given parameters.
func (o *loss) ForwardAt(s, parameters graph.Array, b *graph.Batch) (graph.Array, error) {
	p, by, err := o.at(parameters)
	if err != nil {
		return nil, err
	}
	return o.evaluate(s, b, func(b graph.Scored, gradient []float32) float64 {
		return o.function.(graph.FittedLoss).EvaluateAt(b, p, gradient, by)
	})
}

func (o *loss) evaluate(s graph.Array, b *graph.Batch, function func(b graph.Scored, gradient []float32) float64) (graph.Array, error) {
	a, err := own(s)
	if err != nil {
		return nil, err
	}
	if len(a.data) != len(b.Labels) || len(b.Groups) > 0 && len(a.data) != len(b.Groups) {
		return nil, fmt.Errorf("cpu: %d cosines for %d labels and %d groups", len(a.data), len(b.Labels), len(b.Groups))
	}
	o.gradient.resize(len(a.data))
	scored := graph.Scored{Cosines: a.data, Labels: b.Labels, Low: b.Low, Groups: b.Groups}
	o.value.data[0] = float32(function(scored, o.gradient.data))
	return o.value, nil
}
