//go:build gpu && linux

package nvidia

import (
	"fmt"
	"unsafe"
)

// A Device is one GPU. Asking about it needs no context.
type Device struct {
	Index int // as CUDA_VISIBLE_DEVICES counts: from 0

	driver *Driver
	handle int32
}

// DeviceCount is the number of GPUs that this process may see.
func (d *Driver) DeviceCount() (int, error) {
	var n int32
	err := d.do(&d.deviceGetCount, uintptr(unsafe.Pointer(&n)))
	return int(n), err
}

// Device is the index-th GPU, from 0.
func (d *Driver) Device(index int) (Device, error) {
	count, err := d.DeviceCount()
	if err != nil {
		return Device{}, err
	}
	if index < 0 || index >= count {
		return Device{}, fmt.Errorf("there is no GPU %d: the driver has %d, counted from 0", index, count)
	}
	g := Device{Index: index, driver: d}
	err = d.do(&d.deviceGet, uintptr(unsafe.Pointer(&g.handle)), uintptr(index))
	return g, err
}

// Name is what the maker calls it, such as NVIDIA H100 80GB HBM3.
func (g Device) Name() (string, error) {
	name := new([256]byte)
	err := g.driver.do(&g.driver.deviceGetName, uintptr(unsafe.Pointer(name)), uintptr(len(name)-1), uintptr(g.handle))
	return goString(&name[0]), err
}

// TotalMemory is in bytes.
func (g Device) TotalMemory() (int64, error) {
	var bytes uint64
	err := g.driver.do(&g.driver.deviceTotalMem, uintptr(unsafe.Pointer(&bytes)), uintptr(g.handle))
	return int64(bytes), err
}

// An Attribute is a question to a Device (CUdevice_attribute).
type Attribute int32

const (
	MaxThreadsPerBlock            Attribute = 1
	SharedMemoryPerBlock          Attribute = 8 // bytes
	WarpSize                      Attribute = 10
	ClockRate                     Attribute = 13 // kHz
	Multiprocessors               Attribute = 16
	MemoryClockRate               Attribute = 36 // kHz
	MemoryBusWidth                Attribute = 37 // bits
	L2CacheSize                   Attribute = 38 // bytes
	MaxThreadsPerMultiprocessor   Attribute = 39
	capabilityMajor               Attribute = 75
	capabilityMinor               Attribute = 76
	SharedMemoryPerMultiprocessor Attribute = 81 // bytes
)

// Attribute answers one question.
func (g Device) Attribute(a Attribute) (int, error) {
	var value int32
	err := g.driver.do(&g.driver.deviceGetAttribute, uintptr(unsafe.Pointer(&value)), uintptr(a), uintptr(g.handle))
	return int(value), err
}

// A Capability is a compute capability, such as 9.0 of an H100.
type Capability struct{ Major, Minor int }

func (c Capability) String() string { return fmt.Sprintf("%d.%d", c.Major, c.Minor) }

// number is the capability as architectures are named by it: 90.
func (c Capability) number() int { return 10*c.Major + c.Minor }

// Capability is the device's.
func (g Device) Capability() (c Capability, err error) {
	if c.Major, err = g.Attribute(capabilityMajor); err != nil {
		return c, err
	}
	c.Minor, err = g.Attribute(capabilityMinor)
	return c, err
}

// A Context is where a device's memory, modules and streams live: its primary
// context, which cuBLASLt and every other library of CUDA in the process use
// too. See the package comment on threads.
type Context struct {
	Device Device

	driver *Driver
	handle uintptr
}

// Retain takes the device's context, creating it where it is the first; this
// takes some tenths of a second. It is not made current. Release gives it back.
func (g Device) Retain() (*Context, error) {
	c := &Context{Device: g, driver: g.driver}
	if err := g.driver.do(&g.driver.primaryCtxRetain, uintptr(unsafe.Pointer(&c.handle)), uintptr(g.handle)); err != nil {
		return nil, err
	}
	return c, nil
}

// SetCurrent makes the context the one that calls on this thread of the
// operating system mean. The goroutine must be locked to the thread.
func (c *Context) SetCurrent() error {
	return c.driver.do(&c.driver.ctxSetCurrent, c.handle)
}

// Release gives the context back. With the last one goes everything that was
// made in it.
func (c *Context) Release() error {
	return c.driver.do(&c.driver.primaryCtxRelease, uintptr(c.Device.handle))
}
