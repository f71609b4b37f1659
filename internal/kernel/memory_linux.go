package kernel

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// preferHugePages tells the system so for the pages that lie within memory. It
// is a wish: whether there are any is of no consequence but for the speed.
func preferHugePages(memory []byte) {
	page := uintptr(os.Getpagesize())
	start := -uintptr(unsafe.Pointer(&memory[0])) % page // bytes before the first page
	if inside := memory[start:]; uintptr(len(inside)) >= page {
		unix.Madvise(inside[:uintptr(len(inside))/page*page], unix.MADV_HUGEPAGE)
	}
}
