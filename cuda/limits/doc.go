// Package limits times what a GPU and cuBLASLt can do at best: copying the
// device's memory, and single matrix products. Benchmarks hold training against
// them. Times are the GPU's own, taken with events around the work.
package limits

import "github.com/cosfit/cosfit/cuda"

// A Product is C [Rows, Columns] = op(A)·op(B), row-major. A is stored as
// [Inner, Rows] where TransA says so, B as [Columns, Inner] where TransB does.
// In tf32 and fp32 all three are float32, in bf16 A and B are bfloat16.
type Product struct {
	Rows, Columns, Inner int
	TransA, TransB       bool
	Precision            cuda.Precision
}
