package graph

import (
	"fmt"
	"hash"
	"hash/fnv"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Types of the values on the tape.
var (
	scalarType = tensor.Float32
	vectorType = gorgonia.TensorType{Dims: 1, Of: tensor.Float32}
	matrixType = gorgonia.TensorType{Dims: 2, Of: tensor.Float32}
)

// base implements what all our operations have in common: they return memory
// of their own, so the machine allocates none for them.
type base struct {
	name   string
	inputs []hm.Type
	result hm.Type
	shape  tensor.Shape
}

func (o *base) Arity() int { return len(o.inputs) }

func (o *base) Type() hm.Type {
	return hm.NewFnType(append(append([]hm.Type{}, o.inputs...), o.result)...)
}

func (o *base) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) { return o.shape.Clone(), nil }
func (o *base) ReturnsPtr() bool                                      { return true }
func (o *base) CallsExtern() bool                                     { return false }
func (o *base) OverwritesInput() int                                  { return -1 }
func (o *base) WriteHash(h hash.Hash)                                 { fmt.Fprint(h, o.name, o.shape) }
func (o *base) String() string                                        { return o.name }

func (o *base) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

// array is an input that must be a backend's array.
func (o *base) array(v gorgonia.Value) (Array, error) {
	a, ok := v.(Array)
	if !ok {
		return nil, fmt.Errorf("graph: %s got a %T, want an array of the backend", o.name, v)
	}
	return a, nil
}

func (o *base) batch(v gorgonia.Value) (*Batch, error) {
	b, ok := v.(*batchValue)
	if !ok {
		return nil, fmt.Errorf("graph: %s got a %T, want a batch", o.name, v)
	}
	return b.batch, nil
}

// firstOnly says that an operation is differentiable by its first input alone.
func firstOnly(inputs int) []bool {
	wrt := make([]bool, inputs)
	wrt[0] = true
	return wrt
}
