package main

import (
	"bytes"
	"context"
	"encoding/json"
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

// TestExportCut: the panel of vectors that may be cut says how, and what is exported so
// is scored as the first columns are.
func TestExportCut(t *testing.T) {
	dir := t.TempDir()
	panel := must(t, dir, "train", "--data", "sample", "--dims", "32", "--matryoshka", "8", "--epochs", "2", "--out", "run")
	if want := "cosfit export --run run --dims 8 --out matrix-8.safetensors"; !strings.Contains(panel, want) {
		t.Errorf("the panel lacks %q:\n%s", want, panel)
	}
	if out := must(t, dir, "export", "--run", "run", "--dims", "8", "--out", "matrix-8.safetensors"); out != "matrix-8.safetensors: 384 × 8, safetensors, read back and equal\n" {
		t.Errorf("export printed %q", out)
	}
	whole := matrixOf(t, filepath.Join(dir, "run"))
	first := &projection.Projection{In: whole.In, Out: 8, Offset: whole.Offset}
	for i := range whole.In {
		first.Matrix = append(first.Matrix, whole.Matrix[i*whole.Out:][:8]...)
	}
	var file bytes.Buffer
	if err := first.WriteSafetensors(&file); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "first.safetensors", file.String())
	scored := func(matrix string) (s rundir.Summary) {
		if err := json.Unmarshal([]byte(must(t, dir, "eval", "--matrix", matrix, "--data", "sample", "--json")), &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	if a, b := scored("matrix-8.safetensors").After["test"], scored("first.safetensors").After["test"]; a.ROCAUC != b.ROCAUC || a.MRR != b.MRR || a.ROCAUC < 0.7 {
		t.Errorf("cut, it scores %v and %v, want %v and %v", a.ROCAUC, a.MRR, b.ROCAUC, b.MRR)
	}
	for _, c := range []string{"0", "33"} {
		if code, _, stderr := cosfit(t, context.Background(), dir, "export", "--run", "run", "--dims", c, "--out", "no.npy"); code != exitUsage || stderr != "cosfit: --dims: "+c+" columns, want 1 to 32, which the matrix has\n" {
			t.Errorf("--dims %s: exit code %d, %q", c, code, stderr)
		}
	}
}
