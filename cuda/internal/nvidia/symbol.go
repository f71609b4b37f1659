//go:build gpu && linux

package nvidia

import (
	"fmt"
	"unsafe"

	"github.com/ebitengine/purego"
)

// A symbol is a C function of a loaded library.
type symbol struct {
	name    string
	address uintptr // 0 when the library lacks an optional one
}

// call calls the function with integers and addresses and returns its result.
// An address must be written as uintptr(unsafe.Pointer(p)) in the call itself:
// then *p is on the heap, where it does not move, and lives until the return.
//
// purego.SyscallN costs a fifth of a function made by RegisterFunc. It cannot
// pass floats, and none of ours needs one: CUDA takes them by address.
//
//go:uintptrescapes
func (s *symbol) call(arguments ...uintptr) uintptr {
	result, _, _ := purego.SyscallN(s.address, arguments...)
	return result
}

// bind resolves symbols by name. One that is missing is an error, unless
// optional.
func (l Library) bind(symbols map[string]*symbol, optional bool) error {
	for name, s := range symbols {
		address, err := purego.Dlsym(l.handle, name)
		if err != nil && !optional {
			return fmt.Errorf("%s has no function %s: it is too old, install a newer one", l.Path, name)
		}
		*s = symbol{name, address}
	}
	return nil
}

// goString copies a C string.
func goString(p *byte) string {
	if p == nil {
		return ""
	}
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return string(unsafe.Slice(p, n))
}

// cString is text as C wants it; the caller keeps it referenced.
func cString(text string) *byte {
	return unsafe.SliceData(append([]byte(text), 0))
}

// fromC turns an address that C returned into a pointer. The memory is not
// Go's, so the collector ignores it; vet knows only the opposite direction.
func fromC(address uintptr) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(&address))
}
