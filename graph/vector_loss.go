package graph

import (
	"fmt"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/cosfit/cosfit/internal/kernel"
)

// An Objective is what a training lowers: a [Loss] on the cosines of a batch, or
// a [VectorLoss] on its projected vectors.
type Objective interface{ Name() string }

// A VectorLoss is a function of the projected vectors of a batch, for losses that
// need more than each pair's own cosine. It is written in Go and runs on the
// processor; see [DeviceVectorLoss].
type VectorLoss interface {
	Objective
	// Evaluate returns the loss and writes its derivative by the vectors to
	// dp [2B, k], which holds anything before.
	Evaluate(v *Vectors, dp []float32) (float64, error)
}

// A DeviceVectorLoss is a VectorLoss that a GPU has kernels for. With any other, the
// vectors of each step go to the processor, and the derivative by them comes back.
type DeviceVectorLoss interface {
	VectorLoss
	// Contrast is the loss as settings of InfoNCE.
	Contrast() InfoNCE
}

// Vectors are the projected vectors of a batch of B pairs.
type Vectors struct {
	K int
	P []float32 // [2B, k], the left ones above the right ones; not to be changed

	// Left and Right are the texts of the pairs, [B] each: equal numbers are the
	// same text, on either side.
	Left, Right []int32
	Labels      []float32 // [B] in Low..1
	Low         float32
	Groups      []int32 // [B]; empty where nobody knows

	Pool *kernel.Pool // for products and for rows
	used int
	room []float32
}

// Pairs returns B.
func (v *Vectors) Pairs() int { return len(v.Left) }

// Positive reports whether pair i is similar.
func (v *Vectors) Positive(i int) bool { return v.Labels[i] >= (v.Low+1)/2 }

// Scored is the pairs with given cosines, or whatever stands for them.
func (v *Vectors) Scored(s []float32) Scored {
	return Scored{Cosines: s, Labels: v.Labels, Low: v.Low, Groups: v.Groups}
}

// Scratch returns n numbers of memory, which hold anything, until the end of
// Evaluate.
func (v *Vectors) Scratch(n int) []float32 {
	if v.used+n > len(v.room) { // what was handed out stays as it is
		v.room, v.used = make([]float32, max(n, 2*len(v.room))), 0
	}
	v.used += n
	return v.room[v.used-n : v.used : v.used]
}

// Reuse makes the memory of Scratch free again.
func (v *Vectors) Reuse() { v.used = 0 }

// A VectorLossKernel computes a VectorLoss.
type VectorLossKernel interface {
	// Forward returns the loss, a scalar, for P [2B, k] and a batch.
	Forward(p Array, b *Batch) (loss Array, err error)
	// Backward returns dP [2B, k] of the last Forward, times the gradient that
	// arrives from above.
	Backward(upstream float32) (dp Array, err error)
}

// ProjectedLoss adds a loss over the projected vectors p [2B, k] of a batch, a
// scalar. parameters are those of a loss that learns some, else nil.
func ProjectedLoss(b Backend, loss VectorLoss, p, parameters, batch *gorgonia.Node) (*gorgonia.Node, error) {
	kernel, err := b.NewVectorLoss(loss)
	if err != nil {
		return nil, err
	}
	if parameters != nil {
		return applyFitted(loss.Name(), kernel, matrixType, p, parameters, batch)
	}
	return gorgonia.ApplyOp(&lossOp{
		base:    base{fmt.Sprintf("%s%+v", loss.Name(), loss), []hm.Type{matrixType, batchType}, scalarType, tensor.ScalarShape()},
		kernel:  kernel,
		operand: matrixType,
	}, p, batch)
}
