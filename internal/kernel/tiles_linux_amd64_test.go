package kernel

import (
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/cpu"
	"golang.org/x/sys/unix"
)

// Where Linux says that it supports the engine's registers, products run on it
// unless COSFIT_CPU forces something else.
func TestEngineIsUsed(t *testing.T) {
	const supported, tileData = 0x1021, 18 // ARCH_GET_XCOMP_SUPP, XFEATURE_XTILEDATA
	var features uint64
	_, _, failed := unix.RawSyscall(unix.SYS_ARCH_PRCTL, supported, uintptr(unsafe.Pointer(&features)), 0)
	has := failed == 0 && features>>tileData&1 == 1 && cpu.X86.HasAMXTile && cpu.X86.HasAMXBF16 && cpu.X86.HasAVX512F && cpu.X86.HasBMI2
	name := os.Getenv("COSFIT_CPU")
	if want := has && (name == "" || name == "amx"); Engine() != want {
		t.Errorf("COSFIT_CPU=%s, the engine is there: %t; products run on it: %t", name, has, Engine())
	}
}
