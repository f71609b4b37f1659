package graph

import (
	"fmt"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// CosineLoss adds the mean of a loss over the cosines s [B] of a batch, a
// scalar.
func CosineLoss(b Backend, loss Loss, s, batch *gorgonia.Node) (*gorgonia.Node, error) {
	kernel, err := b.NewLoss(loss)
	if err != nil {
		return nil, err
	}
	// Gorgonia merges operations of one name, so the settings are part of it.
	name := fmt.Sprintf("%s%+v", loss.Name(), loss)
	return gorgonia.ApplyOp(&lossOp{
		base:   base{name, []hm.Type{vectorType, batchType}, scalarType, tensor.ScalarShape()},
		kernel: kernel,
	}, s, batch)
}

type lossOp struct {
	base
	kernel LossKernel
}

func (o *lossOp) Do(in ...gorgonia.Value) (gorgonia.Value, error) {
	s, err := o.array(in[0])
	if err != nil {
		return nil, err
	}
	b, err := o.batch(in[1])
	if err != nil {
		return nil, err
	}
	return o.kernel.Forward(s, b)
}

func (o *lossOp) DiffWRT(inputs int) []bool { return firstOnly(inputs) }

func (o *lossOp) SymDiff(in gorgonia.Nodes, loss, upstream *gorgonia.Node) (gorgonia.Nodes, error) {
	ds, err := gorgonia.ApplyOp(&lossGradOp{
		base:   base{o.name + " gradient", []hm.Type{scalarType, scalarType}, vectorType, in[0].Shape()},
		kernel: o.kernel,
	}, loss, upstream)
	return gorgonia.Nodes{ds, nil}, err
}

type lossGradOp struct {
	base
	kernel LossKernel
}

// Do receives the gradient from above as a scalar of the host: it is the 1
// with which gorgonia.Grad starts, or a constant factor of it.
func (o *lossGradOp) Do(in ...gorgonia.Value) (gorgonia.Value, error) {
	data := in[1].Data()
	upstream, ok := data.(float32)
	if !ok {
		return nil, fmt.Errorf("graph: %s got %T in a %T, want a float32 scalar of the host", o.name, data, in[1])
	}
	return o.kernel.Backward(upstream)
}
