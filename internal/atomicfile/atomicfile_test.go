package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

func TestWriteLeavesNothingHalf(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	failure := errors.New("disk on fire")
	err := Write(path, func(w io.Writer) error {
		io.WriteString(w, "new but ")
		return failure
	})
	if !errors.Is(err, failure) {
		t.Errorf("error is %v, want the writer's", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "old" {
		t.Errorf("the file holds %q, want the old contents", b)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

// TestWriteNamesTheFile wants errors about the file that was asked for,
// without the temporary name.
func TestWriteNamesTheFile(t *testing.T) {
	full := syscall.ENOSPC
	for name, try := range map[string]struct {
		write func(io.Writer) error
		block bool // with a directory of the file's name
		want  string
	}{
		"full disk": {write: func(w io.Writer) error {
			return fmt.Errorf("parquet: %w", &fs.PathError{Op: "write", Path: w.(*os.File).Name(), Err: full})
		}, want: full.Error()},
		"another file": {write: func(io.Writer) error {
			return &fs.PathError{Op: "read", Path: "input", Err: full}
		}, want: "read input: " + full.Error()},
		"rename": {write: func(io.Writer) error { return nil }, block: true, want: "file exists"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			if try.block {
				if runtime.GOOS != "linux" {
					t.Skip("the words differ")
				}
				if err := os.MkdirAll(filepath.Join(path, "full"), 0o777); err != nil {
					t.Fatal(err)
				}
			}
			err := Write(path, try.write)
			if want := "write " + path + ": " + try.want; err == nil || err.Error() != want {
				t.Errorf("error is %v, want %s", err, want)
			}
		})
	}
}

// Tidy leaves alone what is not ours, and what may still be written.
func TestTidy(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-2 * time.Hour)
	for name, age := range map[string]time.Time{
		".ours-0123456789abcdef": old, ".ours-fedcba9876543210": time.Now(), ".theirs-0123456789abcdef": old, "ours": old,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, age, age); err != nil {
			t.Fatal(err)
		}
	}
	if err := Tidy(dir, func(name string) bool { return name == "ours" }, time.Hour); err != nil {
		t.Fatal(err)
	}
	entries, _ := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got, want := fmt.Sprint(names), "[.ours-fedcba9876543210 .theirs-0123456789abcdef ours]"; got != want {
		t.Errorf("%s are left, want %s", got, want)
	}
}

// A file that is given up leaves nothing, and one can be named at the end.
func TestCreate(t *testing.T) {
	dir := t.TempDir()
	f, err := Create(filepath.Join(dir, "x"))
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "gone")
	f.Abort()
	if f, err = Create(filepath.Join(dir, "x")); err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "kept")
	if err := f.Commit(filepath.Join(dir, "y")); err != nil {
		t.Fatal(err)
	}
	entries, _ := os.ReadDir(dir)
	if b, err := os.ReadFile(filepath.Join(dir, "y")); len(entries) != 1 || string(b) != "kept" {
		t.Errorf("%v stand there, the file holds %q, %v", entries, b, err)
	}
}
