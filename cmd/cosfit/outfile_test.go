//go:build unix

package main

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestForceSparesOtherThanFiles: --force replaces files, and neither a pipe nor a
// link, whichever command writes.
func TestForceSparesOtherThanFiles(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	if err := os.Mkdir(target, 0o777); err != nil {
		t.Fatal(err)
	}
	must(t, dir, "train", "--data", "sample", "--dims", "4", "--init", "pca", "--epochs", "1", "--out", "run")
	must(t, dir, "export", "--run", "run", "--out", "matrix.npy")
	writePairs(t, dir, "pairs.csv", 60)
	must(t, dir, "prepare", "pairs", "--in", "pairs.csv", "--out", "pairs")
	must(t, dir, "embed", "--data", "pairs", "--provider", "hashing", "--dimensions", "8", "--cache", "cache")
	for name, args := range map[string]string{
		"m.npy":     "export --run run",
		"a.npy":     "apply --run run --in matrix.npy",
		"w.parquet": "data convert --in sample",
		"folder":    "data convert --in sample",
		"c.jsonl":   "cache export --cache cache",
		"data":      "prepare pairs --in pairs.csv",
	} {
		for kind, make := range map[string]func(string) error{
			"pipe": func(path string) error { return syscall.Mkfifo(path, 0o600) },
			"link": func(path string) error { return os.Symlink(target, path) },
		} {
			out := kind + "-" + name
			if err := make(filepath.Join(dir, out)); err != nil {
				t.Fatal(err)
			}
			line := append(strings.Fields(args), "--force", "--out", out)
			code, _, stderr := cosfit(t, context.Background(), dir, line...)
			if code != exitFailed || !strings.Contains(stderr, out+" is a ") && !strings.Contains(stderr, out+": not a directory") || strings.Count(stderr, "\n") != 1 {
				t.Errorf("%v: exit code %d, printed %q", line, code, stderr)
			}
			info, err := os.Lstat(filepath.Join(dir, out))
			if err != nil || info.Mode()&(fs.ModeNamedPipe|fs.ModeSymlink) == 0 {
				t.Errorf("%v: the %s has become %v, %v", line, kind, info, err)
			}
		}
	}
	if entries, _ := os.ReadDir(target); len(entries) > 0 {
		t.Errorf("%v was written through a link", entries)
	}
}
