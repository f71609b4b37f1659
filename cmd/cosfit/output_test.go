package main

import (
	"bytes"
	"context"
	"io/fs"
	"strings"
	"syscall"
	"testing"
)

// A fullDisk takes so many bytes, then none.
type fullDisk struct {
	room int
	err  error
}

func (w *fullDisk) Write(b []byte) (int, error) {
	if w.room -= len(b); w.room < 0 {
		return 0, &fs.PathError{Op: "write", Path: "/dev/stdout", Err: w.err}
	}
	return len(b), nil
}

// TestOutputFails: no command says that all is well when what it prints is lost,
// for people or in JSON. A reader that has read enough is no failure to tell of.
func TestOutputFails(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("COSFIT_DEVICE", "cpu") // or a build for GPUs says why it has none
	must(t, dir, "train", "--data", "sample", "--dims", "4", "--init", "pca", "--epochs", "1", "--out", "run")
	must(t, dir, "embed", "--data", "sample", "--provider", "hashing", "--dimensions", "8", "--cache", "cache")
	writePairs(t, dir, "pairs.csv", 60)
	for _, line := range []string{
		"version", "version --json", "--version", "--help", "completion bash", "train --help",
		"train --data sample --dims 4 --init pca --epochs 1 --out run --force", "eval --run run", "eval --run run --json",
		"export --run run --out m.npy --force", "data show sample", "data check sample", "cache stats --cache cache",
		"prepare pairs --in pairs.csv --out pairs --force", "sweep --data sample --trials 1 --epochs 1..2 --dims 4 --out s",
	} {
		for _, room := range []int{0, 1} {
			var stderr bytes.Buffer
			code := run(context.Background(), append([]string{"cosfit"}, strings.Fields(line)...), &fullDisk{room, syscall.ENOSPC}, &stderr)
			want := "cosfit: write the output: " + syscall.ENOSPC.Error() + "\n"
			if code != exitFailed || !strings.HasSuffix(stderr.String(), want) {
				t.Errorf("%s: exit code %d, printed %q, want %q", line, code, stderr.String(), want)
			}
		}
		var stderr bytes.Buffer
		run(context.Background(), append([]string{"cosfit"}, strings.Fields(line)...), &fullDisk{0, syscall.EPIPE}, &stderr)
		if strings.Contains(stderr.String(), "cosfit: ") {
			t.Errorf("%s, of which nobody reads: printed %q", line, stderr.String())
		}
	}
}
