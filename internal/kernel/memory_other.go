//go:build !linux

package kernel

// preferHugePages leaves it to systems that choose by themselves.
func preferHugePages([]byte) {}
