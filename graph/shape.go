package graph

import (
	"fmt"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/cosfit/cosfit/internal/kernel"
)

// A Shape is a family of matrices with fewer numbers of their own than elements: it
// says how the matrix follows from the start of a training and from numbers θ, which
// are learned in its place. It is written in Go and runs on the processor; see
// [DeviceShape].
type Shape interface {
	Name() string
	// Fits reports whether there is such a matrix [d, k]; the error says what it has
	// that cannot be.
	Fits(d, k int) error
	// Size is how many numbers θ has.
	Size(f *Form) int
	// Begin returns the θ for which the matrix is the start. What is drawn follows
	// from the seed.
	Begin(f *Form, seed uint64) []float32
	// Matrix writes the matrix of θ to m [Sides·D, K], which holds anything before.
	Matrix(f *Form, theta, m []float32)
	// Gradient writes the derivative by θ, given that by the matrix, dm, to dtheta,
	// which holds anything before.
	Gradient(f *Form, theta, dm, dtheta []float32)
}

// A DeviceShape is a Shape that a GPU computes by itself, as the terms say. With any
// other, θ of each step goes to the processor, and the matrix comes back.
type DeviceShape interface {
	Shape
	Terms(f *Form) Terms
}

// Terms are a shape in which the matrix of a side is, for its start S,
//
//	M = S·diag(1 + Weight·w) + U·Vᵀ
//
// and its share of θ is w [K], unless Weight is 0, and then U [D, Rank] and V [K, Rank].
type Terms struct {
	Weight float32
	Rank   int
}

// A Form is what a Shape is filled into.
type Form struct {
	Sides, D, K int          // matrices [D, K], one above another, each with a share of θ of its own
	Start       []float32    // [Sides·D, K]
	Pool        *kernel.Pool // for products and for rows; nil in Begin
}

// side cuts x into the equal parts of each side.
func (f *Form) side(i int, x []float32) []float32 {
	n := len(x) / f.Sides
	return x[i*n : (i+1)*n]
}

// eachRow calls f for each row of the matrix.
func (f *Form) eachRow(do func(row int)) { eachRow(f.Pool, f.Sides*f.D, do) }

// A ShapedBackend is a Backend that computes Shapes.
type ShapedBackend interface {
	NewShape(shape Shape, sides, d, k int) (ShapeKernel, error)
}

// A ShapeKernel computes a Shape.
type ShapeKernel interface {
	// Size is how many numbers θ has.
	Size() int
	// Begin takes the start over, which is zeros before, and returns its θ.
	Begin(start []float32, seed uint64) ([]float32, error)
	// Forward returns the matrix [Sides·D, K] of θ.
	Forward(theta Array) (m Array, err error)
	// Backward returns the derivative by the θ of the last Forward.
	Backward(dm Array) (dtheta Array, err error)
}

// newShape is the kernel of a shape, nil for a full matrix, which has none.
func newShape(b Backend, shape Shape, side Side, d, k int) (ShapeKernel, error) {
	if shape == nil {
		return nil, nil
	}
	shaped, ok := b.(ShapedBackend)
	if !ok {
		return nil, fmt.Errorf("%s trains full matrices only, and this one is to be of --shape %s: use --device cpu", b.Name(), shape.Name())
	}
	return shaped.NewShape(shape, side.Rows(d)/d, d, k)
}

// applyShape adds the matrix [rows, k] of theta [p].
func applyShape(kernel ShapeKernel, rows, k int, theta *gorgonia.Node) (*gorgonia.Node, error) {
	return gorgonia.ApplyOp(&shapeOp{base{"shape", []hm.Type{vectorType}, matrixType, tensor.Shape{rows, k}}, kernel}, theta)
}

type shapeOp struct {
	base
	kernel ShapeKernel
}

func (o *shapeOp) Do(in ...gorgonia.Value) (gorgonia.Value, error) {
	theta, err := o.array(in[0])
	if err != nil {
		return nil, err
	}
	return o.kernel.Forward(theta)
}

func (o *shapeOp) DiffWRT(int) []bool { return []bool{true} }

func (o *shapeOp) SymDiff(in gorgonia.Nodes, m, dm *gorgonia.Node) (gorgonia.Nodes, error) {
	dtheta, err := gorgonia.ApplyOp(&matrixGradOp{
		base:     base{"shape gradient", []hm.Type{matrixType, matrixType}, vectorType, in[0].Shape()},
		backward: o.kernel.Backward,
	}, m, dm)
	return gorgonia.Nodes{dtheta}, err
}
