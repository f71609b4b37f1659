//go:build gpu && linux

package nvidia

import (
	"fmt"
	"unsafe"
)

// A Version is a version of CUDA. They are comparable field by field.
type Version struct{ Major, Minor int }

func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// A Driver is the loaded libcuda, ready to use.
type Driver struct {
	Library Library
	Version Version // the newest CUDA that this driver runs

	init, driverGetVersion, getErrorName, getErrorString                symbol
	deviceGetCount, deviceGet, deviceGetName, deviceGetAttribute        symbol
	deviceTotalMem, primaryCtxRetain, primaryCtxRelease, ctxSetCurrent  symbol
	memGetInfo, memAlloc, memFree, memHostAlloc, memFreeHost            symbol
	memcpyHtoD, memcpyDtoH, memcpyDtoD, memsetD32                       symbol
	streamCreate, streamDestroy, streamSynchronize, streamWaitEvent     symbol
	eventCreate, eventDestroy, eventRecord, eventSynchronize, eventTime symbol
	moduleLoadData, moduleUnload, moduleGetFunction                     symbol
	funcGetAttribute, launchKernel                                      symbol
	streamBeginCapture, streamEndCapture                                symbol
	graphInstantiate, graphLaunch, graphExecDestroy, graphDestroy       symbol
	funcGetParamInfo                                                    symbol // CUDA 12.4 and later
}

// symbols are the functions by the names they are exported under. Where there
// are several generations of one, the unsuffixed name takes other types.
func (d *Driver) symbols() map[string]*symbol {
	return map[string]*symbol{
		"cuInit":                       &d.init,
		"cuDriverGetVersion":           &d.driverGetVersion,
		"cuGetErrorName":               &d.getErrorName,
		"cuGetErrorString":             &d.getErrorString,
		"cuDeviceGetCount":             &d.deviceGetCount,
		"cuDeviceGet":                  &d.deviceGet,
		"cuDeviceGetName":              &d.deviceGetName,
		"cuDeviceGetAttribute":         &d.deviceGetAttribute,
		"cuDeviceTotalMem_v2":          &d.deviceTotalMem,
		"cuDevicePrimaryCtxRetain":     &d.primaryCtxRetain,
		"cuDevicePrimaryCtxRelease_v2": &d.primaryCtxRelease,
		"cuCtxSetCurrent":              &d.ctxSetCurrent,
		"cuMemGetInfo_v2":              &d.memGetInfo,
		"cuMemAlloc_v2":                &d.memAlloc,
		"cuMemFree_v2":                 &d.memFree,
		"cuMemHostAlloc":               &d.memHostAlloc,
		"cuMemFreeHost":                &d.memFreeHost,
		"cuMemcpyHtoDAsync_v2":         &d.memcpyHtoD,
		"cuMemcpyDtoHAsync_v2":         &d.memcpyDtoH,
		"cuMemcpyDtoDAsync_v2":         &d.memcpyDtoD,
		"cuMemsetD32Async":             &d.memsetD32,
		"cuStreamCreate":               &d.streamCreate,
		"cuStreamDestroy_v2":           &d.streamDestroy,
		"cuStreamSynchronize":          &d.streamSynchronize,
		"cuStreamWaitEvent":            &d.streamWaitEvent,
		"cuEventCreate":                &d.eventCreate,
		"cuEventDestroy_v2":            &d.eventDestroy,
		"cuEventRecord":                &d.eventRecord,
		"cuEventSynchronize":           &d.eventSynchronize,
		"cuEventElapsedTime":           &d.eventTime,
		"cuModuleLoadData":             &d.moduleLoadData,
		"cuModuleUnload":               &d.moduleUnload,
		"cuModuleGetFunction":          &d.moduleGetFunction,
		"cuFuncGetAttribute":           &d.funcGetAttribute,
		"cuLaunchKernel":               &d.launchKernel,
		"cuStreamBeginCapture_v2":      &d.streamBeginCapture,
		"cuStreamEndCapture":           &d.streamEndCapture,
		"cuGraphInstantiateWithFlags":  &d.graphInstantiate,
		"cuGraphLaunch":                &d.graphLaunch,
		"cuGraphExecDestroy":           &d.graphExecDestroy,
		"cuGraphDestroy":               &d.graphDestroy,
	}
}

// OpenDriver loads libcuda and initialises it. Without a driver the error is a
// *NotFoundError; with a driver and no GPU, IsNoDevice says so of it.
func OpenDriver() (*Driver, error) { return newFinder().openDriver() }

func (f finder) openDriver() (*Driver, error) {
	lib, err := f.find(wanted{
		sonames: []soname{{"libcuda.so.1", 0}},
		advice:  "no NVIDIA driver is installed (libcuda.so.1 was not found): install the one for your GPU",
	}, 0)
	if err != nil {
		return nil, err
	}
	d := &Driver{Library: lib}
	if err := lib.bind(d.symbols(), false); err != nil {
		return nil, err
	}
	if err := lib.bind(map[string]*symbol{"cuFuncGetParamInfo": &d.funcGetParamInfo}, true); err != nil {
		return nil, err
	}
	d.Library.locate(d.init)
	if err := d.do(&d.init, 0); err != nil {
		return nil, err
	}
	var version int32
	if err := d.do(&d.driverGetVersion, uintptr(unsafe.Pointer(&version))); err != nil {
		return nil, err
	}
	d.Version = Version{int(version) / 1000, int(version) % 1000 / 10}
	d.Library.Version = d.Version.String()
	return d, nil
}

// do calls one function of the driver. What symbol.call says of addresses
// holds here too.
//
//go:uintptrescapes
func (d *Driver) do(s *symbol, arguments ...uintptr) error {
	if code := int32(s.call(arguments...)); code != 0 {
		return d.fault(s.name, code)
	}
	return nil
}

func (d *Driver) fault(call string, code int32) error {
	var name, text *byte
	d.getErrorName.call(uintptr(code), uintptr(unsafe.Pointer(&name)))
	d.getErrorString.call(uintptr(code), uintptr(unsafe.Pointer(&text)))
	return &Error{Call: call, Code: int(code), Name: goString(name), Text: goString(text)}
}
