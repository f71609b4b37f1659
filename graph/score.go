package graph

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/chewxy/hm"
)

// Score adds the cosines s [B] of a batch under the matrix m [d, k].
func Score(b Backend, m, batch *gorgonia.Node) (*gorgonia.Node, error) {
	d, k := m.Shape()[0], m.Shape()[1]
	kernel, err := b.NewScore(d, k)
	if err != nil {
		return nil, err
	}
	return gorgonia.ApplyOp(&scoreOp{
		base:   base{"score", []hm.Type{matrixType, batchType}, vectorType, tensor.Shape{batch.Shape()[0]}},
		kernel: kernel,
	}, m, batch)
}

type scoreOp struct {
	base
	kernel ScoreKernel
}

func (o *scoreOp) Do(in ...gorgonia.Value) (gorgonia.Value, error) {
	m, err := o.array(in[0])
	if err != nil {
		return nil, err
	}
	b, err := o.batch(in[1])
	if err != nil {
		return nil, err
	}
	return o.kernel.Forward(m, b)
}

func (o *scoreOp) DiffWRT(inputs int) []bool { return firstOnly(inputs) }

// SymDiff gives the gradient s as an input too, so that it runs after the
// forward pass whose operands it uses, even where ds does not depend on s.
func (o *scoreOp) SymDiff(in gorgonia.Nodes, s, ds *gorgonia.Node) (gorgonia.Nodes, error) {
	dm, err := gorgonia.ApplyOp(&gradOp{
		base:     base{"score gradient", []hm.Type{vectorType, vectorType}, matrixType, in[0].Shape()},
		backward: o.kernel.Backward,
	}, s, ds)
	return gorgonia.Nodes{dm, nil}, err
}

// gradOp turns the gradient of an operation's result into the gradient of the
// matrix. Its inputs are that result and that gradient.
type gradOp struct {
	base
	backward func(Array) (Array, error)
}

func (o *gradOp) Do(in ...gorgonia.Value) (gorgonia.Value, error) {
	g, err := o.array(in[1])
	if err != nil {
		return nil, err
	}
	return o.backward(g)
}
