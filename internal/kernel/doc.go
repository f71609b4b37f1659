// Package kernel is the arithmetic of cosfit on the CPU: matrix products,
// gathering a batch of embeddings with dropout, and cosines with their
// gradients.
//
// Matrices are row-major float32 slices whose sizes travel beside them. Every
// function overwrites its outputs, keeps no reference to its arguments and
// panics when a slice is shorter than its sizes say, since that is a bug of
// the caller and never the fault of data.
//
// The results do not depend on the number of threads: work is cut into pieces
// whose size is fixed, each output is computed whole by one worker, and sums
// run in one order.
//
// This is the portable implementation. Faster micro-kernels take its place
// behind the same functions: a product is packed into panels by pack, and
// micro computes one tile from two panels.
package kernel
