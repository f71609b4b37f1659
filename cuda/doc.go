// Package cuda is the backend that computes on a GPU of NVIDIA: a
// graph.Backend behind the build tag gpu, with no cgo and no toolkit at build
// time. Without the tag, or on another system than Linux, Open says so.
package cuda
