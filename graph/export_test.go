package graph

import (
	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// What a test needs to build a graph of its own and an operation on opaque values.

var (
	Build      = build
	Inputs     = inputs
	ScalarType = scalarType
	MatrixType = matrixType
)

// Base is what an operation embeds.
type Base = base

// NewBase describes an operation with a result of the given type and shape.
func NewBase(name string, inputs []hm.Type, result hm.Type, shape tensor.Shape) Base {
	return base{name, inputs, result, shape}
}

// SetBatch makes the input node of a graph of Inputs carry b.
func SetBatch(node *gorgonia.Node, b *Batch) { node.Value().(*batchValue).batch = b }
