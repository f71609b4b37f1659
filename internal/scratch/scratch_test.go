package scratch

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// TestCreate: a file has no name where the system allows that, and what a killed
// process left is tidied, but nothing else.
func TestCreate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files keep their names")
	}
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name, content string, age time.Duration) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	write("texts-1.tmp", "", time.Hour)
	write("texts-2.tmp", "", 0) // of a process that is at it
	write("texts-3.tmp", "content", time.Hour)
	write("vectors-1.tmp", "", time.Hour)
	f, err := Create(dir, "texts")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if len(names) != 3 || names[0] != "texts-2.tmp" || names[1] != "texts-3.tmp" || names[2] != "vectors-1.tmp" {
		t.Errorf("left are %v", names)
	}
	if err := Close(f); err != nil {
		t.Fatal(err)
	}
}
