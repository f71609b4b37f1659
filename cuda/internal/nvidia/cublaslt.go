//go:build gpu && linux

package nvidia

import (
	"fmt"
	"unsafe"
)

// CublasLt is the loaded cuBLASLt: matrix products with a choice of algorithm.
type CublasLt struct {
	Library Library

	version, statusName, statusString                  symbol
	create, destroy                                    symbol
	descCreate, descDestroy, descSet                   symbol
	layoutCreate, layoutDestroy                        symbol
	preferenceCreate, preferenceDestroy, preferenceSet symbol
	heuristic, check, matmul                           symbol
}

// symbols: the functions named Init fill structs whose sizes change between
// versions; those named Create keep them to themselves.
func (b *CublasLt) symbols() map[string]*symbol {
	return map[string]*symbol{
		"cublasLtGetVersion":                   &b.version,
		"cublasLtGetStatusName":                &b.statusName,
		"cublasLtGetStatusString":              &b.statusString,
		"cublasLtCreate":                       &b.create,
		"cublasLtDestroy":                      &b.destroy,
		"cublasLtMatmulDescCreate":             &b.descCreate,
		"cublasLtMatmulDescDestroy":            &b.descDestroy,
		"cublasLtMatmulDescSetAttribute":       &b.descSet,
		"cublasLtMatrixLayoutCreate":           &b.layoutCreate,
		"cublasLtMatrixLayoutDestroy":          &b.layoutDestroy,
		"cublasLtMatmulPreferenceCreate":       &b.preferenceCreate,
		"cublasLtMatmulPreferenceDestroy":      &b.preferenceDestroy,
		"cublasLtMatmulPreferenceSetAttribute": &b.preferenceSet,
		"cublasLtMatmulAlgoGetHeuristic":       &b.heuristic,
		"cublasLtMatmulAlgoCheck":              &b.check,
		"cublasLtMatmul":                       &b.matmul,
	}
}

// OpenCublasLt loads the first cuBLASLt that is not of a newer CUDA than
// newest, the major version of the driver; 0 takes any. It is several hundred
// megabytes, most of which are read only when they are needed.
func OpenCublasLt(newest int) (*CublasLt, error) { return newFinder().openCublasLt(newest) }

func (f finder) openCublasLt(newest int) (*CublasLt, error) {
	lib, err := f.find(wanted{
		called:  "cuBLASLt (libcublasLt.so)",
		sonames: []soname{{"libcublasLt.so.13", 13}, {"libcublasLt.so.12", 12}, {"libcublasLt.so.11", 11}},
		advice:  install(newest),
	}, newest)
	if err != nil {
		return nil, err
	}
	b := &CublasLt{Library: lib}
	if err := lib.bind(b.symbols(), false); err != nil {
		return nil, err
	}
	b.Library.locate(b.version)
	n := int(b.version.call())
	b.Library.Version = fmt.Sprintf("%d.%d.%d", n/10000, n/100%100, n%100)
	return b, nil
}

// do is what Driver.do is.
//
//go:uintptrescapes
func (b *CublasLt) do(s *symbol, arguments ...uintptr) error {
	code := int32(s.call(arguments...))
	if code == 0 {
		return nil
	}
	return &Error{Call: s.name, Code: int(code),
		Name: goString((*byte)(fromC(b.statusName.call(uintptr(code))))),
		Text: goString((*byte)(fromC(b.statusString.call(uintptr(code)))))}
}

// A Handle is cuBLASLt ready for one device.
type Handle struct {
	blas   *CublasLt
	handle uintptr
}

// NewHandle makes a handle for the device whose context is current on this
// thread. Without a GPU, or without a current context, it fails with
// CUBLAS_STATUS_NOT_INITIALIZED.
func (b *CublasLt) NewHandle() (*Handle, error) {
	h := &Handle{blas: b}
	if err := b.do(&b.create, uintptr(unsafe.Pointer(&h.handle))); err != nil {
		return nil, err
	}
	return h, nil
}

// Destroy gives the handle back.
func (h *Handle) Destroy() error { return h.blas.do(&h.blas.destroy, h.handle) }
