package graph

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/chewxy/hm"
)

// Project adds the projected vectors P [n, k] of a batch under the matrix
// m [d, k], the left ones above the right ones.
func Project(b Backend, m, batch *gorgonia.Node) (*gorgonia.Node, error) {
	d, k := m.Shape()[0], m.Shape()[1]
	kernel, err := b.NewProject(d, k)
	if err != nil {
		return nil, err
	}
	return gorgonia.ApplyOp(&projectOp{
		base:   base{"project", []hm.Type{matrixType, batchType}, matrixType, tensor.Shape{batch.Shape()[0], k}},
		kernel: kernel,
	}, m, batch)
}

type projectOp struct {
	base
	kernel ProjectKernel
}

func (o *projectOp) Do(in ...gorgonia.Value) (gorgonia.Value, error) {
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

func (o *projectOp) DiffWRT(inputs int) []bool { return firstOnly(inputs) }

func (o *projectOp) SymDiff(in gorgonia.Nodes, p, dp *gorgonia.Node) (gorgonia.Nodes, error) {
	dm, err := gorgonia.ApplyOp(&gradOp{
		base:     base{"project gradient", []hm.Type{matrixType, matrixType}, matrixType, in[0].Shape()},
		backward: o.kernel.Backward,
	}, p, dp)
	return gorgonia.Nodes{dm, nil}, err
}
