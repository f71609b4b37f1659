// Package scratch makes files for what exceeds the memory, which last no longer
// than the process.
package scratch

import (
	"os"
	"path/filepath"
	"runtime"
)

// Dir is the folder for such files where the user names none: one in the user's
// cache folder, since the folder for temporary files is memory on many systems.
func Dir() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return os.TempDir()
	}
	return filepath.Join(cache, "cosfit", "scratch")
}

// Create creates a file in dir, or in Dir where that is empty; what stands
// before -*.tmp in its name. Close ends it.
func Create(dir, what string) (*os.File, error) {
	if dir == "" {
		dir = Dir()
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(dir, what+"-*.tmp")
	if err != nil {
		return nil, err
	}
	if runtime.GOOS != "windows" {
		os.Remove(file.Name()) // its contents last as long as it is open, and nothing is left by a crash
	}
	return file, nil
}

// Close closes a file that Create made, and removes it where it still has a
// name.
func Close(file *os.File) error {
	err := file.Close()
	if runtime.GOOS == "windows" {
		os.Remove(file.Name())
	}
	return err
}
