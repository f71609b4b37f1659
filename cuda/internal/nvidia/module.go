//go:build gpu && linux

package nvidia

import (
	"fmt"
	"runtime"
	"unsafe"
)

// A Module is compiled kernels, loaded into a context.
type Module struct {
	driver *Driver
	handle uintptr
}

// LoadModule loads what NVRTC.Compile returned: a cubin, or PTX that the
// driver compiles now.
func (c *Context) LoadModule(image []byte) (*Module, error) {
	if len(image) == 0 {
		return nil, fmt.Errorf("a module without contents cannot be loaded")
	}
	m := &Module{driver: c.driver}
	if err := c.driver.do(&c.driver.moduleLoadData, uintptr(unsafe.Pointer(&m.handle)), uintptr(unsafe.Pointer(&image[0]))); err != nil {
		return nil, err
	}
	return m, nil
}

// Unload gives the module back. Its functions are invalid from then on.
func (m *Module) Unload() error { return m.driver.do(&m.driver.moduleUnload, m.handle) }

// A Function is one kernel of a module.
type Function struct {
	Name string

	driver *Driver
	handle uintptr
	params []Param // nil where the driver does not tell
}

// Function is the kernel of that name, which must be extern "C".
func (m *Module) Function(name string) (*Function, error) {
	f := &Function{Name: name, driver: m.driver}
	symbolName := cString(name)
	if err := m.driver.do(&m.driver.moduleGetFunction, uintptr(unsafe.Pointer(&f.handle)), m.handle, uintptr(unsafe.Pointer(symbolName))); err != nil {
		return nil, fmt.Errorf("kernel %s: %w", name, err)
	}
	if m.driver.funcGetParamInfo.address == 0 {
		return f, nil
	}
	f.params = []Param{}
	for i := 0; ; i++ {
		var offset, size uint64
		if m.driver.funcGetParamInfo.call(f.handle, uintptr(i), uintptr(unsafe.Pointer(&offset)), uintptr(unsafe.Pointer(&size))) != 0 {
			return f, nil // the last one was before
		}
		f.params = append(f.params, Param{int(offset), int(size)})
	}
}

// A Param is where a kernel has a parameter, in bytes.
type Param struct{ Offset, Size int }

// Params are the kernel's parameters in order, or nil where the driver is
// older than CUDA 12.4 and does not tell. The slice is the function's.
func (f *Function) Params() []Param { return f.params }

// A Resource is a question to a Function (CUfunction_attribute).
type Resource int32

const (
	FunctionMaxThreads   Resource = 0 // in a block of this kernel
	FunctionSharedMemory Resource = 1 // bytes, static, of a block
	FunctionLocalMemory  Resource = 3 // bytes of a thread: its stack and spilled registers
	FunctionRegisters    Resource = 4 // of a thread
)

// Resource answers one question about the kernel.
func (f *Function) Resource(r Resource) (int, error) {
	var value int32
	err := f.driver.do(&f.driver.funcGetAttribute, uintptr(unsafe.Pointer(&value)), uintptr(r), f.handle)
	return int(value), err
}

// A Dim is a number of blocks or threads in up to three directions. A
// direction of 0 counts as 1.
type Dim struct{ X, Y, Z int }

// Launch queues a kernel: grid blocks of block threads each, with that many
// bytes of dynamic shared memory (at most 48 KiB). The arguments are read
// before Launch returns. They are compared with the kernel's parameters where
// the driver tells those.
func (s *Stream) Launch(f *Function, grid, block Dim, shared int, a *Arguments) error {
	if err := a.fit(f); err != nil {
		return err
	}
	a.point()
	err := s.driver.do(&s.driver.launchKernel, f.handle,
		direction(grid.X), direction(grid.Y), direction(grid.Z),
		direction(block.X), direction(block.Y), direction(block.Z),
		uintptr(shared), s.handle, uintptr(unsafe.Pointer(&a.pointers)), 0)
	runtime.KeepAlive(a)
	if err != nil {
		return fmt.Errorf("kernel %s: %w", f.Name, err)
	}
	return nil
}

func direction(n int) uintptr { return uintptr(uint32(max(n, 1))) }
