// Package nvidia binds what a training backend needs of three libraries of
// NVIDIA: the driver (libcuda), the compiler of CUDA C (NVRTC) and the matrix
// products (cuBLASLt). They are found and loaded when the program runs, with
// no cgo and nothing of theirs needed to build. Without the tag gpu, or on
// another system than Linux, the package is empty.
//
// The bindings are thin: a method is one call of the library, named after it,
// and adds its types, its bounds and its error. Handles are small structs that
// stay valid until their Free, Destroy or Release; nothing is freed by the
// garbage collector, because an object may still be in use by queued work.
//
// # Where libraries are found
//
// In this order: the folders that COSFIT_CUDA_LIBRARIES names, separated by
// colons; what the system's loader finds, so LD_LIBRARY_PATH too; the toolkit of
// CUDA_HOME or CUDA_PATH; conda's environment; where pip puts NVIDIA's packages
// for the virtual environment, for the python3 on PATH, for the user and for
// the system; /usr/local/cuda* and the folders of distributions, containers,
// WSL and NixOS. The first place that has one wins, there the newest; one of a
// newer CUDA than the driver's is passed over, because the driver would refuse
// what it compiles.
//
// # Threads
//
// The driver keeps the current context for each thread of the operating
// system, and a Go goroutine moves between those. One goroutine that has
// called runtime.LockOSThread therefore owns a Context: it makes it current
// and makes every call. Nothing in this package takes a lock. NVRTC and the
// attributes of a Device need no context and may be used anywhere.
//
// # Memory
//
// Device memory is a Pointer, a number that Go cannot follow. Host memory that
// a copy reads or writes is Pinned: it belongs to the driver, Go's garbage
// collector neither moves nor frees it, and a copy may still be under way when
// the call has returned. Errors of queued work appear at a later call, often
// at Synchronize.
package nvidia
