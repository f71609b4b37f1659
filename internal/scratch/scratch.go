// Package scratch makes files for what exceeds the memory, which last no longer
// than the process.
package scratch

import (
	"os"
	"path/filepath"
	"runtime"
	"time"
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
		tidy(dir, what)
	}
	return file, nil
}

// tidy removes the empty files of processes that were killed between the two
// lines above.
func tidy(dir, what string) {
	left, _ := filepath.Glob(filepath.Join(dir, what+"-*.tmp"))
	for _, path := range left {
		if info, err := os.Stat(path); err == nil && info.Size() == 0 && time.Since(info.ModTime()) > time.Minute {
			os.Remove(path)
		}
	}
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
