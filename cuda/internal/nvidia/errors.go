//go:build gpu && linux

package nvidia

import (
	"errors"
	"fmt"
	"strings"
)

// Results of the driver that a caller may want to tell apart.
const (
	codeOutOfMemory      = 2
	codeStubLibrary      = 34
	codeUnavailable      = 46
	codeNoDevice         = 100
	codeNoBinaryForGPU   = 209
	codeUnsupportedPTX   = 222
	codeSystemNotReady   = 802
	codeDriverMismatch   = 803
	codeCompatNotOnGPU   = 804
	codeUnknown          = 999
	codeNVRTCCompilation = 6
)

// An Error is a call that a library of NVIDIA answered with a failure.
type Error struct {
	Call string // the C function
	Code int    // its result
	Name string // the result's name, such as CUDA_ERROR_OUT_OF_MEMORY
	Text string // what the library says about it; NVRTC's log where a compilation failed
}

// Error is one sentence, and below it NVRTC's log where there is one.
func (e *Error) Error() string {
	driver := strings.HasPrefix(e.Call, "cu") && !strings.HasPrefix(e.Call, "cublas")
	switch {
	case driver && e.Code == codeNoDevice:
		return "the NVIDIA driver found no GPU: nvidia-smi should list one; CUDA_VISIBLE_DEVICES hides GPUs, and a container needs --gpus all"
	case driver && e.Code == codeStubLibrary:
		return "the libcuda.so.1 that was loaded is the stub of a CUDA toolkit, not a driver: take its folder out of LD_LIBRARY_PATH"
	case driver && e.Code == codeSystemNotReady:
		return "the GPUs are not ready: where NVSwitch connects them, start nvidia-fabricmanager, of the driver's own version"
	case e.Call == "cuInit" && e.Code == codeUnknown:
		return "the NVIDIA driver does not start: nvidia-smi should list a GPU, and /dev/nvidia-uvm must be there (modprobe nvidia-uvm makes it; a container needs --gpus all)"
	case driver && e.Code == codeUnavailable:
		return "the GPU is in another process's hands, or its compute mode lets no program in: nvidia-smi shows both"
	case e.Call == "cuDevicePrimaryCtxRetain" && e.Code == codeOutOfMemory:
		return "the GPU has no memory left for another program: end what else uses it, which nvidia-smi lists"
	case driver && e.Code == codeUnsupportedPTX:
		return "the NVIDIA driver is older than the NVRTC that compiled the kernels: update the driver, or install an NVRTC of the driver's CUDA version"
	case driver && (e.Code == codeDriverMismatch || e.Code == codeCompatNotOnGPU):
		return "the NVIDIA driver and the libcuda.so.1 that was loaded do not fit together: restart after a driver update, or take a folder with another libcuda.so.1 out of LD_LIBRARY_PATH"
	case driver && e.Code == codeNoBinaryForGPU:
		return "the kernels were compiled for another kind of GPU (" + e.Call + ")"
	case e.Call == "nvrtcCompileProgram" && e.Code == codeNVRTCCompilation:
		return "NVRTC does not accept the source:\n" + e.Text
	}
	named := e.Name
	if named == "" {
		named = "failed"
	}
	text := fmt.Sprintf("%s: %s (%d)", e.Call, named, e.Code)
	if e.Text != "" {
		text += ": " + e.Text
	}
	return text
}

// IsOutOfMemory says whether err is the driver's: no room on the device, or no
// host memory left that could be pinned.
func IsOutOfMemory(err error) bool { return isDriver(err, codeOutOfMemory) }

// IsNoDevice says whether err is the driver's that there is no GPU.
func IsNoDevice(err error) bool { return isDriver(err, codeNoDevice) }

func isDriver(err error, code int) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code && !strings.HasPrefix(e.Call, "cublas") && !strings.HasPrefix(e.Call, "nvrtc")
}
