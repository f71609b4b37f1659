package cuda

import (
	"errors"

	"github.com/cosfit/cosfit/cuda/internal/kernels"
)

// Options say what to compute on, and how. The zero value is the first GPU at
// tf32.
type Options struct {
	Device    int       // as CUDA_VISIBLE_DEVICES counts: from 0
	Precision Precision // of training steps; TF32 by default

	// Threads are the processor's for losses that have no kernels here; 0 means one
	// for each of its cores.
	Threads int

	// Cache is a folder, made where it is not there, for compiled kernels and
	// for the algorithms of matrix products that were found to be fastest. It
	// saves seconds at the next start. Nothing is kept without one.
	Cache string
}

// A Precision is how a training step multiplies matrices. Whatever it is, the
// products are summed in float32, the parameters and the optimiser's state are
// float32, and evaluation computes in float32.
type Precision = kernels.Precision

const (
	FP32 = kernels.FP32 // float32 as it is
	TF32 = kernels.TF32 // float32 of which tensor cores read 10 bits of fraction; X and dP are rounded to them before
	BF16 = kernels.BF16 // factors stored as bfloat16, 7 bits of fraction
)

// A Device is a GPU of this machine.
type Device struct {
	Index           int // what Options.Device calls it
	Name            string
	Memory          int64  // bytes
	Capability      string // such as 9.0
	Multiprocessors int
}

// A Library is one of NVIDIA's that the backend loads when it is opened.
type Library struct {
	Name    string // driver, NVRTC or cuBLASLt
	Version string
	Path    string
	Err     error // why there is none, and what to do
}

// ErrNoGPU is what the error of Open or Devices wraps where this build or this
// machine has none at all, so that computing on the CPU is no mistake. It is
// not in an error of a GPU that is there and cannot be used.
var ErrNoGPU = errors.New("no GPU")
