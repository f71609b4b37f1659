//go:build gpu && linux

package nvidia

import (
	"fmt"
	"unsafe"
)

// A Pointer is an address in device memory. Adding bytes to it gives a place
// inside the allocation.
type Pointer uint64

// MemoryInfo says how many bytes of device memory are free, of how many.
func (c *Context) MemoryInfo() (free, total int64, err error) {
	err = c.driver.do(&c.driver.memGetInfo, uintptr(unsafe.Pointer(&free)), uintptr(unsafe.Pointer(&total)))
	return free, total, err
}

// Alloc takes device memory, at least one byte, aligned to 256. What it holds
// is undefined. IsOutOfMemory tells that error apart.
func (c *Context) Alloc(bytes int) (Pointer, error) {
	var p Pointer
	if err := c.driver.do(&c.driver.memAlloc, uintptr(unsafe.Pointer(&p)), uintptr(bytes)); err != nil {
		return 0, fmt.Errorf("allocate %d bytes on the GPU: %w", bytes, err)
	}
	return p, nil
}

// Free gives back what Alloc took. The driver waits for queued work first.
func (c *Context) Free(p Pointer) error {
	return c.driver.do(&c.driver.memFree, uintptr(p))
}

// Pinned is host memory that a device can copy from and to while the program
// goes on. It is the driver's: slices of it are invalid after Free.
type Pinned struct {
	driver *Driver
	data   unsafe.Pointer
	bytes  int
}

// AllocPinned takes host memory, at least one byte, for any context. It is
// locked in RAM, so it should be little.
func (c *Context) AllocPinned(bytes int) (*Pinned, error) {
	const portable = 1
	p := &Pinned{driver: c.driver, bytes: bytes}
	if err := c.driver.do(&c.driver.memHostAlloc, uintptr(unsafe.Pointer(&p.data)), uintptr(bytes), portable); err != nil {
		return nil, fmt.Errorf("allocate %d bytes of pinned memory: %w", bytes, err)
	}
	return p, nil
}

// Len is the size in bytes.
func (p *Pinned) Len() int { return p.bytes }

// View is the memory as values of T; bytes that do not make a whole one are
// left out.
func View[T int32 | uint32 | float32 | int64 | uint64 | float64 | byte | uint16](p *Pinned) []T {
	var t T
	return unsafe.Slice((*T)(p.data), p.bytes/int(unsafe.Sizeof(t)))
}

// Free gives the memory back. No queued copy may still need it.
func (p *Pinned) Free() error {
	data := p.data
	p.data, p.bytes = nil, 0
	return p.driver.do(&p.driver.memFreeHost, uintptr(data))
}

// at is the address of bytes from offset on, all of them inside.
func (p *Pinned) at(offset, bytes int) (unsafe.Pointer, error) {
	if offset < 0 || bytes < 0 || offset > p.bytes-bytes {
		return nil, fmt.Errorf("copy of %d bytes at %d of pinned memory, which has %d", bytes, offset, p.bytes)
	}
	return unsafe.Add(p.data, offset), nil
}

// ToDevice queues a copy of bytes from pinned memory, beginning at offset. The
// memory must not change until the copy has run.
func (s *Stream) ToDevice(to Pointer, from *Pinned, offset, bytes int) error {
	source, err := from.at(offset, bytes)
	if err != nil {
		return err
	}
	return s.driver.do(&s.driver.memcpyHtoD, uintptr(to), uintptr(source), uintptr(bytes), s.handle)
}

// ToHost queues a copy of bytes into pinned memory, beginning at offset. They
// are there after the stream, or an event behind the copy, was waited for.
func (s *Stream) ToHost(to *Pinned, offset int, from Pointer, bytes int) error {
	target, err := to.at(offset, bytes)
	if err != nil {
		return err
	}
	return s.driver.do(&s.driver.memcpyDtoH, uintptr(target), uintptr(from), uintptr(bytes), s.handle)
}

// Copy queues a copy of bytes inside the device. The two places must not
// overlap.
func (s *Stream) Copy(to, from Pointer, bytes int) error {
	return s.driver.do(&s.driver.memcpyDtoD, uintptr(to), uintptr(from), uintptr(bytes), s.handle)
}

// Fill queues setting count 32-bit words to value. A float32 is given by its
// bits; 0 is 0 in every type.
func (s *Stream) Fill(to Pointer, value uint32, count int) error {
	return s.driver.do(&s.driver.memsetD32, uintptr(to), uintptr(value), uintptr(count), s.handle)
}
