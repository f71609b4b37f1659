// Package kernels is the arithmetic of the CUDA backend: kernels in CUDA C
// (*.cu), compiled by NVRTC for the very device and kept on disk, with a Go
// method for each that queues one launch. The matrix products are cuBLASLt's
// and not here.
//
// Sizes and layouts are those of the training step. A batch has n pairs; the
// left texts are rows 0 … n−1 of X [2n, d] and P [2n, k], the right ones rows
// n … 2n−1. Arrays are row-major and may have any size from 1 on; where rows are
// a multiple of four numbers and lie on addresses that are multiples of 16 bytes
// they are read and written in vectors of four.
//
// Nothing here depends on the order in which threads run: no kernel adds
// floating-point numbers atomically, and every sum has one fixed order that
// depends on its length alone. So results are equal bit for bit from run to run.
//
// Numbers: everything is float32 except the operands of a training step's
// products, X, M and dP, and of InfoNCE's, vectors of length 1 and the derivative by
// similarities, whose type is the [Precision]'s. Sums behind a cosine or a norm are
// float64, as on the processor.
package kernels
