package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/projection"
)

// TestExportAdvice: the export that the panel of a run names carries all that the
// run has, and the panel says what that is. npy is refused where it does not.
func TestExportAdvice(t *testing.T) {
	dir := t.TempDir()
	command := regexp.MustCompile(`cosfit (export --run .*)`)
	for _, test := range []struct{ out, train, want string }{
		{"both", "--side both --init identity", "Use the matrix from numpy:"},
		{"centred", "--side both --init centred", "Use it elsewhere, y = (x − offset)·matrix:"},
		{"query", "--side query --init identity", "Use it elsewhere, for left texts (queries) alone, y = x·matrix:"},
		{"dual", "--side dual --init identity", "Use them elsewhere, left x·matrix, right x·matrix_right:"},
		{"dual-centred", "--side dual --init centred", "Use them elsewhere, left (x − offset)·matrix, right (x − offset)·matrix_right:"},
	} {
		panel := must(t, dir, strings.Fields("train --data sample --epochs 1 --out "+test.out+" "+test.train)...)
		advice := command.FindStringSubmatch(panel)
		if advice == nil || !strings.Contains(panel, "\n "+test.want+"\n") {
			t.Errorf("%s: the panel lacks %q:\n%s", test.out, test.want, panel)
			continue
		}
		args := strings.Fields(advice[1])
		must(t, dir, append(args, "--force")...)
		got, err := projection.Load(filepath.Join(dir, args[len(args)-1]))
		if err != nil {
			t.Fatal(err)
		}
		run, err := rundir.Open(filepath.Join(dir, test.out))
		if err != nil {
			t.Fatal(err)
		}
		want, err := run.ReadMatrix()
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Matrix, want.Matrix) || !slices.Equal(got.MatrixRight, want.MatrixRight) || !slices.Equal(got.Offset, want.Offset) {
			t.Errorf("%s: the advised file lacks numbers of the run's", test.out)
		}
		if test.out == "both" {
			continue
		}
		if got.Metadata.Side != want.Metadata.Side {
			t.Errorf("%s: the advised file is for side %q, the run for %q", test.out, got.Metadata.Side, want.Metadata.Side)
		}
		code, _, stderr := cosfit(t, context.Background(), dir, "export", "--run", test.out, "--out", "lost.npy")
		if code != exitFailed || !strings.HasSuffix(stderr, ": write safetensors\n") && !strings.Contains(stderr, ": write safetensors, or") {
			t.Errorf("%s: exit code %d, printed %q", test.out, code, stderr)
		}
		if _, err := os.Stat(filepath.Join(dir, "lost.npy")); err == nil {
			t.Errorf("%s: the refused file was written", test.out)
		}
	}
}
