// Package kernel is the arithmetic of cosfit on the CPU: matrix products, the
// search for the largest entries of one, gathering a batch of embeddings with
// dropout, and cosines with their gradients.
//
// Matrices are row-major float32 slices whose sizes travel beside them. Every
// function overwrites its outputs, keeps its arguments no longer than to the
// next call and panics when a slice is shorter than its sizes say, since that is a bug of
// the caller and never the fault of data.
//
// The results do not depend on the number of threads: work is cut into pieces
// whose size is fixed, each output is computed whole by one worker, and sums
// run in one order.
//
// A product packs its operands into panels, and a micro-kernel computes one
// tile of the result from two panels: AVX-512, AVX2 and NEON ones in assembly,
// which _gen writes, and one in Go for every machine. The masks of dropout, the
// weaving of rows into panels and Adam come with them. A matrix engine, AMX, has
// panels and blocks of its own (tiles.go). The fastest that the processor can run is
// chosen; COSFIT_CPU=amx, avx512, avx2, neon or generic forces one.
package kernel
