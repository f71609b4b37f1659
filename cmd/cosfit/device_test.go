package main

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/cuda"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/internal/kernel"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/projection"
)

// TestDeviceSettings wants one sentence for each mistake.
func TestDeviceSettings(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"--device gpu", exitUsage, `--device "gpu" is unknown; there are: auto, cpu, cuda`},
		{"--device cpu:0", exitUsage, `--device is "cpu:0", want one of auto, cpu, cuda, or cuda:1 for the second GPU`},
		{"--device cuda:-1", exitUsage, `--device is "cuda:-1", want one of auto, cpu, cuda, or cuda:1 for the second GPU`},
		{"--device cuda:first", exitUsage, `--device is "cuda:first", want one of auto, cpu, cuda, or cuda:1 for the second GPU`},
		{"--precision fp8", exitUsage, `--precision "fp8" is unknown; there are: fp32, tf32, bf16`},
		{"--device cpu --threads -1", exitUsage, "--threads is -1, want 0 for all or a positive number"},
	} {
		args := append([]string{"train", "--data", "sample", "--out", "run"}, strings.Fields(test.args)...)
		if code, _, stderr := cosfit(t, context.Background(), dir, args...); code != test.code || stderr != "cosfit: "+test.want+"\n" {
			t.Errorf("%s: exit code %d, printed %q, want %d, %q", test.args, code, stderr, test.code, test.want)
		}
	}
}

// TestDeviceFromElsewhere sets the device in a file and in the environment.
func TestDeviceFromElsewhere(t *testing.T) {
	dir := t.TempDir()
	file := writeConfig(t, "device: cpu\ntrain:\n  precision: bf8\n")
	want := "cosfit: --precision \"bf8\" is unknown; there are: fp32, tf32, bf16\n"
	if code, _, stderr := cosfit(t, context.Background(), dir, "train", "--data", "sample", "--out", "run", "--config", file); code != exitUsage || stderr != want {
		t.Errorf("exit code %d, printed %q, want %q", code, stderr, want)
	}
	t.Setenv("COSFIT_PRECISION", "fp64")
	want = "cosfit: --precision \"fp64\" is unknown; there are: fp32, tf32, bf16\n"
	if code, _, stderr := cosfit(t, context.Background(), dir, "train", "--data", "sample", "--out", "run", "--config", file); code != exitUsage || stderr != want {
		t.Errorf("exit code %d, printed %q, want %q", code, stderr, want)
	}
}

// TestNoSupport asks a build that has none for a GPU.
func TestNoSupport(t *testing.T) {
	if cuda.Supported {
		t.Skip("a build with GPU support")
	}
	const reason = "this build of cosfit has no GPU support: build it on Linux with go build -tags gpu; --device cpu"
	dir := t.TempDir()
	wants := map[string]string{
		"--device cuda":                    reason + " computes without one",
		"--device cuda:3 --precision bf16": reason + " --precision fp32 computes without one",
	}
	if !kernel.Engine() {
		wants["--precision tf32"] = "--precision tf32 needs a GPU or a processor with a matrix engine: " + reason + " --precision fp32 computes without one"
	}
	for args, want := range wants {
		if code, _, stderr := cosfit(t, context.Background(), dir, append([]string{"demo"}, strings.Fields(args)...)...); code != exitFailed || stderr != "cosfit: "+want+"\n" {
			t.Errorf("%s: exit code %d, printed %q, want %q", args, code, stderr, want)
		}
	}
	if _, _, stderr := cosfit(t, context.Background(), dir, "train", "--data", "sample", "--dims", "8", "--epochs", "1", "--out", "run"); strings.Contains(stderr, "GPU") {
		t.Errorf("a build without GPU support speaks of one: %q", stderr)
	}
}

// TestCoarse trains in tf32 and bf16 on a processor that has a matrix engine: the runs
// end near that in fp32, say what they are, and go on with the same bits. Others say
// why not.
func TestCoarse(t *testing.T) {
	dir := t.TempDir()
	args := func(precision string) []string {
		return []string{"train", "--data", "sample", "--dims", "64", "--epochs", "4", "--device", "cpu", "--precision", precision, "--out", precision}
	}
	if !kernel.Engine() {
		want := "cosfit: --precision bf16: " + cpu.ErrNoEngine.Error() + "; --precision fp32 computes without one\n"
		if code, _, stderr := cosfit(t, context.Background(), dir, args("bf16")...); code != exitFailed || stderr != want {
			t.Errorf("exit code %d, printed %q, want %q", code, stderr, want)
		}
		return
	}
	must(t, dir, args("fp32")...)
	exact, want := matrixOf(t, filepath.Join(dir, "fp32")), summaryOf(t, filepath.Join(dir, "fp32"))
	off := map[string]float64{}
	for _, precision := range []string{"tf32", "bf16"} {
		ctx := &lateContext{Context: context.Background(), file: filepath.Join(dir, precision, "config.json")}
		if code, _, stderr := cosfit(t, ctx, dir, args(precision)...); code != exitFailed {
			t.Fatalf("exit code %d, printed %q", code, stderr)
		}
		must(t, dir, "train", "--resume", "--out", precision)
		resumed := matrixOf(t, filepath.Join(dir, precision))
		must(t, dir, append(args(precision), "--force")...)
		got, s := matrixOf(t, filepath.Join(dir, precision)), summaryOf(t, filepath.Join(dir, precision))
		if s.Device != "cpu" || s.Precision != precision || s.Config.Precision != precision {
			t.Errorf("%s: the summary says %s, %s and %s", precision, s.Device, s.Precision, s.Config.Precision)
		}
		if !slices.Equal(got.Matrix, resumed.Matrix) {
			t.Errorf("%s: resumed, the run ends with another matrix", precision)
		}
		off[precision] = distance(got, exact)
		if a, b := s.After["test"].ROCAUC, want.After["test"].ROCAUC; math.Abs(float64(a-b)) > 0.005 {
			t.Errorf("%s: ROC AUC on test is %.4f, and %.4f in fp32", precision, a, b)
		}
	}
	if tf32, bf16 := off["tf32"], off["bf16"]; tf32 == 0 || tf32 > 1e-3 || bf16 <= tf32 || bf16 > 5e-2 {
		t.Errorf("the matrices differ from that in fp32 by %g in tf32 and by %g in bf16", tf32, bf16)
	}
}

// TestDeviceRecorded reads what a run says of its device, and resumes one that
// says another.
func TestDeviceRecorded(t *testing.T) {
	dir := t.TempDir()
	args := []string{"train", "--data", "sample", "--dims", "8", "--epochs", "2", "--device", "cpu", "--out", "run"}
	ctx := &lateContext{Context: context.Background(), file: filepath.Join(dir, "run", "config.json")}
	if code, _, stderr := cosfit(t, ctx, dir, args...); code != exitFailed {
		t.Fatalf("exit code %d, printed %q", code, stderr)
	}
	for args, want := range map[string]string{
		"--device cuda":    "run was begun with --device cpu --precision fp32, not --device cuda --precision fp32: resume with the same, or train into another folder",
		"--precision bf16": "run was begun with --device cpu --precision fp32, not --device cpu --precision bf16: resume with the same, or train into another folder",
	} {
		args := append([]string{"train", "--resume", "--out", "run"}, strings.Fields(args)...)
		if code, _, stderr := cosfit(t, context.Background(), dir, args...); code != exitFailed || stderr != "cosfit: "+want+"\n" {
			t.Errorf("%q: exit code %d, printed %q, want %q", args, code, stderr, want)
		}
	}
	must(t, dir, "train", "--resume", "--out", "run", "--device", "auto")
	var s rundir.Summary
	text, err := os.ReadFile(filepath.Join(dir, "run", "summary.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	if s.Device != "cpu" || s.Precision != "fp32" || s.Config.Device != "cpu" || s.Config.Precision != "fp32" {
		t.Errorf("the summary says %q, %q and %q, %q", s.Device, s.Precision, s.Config.Device, s.Config.Precision)
	}

	if _, err := cuda.Devices(); err == nil {
		return // the rest wants a machine without a GPU
	}
	var config map[string]any
	file := filepath.Join(dir, "run", "config.json")
	if text, err = os.ReadFile(file); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	config["device"], config["precision"] = "cuda", "bf16"
	if text, err = json.Marshal(config); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	want := "cosfit: run was begun with --device cuda and goes on only there: "
	if code, _, stderr := cosfit(t, context.Background(), dir, "train", "--resume", "--out", "run"); code != exitFailed || !strings.HasPrefix(stderr, want) {
		t.Errorf("on a machine without a GPU: exit code %d, printed %q, want it to begin with %q", code, stderr, want)
	}
}

func summaryOf(t *testing.T, run string) (s rundir.Summary) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(run, "summary.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func matrixOf(t *testing.T, run string) *projection.Projection {
	t.Helper()
	p, err := projection.Load(filepath.Join(run, "matrix.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// distance is that of two results, relative to the second.
func distance(a, b *projection.Projection) float64 {
	var off, size float64
	for _, m := range [][2][]float32{{a.Matrix, b.Matrix}, {a.MatrixRight, b.MatrixRight}} {
		for i, v := range m[0] {
			off += math.Pow(float64(v-m[1][i]), 2)
			size += math.Pow(float64(m[1][i]), 2)
		}
	}
	return math.Sqrt(off / size)
}
