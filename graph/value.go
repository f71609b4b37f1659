package graph

import (
	"fmt"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Header makes a backend's array a Gorgonia value. Gorgonia asks such a value
// for its shape and type and never for its contents.
type Header struct{ shape tensor.Shape }

// NewHeader returns the header of an array with the given shape; none is a
// scalar.
func NewHeader(shape ...int) Header { return Header{tensor.Shape(shape).Clone()} }

// Resize changes the first dimension, for results whose length follows the
// batch.
func (h *Header) Resize(rows int) { h.shape[0] = rows }

// Shape returns the dimensions.
func (h *Header) Shape() tensor.Shape { return h.shape }

// Size returns the number of elements.
func (h *Header) Size() int { return h.shape.TotalSize() }

// Dtype is always Float32.
func (h *Header) Dtype() tensor.Dtype { return tensor.Float32 }

// Type describes the value to Gorgonia's type system.
func (h *Header) Type() hm.Type {
	if len(h.shape) == 0 {
		return tensor.Float32
	}
	return gorgonia.TensorType{Dims: len(h.shape), Of: tensor.Float32}
}

// Data is nil: the contents are the backend's affair.
func (h *Header) Data() interface{} { return nil }

// Uintptr is 0: there is no address for the host to use.
func (h *Header) Uintptr() uintptr { return 0 }

// MemSize returns the size in bytes.
func (h *Header) MemSize() uintptr { return uintptr(4 * h.Size()) }

// Format prints the shape.
func (h *Header) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "array%v", h.shape) }

// batchValue carries a batch over the tape. The node keeps this one value and
// each step changes what it points to.
type batchValue struct {
	Header
	batch *Batch
}

func (*batchValue) Type() hm.Type { return batchType }

// batchType is the type of a batch on the tape: a vector of integers, so that
// nothing but our operations accepts it.
var batchType = gorgonia.TensorType{Dims: 1, Of: tensor.Int32}

func (*batchValue) Dtype() tensor.Dtype { return tensor.Int32 }
