package graph

import (
	"fmt"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// CosineLoss adds the mean of a loss over the cosines s [B] of a batch, a
// scalar. parameters are those of a loss that learns some, else nil.
func CosineLoss(b Backend, loss Loss, s, parameters, batch *gorgonia.Node) (*gorgonia.Node, error) {
	kernel, err := b.NewLoss(loss)
	if err != nil {
		return nil, err
	}
	if parameters != nil {
		return applyFitted(loss.Name(), kernel, vectorType, s, parameters, batch)
	}
	// Gorgonia merges operations of one name, so the settings are part of it.
	name := fmt.Sprintf("%s%+v", loss.Name(), loss)
	return gorgonia.ApplyOp(&lossOp{
		base:    base{name, []hm.Type{vectorType, batchType}, scalarType, tensor.ScalarShape()},
		kernel:  kernel,
		operand: vectorType,
	}, s, batch)
}

// lossOp is a loss over what a batch became, its cosines or its projected
// vectors.
type lossOp struct {
	base
	kernel  lossKernel
	operand hm.Type
}

// lossKernel is a LossKernel or a VectorLossKernel.
type lossKernel interface {
	Forward(operand Array, b *Batch) (loss Array, err error)
	Backward(upstream float32) (gradient Array, err error)
}

func (o *lossOp) Do(in ...gorgonia.Value) (gorgonia.Value, error) {
	operand, err := o.array(in[0])
	if err != nil {
		return nil, err
	}
	b, err := o.batch(in[1])
	if err != nil {
		return nil, err
	}
	return o.kernel.Forward(operand, b)
}

func (o *lossOp) DiffWRT(inputs int) []bool { return firstOnly(inputs) }

func (o *lossOp) SymDiff(in gorgonia.Nodes, loss, upstream *gorgonia.Node) (gorgonia.Nodes, error) {
	gradient, err := gorgonia.ApplyOp(&lossGradOp{
		base:     base{o.name + " gradient", []hm.Type{scalarType, scalarType}, o.operand, in[0].Shape()},
		backward: o.kernel.Backward,
	}, loss, upstream)
	return gorgonia.Nodes{gradient, nil}, err
}

type lossGradOp struct {
	base
	backward func(upstream float32) (Array, error)
}

// Do receives the gradient from above as a scalar of the host: it is the 1
// with which gorgonia.Grad starts, or a constant factor of it.
func (o *lossGradOp) Do(in ...gorgonia.Value) (gorgonia.Value, error) {
	data := in[1].Data()
	upstream, ok := data.(float32)
	if !ok {
		return nil, fmt.Errorf("graph: %s got %T in a %T, want a float32 scalar of the host", o.name, data, in[1])
	}
	return o.backward(upstream)
}
