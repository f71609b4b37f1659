//go:build gpu && linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/cosfit/cosfit/cuda/fake"
	"github.com/cosfit/cosfit/internal/kernel"
	"github.com/cosfit/cosfit/internal/rundir"
)

// A gpuProgram is this program in a process of its own, with a folder of
// libraries that the loader looks in first.
type gpuProgram struct {
	dir, libraries, cache string
}

// onFake is the program with the fake device as its GPU.
func onFake(t *testing.T) gpuProgram {
	t.Helper()
	return gpuProgram{t.TempDir(), fake.For(t, ""), t.TempDir()}
}

func (p gpuProgram) command(args ...string) *exec.Cmd {
	c := exec.Command(os.Args[0], args...)
	c.Dir = p.dir
	c.Env = append(os.Environ(), asProgram+"=1", "XDG_CACHE_HOME="+p.cache, "LD_LIBRARY_PATH="+p.libraries, "COSFIT_CUDA_LIBRARIES="+p.libraries)
	return c
}

// must runs the program, which has to succeed without a mistake on the device.
func (p gpuProgram) must(t *testing.T, args ...string) string {
	t.Helper()
	c := p.command(args...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil || strings.Contains(stderr.String(), fake.Prefix) {
		t.Fatalf("cosfit %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return stdout.String()
}

// few is a file of pairs that a fake device gets through in seconds: 120 groups
// of a question and three answers, of which the first is near it in half of the
// dimensions. The other half is noise, which a matrix can learn to leave out.
func few(t *testing.T, dir string) string {
	t.Helper()
	type row struct {
		Question []float32 `parquet:"question_text_EMB,list"`
		Answer   []float32 `parquet:"candidate_answers_EMB,list"`
		Label    int32     `parquet:"label"`
		Group    string    `parquet:"group"`
	}
	random := rand.New(rand.NewPCG(1, 2))
	vector := func(near []float32) []float32 {
		v := make([]float32, 12)
		for i := range v {
			v[i] = float32(random.NormFloat64())
			switch {
			case i >= len(v)/2:
				v[i] *= 3
			case near != nil:
				v[i] = near[i] + v[i]/2
			}
		}
		return v
	}
	var rows []row
	for group := range 120 {
		question := vector(nil)
		rows = append(rows, row{question, vector(question), 1, fmt.Sprint(group)},
			row{question, vector(nil), 0, fmt.Sprint(group)}, row{question, vector(nil), 0, fmt.Sprint(group)})
	}
	file := filepath.Join(dir, "few.parquet")
	if err := parquet.WriteFile(file, rows); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestTrainOnGPU is the main path on a GPU: train, eval and export at every
// precision, beside the same training on the CPU.
func TestTrainOnGPU(t *testing.T) {
	p := onFake(t)
	settings := []string{"train", "--data", few(t, p.dir), "--group-column", "group", "--epochs", "4", "--patience", "0", "--batch-size", "16", "--learning-rate", "0.05", "--weight-decay", "0"}
	p.must(t, append(settings, "--device", "cpu", "--out", "cpu")...)
	if s := summaryOf(t, filepath.Join(p.dir, "cpu")); !s.Judgement.Accepted {
		t.Fatalf("the start is the result, which compares nothing: %s", s.Judgement.Text)
	}
	want := matrixOf(t, filepath.Join(p.dir, "cpu"))
	for precision, tolerance := range map[string]float64{"fp32": 1e-4, "tf32": 1e-2, "bf16": 5e-2} {
		p.must(t, append(settings, "--device", "cuda", "--precision", precision, "--out", precision)...)
		run := filepath.Join(p.dir, precision)
		s := summaryOf(t, run)
		if s.Device != "cuda" || s.Precision != precision || s.Config.Device != "cuda" || s.Config.Precision != precision || !strings.HasPrefix(s.Config.Kernel, precision+"/sm_") {
			t.Errorf("the summary says %q, %q and %q, %q, %q", s.Device, s.Precision, s.Config.Device, s.Config.Precision, s.Config.Kernel)
		}
		if e := distance(matrixOf(t, run), want); !(e <= tolerance) || e == 0 {
			t.Errorf("%s: the matrix differs from the CPU's by %.2g, want at most %g and not the CPU's own", precision, e, tolerance)
		}
		var again rundir.Summary
		if err := json.Unmarshal([]byte(p.must(t, "eval", "--run", precision, "--device", "cuda:0", "--json")), &again); err != nil {
			t.Fatal(err)
		}
		if a, b := again.After["test"], s.After["test"]; !(math.Abs(float64(a.ROCAUC-b.ROCAUC)) < 1e-6) || again.Device != "cuda" || again.Precision != "fp32" {
			t.Errorf("%s: eval on %s at %s says %+v, the run %+v", precision, again.Device, again.Precision, a, b)
		}
	}
	p.must(t, "export", "--run", "tf32", "--format", "npy", "--out", "m.npy")

	// auto takes the GPU, at tf32.
	p.must(t, append(settings, "--out", "auto")...)
	if s := summaryOf(t, filepath.Join(p.dir, "auto")); s.Device != "cuda" || s.Precision != "tf32" {
		t.Errorf("auto computed on %s at %s", s.Device, s.Precision)
	}
	a, b := matrixOf(t, filepath.Join(p.dir, "auto")), matrixOf(t, filepath.Join(p.dir, "tf32"))
	for i := range a.Matrix {
		if a.Matrix[i] != b.Matrix[i] {
			t.Fatal("two runs of one configuration end with different bits")
		}
	}
	if err := p.command(append(settings, "--device", "cuda:1", "--out", "second")...).Run(); err == nil {
		t.Error("a second GPU is no error")
	}
}

// TestSidesAndShapesOnGPU trains other matrices, beside the CPU's.
func TestSidesAndShapesOnGPU(t *testing.T) {
	p := onFake(t)
	settings := []string{"train", "--data", few(t, p.dir), "--group-column", "group", "--epochs", "4", "--patience", "0", "--batch-size", "16", "--learning-rate", "0.05",
		"--weight-decay", "0", "--dropout", "0.1"}
	for i, more := range []string{"--shape diagonal", "--rank 3", "--side dual", "--side query --shape diagonal --loss infonce"} {
		t.Run(more, func(t *testing.T) {
			onCPU, onGPU := fmt.Sprint("cpu", i), fmt.Sprint("gpu", i)
			args := append(settings[:len(settings):len(settings)], strings.Fields(more)...)
			p.must(t, append(args, "--device", "cpu", "--out", onCPU)...)
			if s := summaryOf(t, filepath.Join(p.dir, onCPU)); !s.Judgement.Accepted {
				t.Fatalf("the start is the result, which compares nothing: %s", s.Judgement.Text)
			}
			p.must(t, append(args, "--device", "cuda", "--precision", "fp32", "--out", onGPU)...)
			want := matrixOf(t, filepath.Join(p.dir, onCPU))
			if e := distance(matrixOf(t, filepath.Join(p.dir, onGPU)), want); !(e <= 1e-4) || e == 0 {
				t.Errorf("the matrix differs from the CPU's by %.2g, want at most 1e-4 and not the CPU's own", e)
			}
		})
	}
}

// TestKilledOnGPU kills a run twice at whatever it does, lets it go on, and
// wants the bits of the run that nothing happened to.
func TestKilledOnGPU(t *testing.T) {
	p := onFake(t)
	settings := []string{"train", "--data", few(t, p.dir), "--group-column", "group", "--epochs", "6", "--patience", "0", "--batch-size", "16", "--dropout", "0.2",
		"--device", "cuda", "--precision", "bf16", "--checkpoint-every", "1ns"}
	p.must(t, append(settings, "--out", "whole")...)
	args := append(settings, "--out", "killed")
	for epoch := 1; epoch <= 3; epoch += 2 {
		c := p.command(args...)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		epochs := func() int { // that are in history.csv, with two splits and a heading
			text, _ := os.ReadFile(filepath.Join(p.dir, "killed", "history.csv"))
			return bytes.Count(text, []byte("\n"))/2 - 1
		}
		for begun := time.Now(); epochs() < epoch && time.Since(begun) < time.Minute; {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
		if err := c.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatalf("it was over before its end: %v", err)
		}
		c.Wait() // says that it was killed
		args = []string{"train", "--resume", "--out", "killed"}
	}
	p.must(t, args...)
	for _, file := range []string{"matrix.safetensors", "scores.parquet"} {
		a, err := os.ReadFile(filepath.Join(p.dir, "whole", file))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(p.dir, "killed", file))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s has other bits after two kills", file)
		}
	}
	if s := summaryOf(t, filepath.Join(p.dir, "killed")); s.Device != "cuda" || s.Precision != "bf16" {
		t.Errorf("it went on with %s at %s", s.Device, s.Precision)
	}
}

// TestDoctorOnGPU wants the device, its libraries and a step that was tried.
func TestDoctorOnGPU(t *testing.T) {
	p := onFake(t)
	var m machine
	if err := json.Unmarshal([]byte(p.must(t, "doctor", "--json")), &m); err != nil {
		t.Fatal(err)
	}
	g := m.GPU
	if !g.Supported || !g.Used || len(g.Devices) != 1 || g.Devices[0].Name == "" || !(g.Devices[0].Memory > 0) || g.Devices[0].Capability == "" {
		t.Errorf("doctor found %+v", g)
	}
	if g.SelfTest == nil || !g.SelfTest.Passed {
		t.Errorf("the step: %+v", g.SelfTest)
	}
	if len(g.Libraries) != 3 {
		t.Errorf("the libraries are %+v", g.Libraries)
	}
	for _, l := range g.Libraries {
		if l.Version == "" || !strings.HasPrefix(l.Path, p.libraries) || l.Error != "" {
			t.Errorf("%+v, want it in %s", l, p.libraries)
		}
	}
}

// TestWithoutDriver runs the program where there is no libcuda, and where
// NVRTC is missing.
func TestWithoutDriver(t *testing.T) {
	empty := gpuProgram{t.TempDir(), "", t.TempDir()}
	if out, err := empty.command("doctor", "--json").Output(); err != nil || bytes.Contains(out, []byte("libcuda.so.1\",")) {
		t.Skip("there is a driver")
	}
	const reason = "no NVIDIA driver is installed (libcuda.so.1 was not found): install the one for your GPU"
	data := few(t, empty.dir)
	type failure struct {
		args string
		code int
		want string
	}
	coarse := failure{"--precision bf16", exitFailed, "--precision bf16 needs a GPU or a processor with a matrix engine: " + reason + "; --device cpu --precision fp32 computes without one"}
	if kernel.Engine() {
		coarse.code, coarse.want = exitDone, "computing on the CPU: "+reason
	}
	for _, test := range []failure{
		coarse,
		{"--device cuda", exitFailed, reason + "; --device cpu computes without one"},
		{"--device cuda --precision bf16", exitFailed, reason + "; --device cpu --precision fp32 computes without one"},
		{"--device auto --group-column group", exitDone, "computing on the CPU: " + reason},
	} {
		c := empty.command(append([]string{"train", "--data", data, "--epochs", "1", "--out", "run", "--force"}, strings.Fields(test.args)...)...)
		var stderr bytes.Buffer
		c.Stderr = &stderr
		c.Run() // its exit code is looked at
		first, rest, _ := strings.Cut(stderr.String(), "\n")
		if c.ProcessState.ExitCode() != test.code || first != "cosfit: "+test.want || test.code != exitDone && rest != "" {
			t.Errorf("%s: exit code %d, printed %q, want %d, %q", test.args, c.ProcessState.ExitCode(), stderr.String(), test.code, test.want)
		}
	}
}
