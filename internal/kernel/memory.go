package kernel

import "unsafe"

// hugePage is the size of the larger pages that processors can map.
const hugePage = 2 << 20

// Allocate returns n zeros. Where they fill large pages, the system is asked
// for such: products walk through megabytes, and looking their small pages up
// takes a tenth of the time on some machines.
func Allocate(n int) []float32 {
	x := make([]float32, n)
	if 4*n >= hugePage {
		preferHugePages(unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), 4*n))
	}
	return x
}

// grow returns memory for n numbers, s where it is large enough.
func grow(s []float32, n int) []float32 {
	if cap(s) < n {
		return Allocate(n)
	}
	return s[:n]
}
