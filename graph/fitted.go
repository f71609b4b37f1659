package graph

import (
	"fmt"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// A Fitted objective has numbers of its own, which are learned beside the matrix.
// It is a [FittedLoss] or a [FittedVectorLoss] as well.
type Fitted interface {
	Objective
	// Parameters are the numbers that a training begins with; none means that it is
	// not to learn any.
	Parameters() []float32
	// At is the objective with other numbers, which it does not learn.
	At(parameters []float32) Objective
}

// A Learner is a Fitted objective that can be told whether to learn its numbers.
type Learner interface {
	Fitted
	SetLearn(learn bool)
}

// A FittedLoss is a Fitted Loss.
type FittedLoss interface {
	Fitted
	// EvaluateAt is Loss.Evaluate for given parameters, and writes the derivative by
	// each of them to byParameters.
	EvaluateAt(b Scored, parameters, gradient, byParameters []float32) float64
}

// A FittedVectorLoss is a Fitted VectorLoss.
type FittedVectorLoss interface {
	Fitted
	// EvaluateAt is VectorLoss.Evaluate for given parameters, and writes the
	// derivative by each of them to byParameters.
	EvaluateAt(v *Vectors, parameters, dp, byParameters []float32) (float64, error)
}

// A FittedKernel is a LossKernel or VectorLossKernel of a Fitted objective.
type FittedKernel interface {
	// ForwardAt is Forward for given parameters [p].
	ForwardAt(operand, parameters Array, b *Batch) (loss Array, err error)
	// ByParameters returns the derivative [p] of the last ForwardAt by the
	// parameters, times the gradient that arrives from above.
	ByParameters(upstream float32) (Array, error)
}

// fittedParameters are those that an objective is to learn, if any.
func fittedParameters(o Objective) []float32 {
	if f, ok := o.(Fitted); ok {
		return f.Parameters()
	}
	return nil
}

// applyFitted adds the loss of an operand, of a type, with parameters.
func applyFitted(name string, kernel lossKernel, operandType hm.Type, operand, parameters, batch *gorgonia.Node) (*gorgonia.Node, error) {
	fitted, ok := kernel.(FittedKernel)
	if !ok {
		return nil, fmt.Errorf("the loss %s learns numbers of its own, which this device cannot: train with --device cpu, or with fixed ones", name)
	}
	return gorgonia.ApplyOp(&fittedLossOp{
		base:   base{name, []hm.Type{operandType, vectorType, batchType}, scalarType, tensor.ScalarShape()},
		kernel: kernel, fitted: fitted,
	}, operand, parameters, batch)
}

type fittedLossOp struct {
	base
	kernel lossKernel
	fitted FittedKernel
}

func (o *fittedLossOp) Do(in ...gorgonia.Value) (gorgonia.Value, error) {
	operand, err := o.array(in[0])
	if err != nil {
		return nil, err
	}
	parameters, err := o.array(in[1])
	if err != nil {
		return nil, err
	}
	b, err := o.batch(in[2])
	if err != nil {
		return nil, err
	}
	return o.fitted.ForwardAt(operand, parameters, b)
}

func (o *fittedLossOp) DiffWRT(int) []bool { return []bool{true, true, false} }

func (o *fittedLossOp) SymDiff(in gorgonia.Nodes, loss, upstream *gorgonia.Node) (gorgonia.Nodes, error) {
	gradient := func(of string, input int, backward func(float32) (Array, error)) (*gorgonia.Node, error) {
		return gorgonia.ApplyOp(&lossGradOp{
			base:     base{o.name + of, []hm.Type{scalarType, scalarType}, o.inputs[input], in[input].Shape()},
			backward: backward,
		}, loss, upstream)
	}
	byOperand, err := gradient(" gradient", 0, o.kernel.Backward)
	if err != nil {
		return nil, err
	}
	byParameters, err := gradient(" gradient by parameters", 1, o.fitted.ByParameters)
	return gorgonia.Nodes{byOperand, byParameters, nil}, err
}
