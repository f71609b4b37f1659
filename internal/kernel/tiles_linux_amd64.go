package kernel

import "golang.org/x/sys/unix"

// permitTiles asks the system for the registers of the matrix engine, which it
// gives to processes that ask, and says whether they have them.
func permitTiles() bool {
	const request, tileData = 0x1023, 18 // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
	_, _, failed := unix.RawSyscall(unix.SYS_ARCH_PRCTL, request, tileData, 0)
	return failed == 0
}
