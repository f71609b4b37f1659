//go:build gpu && linux

package nvidia

import (
	"fmt"
	"math"
	"unsafe"
)

// maxArguments is more than any of our kernels takes. CUDA allows 4 KiB.
const maxArguments = 32

// Arguments are what a kernel is launched with, in the order of its
// parameters. The zero value is empty. One Arguments serves every launch of a
// thread: Reset empties it and nothing is allocated.
//
//	a.Reset().Pointer(x).Pointer(y).Int32(n).Float32(0.5)
type Arguments struct {
	values   [maxArguments]uint64
	sizes    [maxArguments]uint8
	pointers [maxArguments]unsafe.Pointer // to values; what cuLaunchKernel reads
	n        int                          // beyond maxArguments where there were too many
}

// Reset empties the list.
func (a *Arguments) Reset() *Arguments {
	a.n = 0
	return a
}

// Pointer adds an address in device memory: float *, const int * and so on.
func (a *Arguments) Pointer(p Pointer) *Arguments { return a.add(uint64(p), 8) }

// Int32 adds an int.
func (a *Arguments) Int32(v int32) *Arguments { return a.add(uint64(uint32(v)), 4) }

// Uint32 adds an unsigned int.
func (a *Arguments) Uint32(v uint32) *Arguments { return a.add(uint64(v), 4) }

// Int64 adds a long long.
func (a *Arguments) Int64(v int64) *Arguments { return a.add(uint64(v), 8) }

// Uint64 adds an unsigned long long.
func (a *Arguments) Uint64(v uint64) *Arguments { return a.add(v, 8) }

// Float32 adds a float.
func (a *Arguments) Float32(v float32) *Arguments { return a.add(uint64(math.Float32bits(v)), 4) }

// add stores the value's low bytes first, as every processor with CUDA does.
func (a *Arguments) add(value uint64, size uint8) *Arguments {
	if a.n < maxArguments {
		a.values[a.n], a.sizes[a.n] = value, size
	}
	a.n++
	return a
}

// Layout is where a kernel with these parameters has them: each at the next
// multiple of its size.
func (a *Arguments) Layout() []Param {
	all := make([]Param, min(a.n, maxArguments))
	end := 0
	for i := range all {
		size := int(a.sizes[i])
		offset := (end + size - 1) / size * size
		all[i] = Param{offset, size}
		end = offset + size
	}
	return all
}

// point makes pointers lead to values. It is done at each launch, so that a
// copied Arguments does not lead to the original's.
func (a *Arguments) point() {
	for i := range a.n {
		a.pointers[i] = unsafe.Pointer(&a.values[i])
	}
}

// fit compares the arguments with the kernel's parameters: CUDA itself reads
// as many as the kernel has, whatever it is given.
func (a *Arguments) fit(f *Function) error {
	if a.n > maxArguments {
		return fmt.Errorf("kernel %s: %d arguments, at most %d can be passed", f.Name, a.n, maxArguments)
	}
	if f.params == nil {
		return nil
	}
	if a.n != len(f.params) {
		return fmt.Errorf("kernel %s: %d arguments, it takes %d", f.Name, a.n, len(f.params))
	}
	for i, p := range f.params {
		if int(a.sizes[i]) != p.Size {
			return fmt.Errorf("kernel %s: argument %d has %d bytes, its parameter %d", f.Name, i, a.sizes[i], p.Size)
		}
	}
	return nil
}
