package kernels

import (
	"fmt"
	"math"
	"time"
)

// A Budget is what a kernel of a training step must move and compute: every
// array that it reads, read once, and every one that it writes.
type Budget struct {
	Bytes int64
	FLOPs int64 // of the matrix products; of the others the memory decides
}

// StepKernels are the parts of a training step in their order: the kernels
// here, cuBLASLt's two products and the update, for which Adam stands.
var StepKernels = []string{"gather", "project", "cosine", "loss", "pull", "gradient", "update"}

// ContrastKernels are what a step by InfoNCE has in one direction, in place of
// cosine, loss and pull. Similarities and back are cuBLASLt's products.
var ContrastKernels = []string{"unit", "similarities", "contrast", "back", "through_unit"}

// OtherKernels are what a step has beside them with --side query or --shape diagonal.
var OtherKernels = []string{"as_is", "diagonal", "diagonal_gradient"}

// BudgetOf returns the budget of one of these kernels for a batch of n pairs and a
// matrix [d, k].
func BudgetOf(kernel string, n, d, k int, p Precision) (Budget, error) {
	const float, slots = 4, 2
	operand := int64(p.OperandSize())
	pairs, rows := int64(n), 2*int64(n)
	x, y, m := rows*int64(d), rows*int64(k), int64(d)*int64(k)
	product := 2 * x * int64(k)
	switch kernel {
	case "gather": // the table's rows and their numbers → X
		return Budget{Bytes: x*(float+operand) + rows*float}, nil
	case "project": // X, M → P
		return Budget{Bytes: (x+m)*operand + y*float, FLOPs: product}, nil
	case "cosine": // P → s and the inverse lengths
		return Budget{Bytes: y*float + (pairs+rows)*float}, nil
	case "loss": // s and the labels → ds and the mean
		return Budget{Bytes: 3*pairs*float + float}, nil
	case "pull": // P, s, the inverse lengths and ds → dP
		return Budget{Bytes: y*(float+operand) + (2*pairs+rows)*float}, nil
	case "gradient": // X, dP → dM
		return Budget{Bytes: (x+y)*operand + m*float, FLOPs: product}, nil
	case "unit": // P → U and the inverse lengths
		return Budget{Bytes: y*(float+operand) + rows*float}, nil
	case "similarities": // U → S
		return Budget{Bytes: y*operand + pairs*pairs*float, FLOPs: pairs * y}, nil
	case "contrast": // S → dS and, of each pair, two sums
		return Budget{Bytes: pairs*pairs*(float+operand) + pairs*2*8}, nil
	case "back": // two products: dS, U and dU → dU
		return Budget{Bytes: 2*pairs*pairs*operand + y*(operand+2*float), FLOPs: 2 * pairs * y}, nil
	case "through_unit": // P, the inverse lengths and dU → dP
		return Budget{Bytes: 3*y*float + rows*float}, nil
	case "update": // dM, M and the slots → M, the slots and, where it is another type, the operand M
		moved := m * (1 + 2*(1+slots)) * float
		if p == BF16 {
			moved += m * operand
		}
		return Budget{Bytes: moved}, nil
	case "as_is": // the right rows of the table and their numbers → P
		return Budget{Bytes: y*float + pairs*float}, nil
	case "diagonal": // S, w → M
		return Budget{Bytes: (2*m + int64(k)) * float}, nil
	case "diagonal_gradient": // S, dM → dw
		return Budget{Bytes: (2*m + int64(k)) * float}, nil
	}
	return Budget{}, fmt.Errorf("a training step has no kernel %q", kernel)
}

// What an H100 does at its best: bytes a second of a copy, and dense operations
// a second.
const (
	h100Bytes = 3.0e12
	h100FP32  = 67e12
	h100TF32  = 400e12
	h100BF16  = 800e12
)

// Floor is the least time that a budget takes on an H100 whose memory it all
// comes from and goes to. What fits into its cache of 50 MB may take less, and
// a launch takes some microseconds more.
func (b Budget) Floor(p Precision) time.Duration {
	rate := map[Precision]float64{FP32: h100FP32, TF32: h100TF32, BF16: h100BF16}[p]
	seconds := math.Max(float64(b.Bytes)/h100Bytes, float64(b.FLOPs)/rate)
	return time.Duration(seconds * float64(time.Second))
}
