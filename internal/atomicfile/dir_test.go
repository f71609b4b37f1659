package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestWriteDir: a folder appears whole, replaces another, and a failure changes
// nothing.
func TestWriteDir(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "data")
	file := func(content string) func(string) error {
		return func(temporary string) error {
			return os.WriteFile(filepath.Join(temporary, "file"), []byte(content), 0o666)
		}
	}
	read := func() string {
		raw, err := os.ReadFile(filepath.Join(dir, "file"))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	dead := filepath.Join(parent, ".data-0123456789abcdef")
	alive := filepath.Join(parent, ".data-0123456789abcdee")
	for _, path := range []string{dead, alive} {
		if err := os.Mkdir(path, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-2 * abandoned)
	if err := os.Chtimes(dead, long, long); err != nil {
		t.Fatal(err)
	}
	if err := WriteDir(dir, file("first")); err != nil {
		t.Fatal(err)
	}
	if got := read(); got != "first" {
		t.Errorf("the file has %q", got)
	}
	failed := errors.New("no")
	if err := WriteDir(dir, func(temporary string) error {
		return errors.Join(file("half")(temporary), failed)
	}); !errors.Is(err, failed) {
		t.Errorf("error %v, want that of writing", err)
	}
	if got := read(); got != "first" {
		t.Errorf("after a failure the file has %q", got)
	}
	if err := WriteDir(dir, file("second")); err != nil {
		t.Fatal(err)
	}
	if got := read(); got != "second" {
		t.Errorf("after replacing the file has %q", got)
	}
	entries, err := os.ReadDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 || entries[0].Name() != filepath.Base(alive) || entries[1].Name() != "data" {
		t.Errorf("left: %v, want the folder and the one that may be at work", entries)
	}
}
