package kernels

import "strings"

// options are NVRTC's for kernels of a precision.
func options(p Precision) []string {
	return []string{"--std=c++17", "--define-macro=" + strings.ToUpper(string(p))}
}

// updateOptions keep the compiler from fusing a product and a sum, so that an
// update's bits are those of Go's portable code.
func updateOptions(p Precision) []string { return append(options(p), "--fmad=false") }
