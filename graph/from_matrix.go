package graph

import (
	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// fromMatrixOp is an operation on the matrix and a batch, differentiable by
// the matrix: what Score and Project have in common.
type fromMatrixOp struct {
	base
	forward  func(m Array, b *Batch) (Array, error)
	backward func(gradient Array) (dm Array, err error)
}

func applyFromMatrix(name string, result hm.Type, shape tensor.Shape, forward func(Array, *Batch) (Array, error),
	backward func(Array) (Array, error), m, batch *gorgonia.Node) (*gorgonia.Node, error) {
	return gorgonia.ApplyOp(&fromMatrixOp{
		base:    base{name, []hm.Type{matrixType, batchType}, result, shape},
		forward: forward, backward: backward,
	}, m, batch)
}

func (o *fromMatrixOp) Do(in ...gorgonia.Value) (gorgonia.Value, error) {
	m, err := o.array(in[0])
	if err != nil {
		return nil, err
	}
	b, err := o.batch(in[1])
	if err != nil {
		return nil, err
	}
	return o.forward(m, b)
}

func (o *fromMatrixOp) DiffWRT(inputs int) []bool { return firstOnly(inputs) }

// SymDiff gives the gradient the result as an input too, so that it runs after
// the forward pass whose operands it uses, even where the gradient that
// arrives does not depend on the result.
func (o *fromMatrixOp) SymDiff(in gorgonia.Nodes, result, gradient *gorgonia.Node) (gorgonia.Nodes, error) {
	dm, err := gorgonia.ApplyOp(&matrixGradOp{
		base:     base{o.name + " gradient", []hm.Type{o.result, o.result}, matrixType, in[0].Shape()},
		backward: o.backward,
	}, result, gradient)
	return gorgonia.Nodes{dm, nil}, err
}

// matrixGradOp turns the gradient of a result into the gradient of the matrix.
// Its inputs are that result and that gradient.
type matrixGradOp struct {
	base
	backward func(Array) (Array, error)
}

func (o *matrixGradOp) Do(in ...gorgonia.Value) (gorgonia.Value, error) {
	g, err := o.array(in[1])
	if err != nil {
		return nil, err
	}
	return o.backward(g)
}
