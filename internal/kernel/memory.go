package kernel

import "unsafe"

// hugePage is the size of the larger pages that processors can map.
const hugePage = 2 << 20

// Allocate returns n zeros. Where they fill half a large page or more, they begin
// with one and the system is asked for such: products walk through megabytes, and
// looking their small pages up takes a tenth of the time on some machines.
func Allocate(n int) []float32 {
	const page = hugePage / 4
	if n < page/2 {
		return make([]float32, n)
	}
	whole := (n + page - 1) / page * page
	x := make([]float32, whole+page)
	start := int(-uintptr(unsafe.Pointer(&x[0])) % hugePage / 4)
	x = x[start : start+whole]
	preferHugePages(unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), 4*whole))
	return x[:n:n]
}

// grow returns memory for n numbers, s where it is large enough.
func grow(s []float32, n int) []float32 {
	if cap(s) < n {
		return Allocate(n)
	}
	return s[:n]
}
