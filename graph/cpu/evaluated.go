package cpu

import "github.com/cosfit/cosfit/graph"

// evaluated is what a loss, on cosines or on vectors, keeps of its last Forward.
type evaluated struct {
	value            *array // scalar
	gradient, scaled *array // by its operand; and the same times the gradient from above

	byParameters, scaledParameters *array // likewise, of a graph.Fitted objective
}

// newEvaluated takes an empty gradient of the operand's width.
func newEvaluated(gradient *array) evaluated {
	return evaluated{
		value: newArray(), gradient: gradient, scaled: newArray(gradient.Shape()...),
		byParameters: newArray(0), scaledParameters: newArray(0),
	}
}

// at returns the parameters that a loss is evaluated at, and where its derivative
// by them goes.
func (e *evaluated) at(parameters graph.Array) (p, by []float32, err error) {
	a, err := own(parameters)
	if err != nil {
		return nil, nil, err
	}
	e.byParameters.resize(len(a.data))
	return a.data, e.byParameters.data, nil
}

// Backward returns the derivative by the operand, times upstream.
func (e *evaluated) Backward(upstream float32) (graph.Array, error) {
	return e.gradient.times(upstream, e.scaled), nil
}

// ByParameters returns the derivative by the parameters of ForwardAt, times
// upstream.
func (e *evaluated) ByParameters(upstream float32) (graph.Array, error) {
	return e.byParameters.times(upstream, e.scaledParameters), nil
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
