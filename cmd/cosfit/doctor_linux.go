package main

import (
	"io/fs"
	"os"
	"syscall"

	"github.com/cosfit/cosfit/internal/rundir"
)

// systemFiles has proc and sys.
func systemFiles() fs.FS { return os.DirFS("/") }

// cpuModel knows no more than /proc/cpuinfo.
func cpuModel() string { return "" }

// freeBytes is what an ordinary user may still write to a folder's disk.
func freeBytes(path string) rundir.Figure {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return rundir.None
	}
	return rundir.Figure(s.Bavail) * rundir.Figure(s.Bsize)
}
