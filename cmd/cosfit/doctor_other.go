//go:build !linux

package main

import (
	"io/fs"
	"os"

	"github.com/cosfit/cosfit/internal/rundir"
)

// systemFiles has nothing: /proc is Linux's.
func systemFiles() fs.FS { return noFiles{} }

type noFiles struct{}

func (noFiles) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// cpuModel is what Windows tells every process; other systems tell nothing
// without being asked in their own way.
func cpuModel() string { return os.Getenv("PROCESSOR_IDENTIFIER") }

func freeBytes(string) rundir.Figure { return rundir.None }
