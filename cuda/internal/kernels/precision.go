package kernels

// Precision is the type of the operands of a training step's matrix products.
type Precision string

const (
	FP32 Precision = "fp32" // float32
	TF32 Precision = "tf32" // float32 of which tensor cores read 10 bits of fraction: X and dP are rounded to them here, to nearest even
	BF16 Precision = "bf16" // bfloat16, the upper half of a float32, rounded to nearest even
)

// OperandSize is the bytes of a number of X, M and dP.
func (p Precision) OperandSize() int {
	if p == BF16 {
		return 2
	}
	return 4
}
