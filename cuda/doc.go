// Package cuda is the room of the CUDA backend: a graph.Backend behind the
// build tag gpu, with no cgo and no toolkit at build time. It is not there
// yet; until it is, every build computes on the CPU and says so.
package cuda
