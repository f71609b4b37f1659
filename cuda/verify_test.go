//go:build gpu && linux

package cuda_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cosfit/cosfit/benchmarks"
	"github.com/cosfit/cosfit/cuda"
	"github.com/cosfit/cosfit/cuda/fake"
)

// The environment of benchmarks/gpu/verify.sh, which runs this binary on a
// machine that has a GPU and nothing else of ours.
const (
	verifyVariable  = "COSFIT_VERIFY"       // file for the results; without it TestVerify does nothing
	alsoVariable    = "COSFIT_VERIFY_ALSO"  // more test binaries, separated by colons
	testsVariable   = "COSFIT_VERIFY_TESTS" // a pattern of tests instead of all that end in OnDevice
	measureVariable = "COSFIT_VERIFY_BENCH" // of a child: what to measure, and the file for it
)

// verifyFor is how long everything may take, of the eight minutes that such a
// machine is there for.
const verifyFor = 7*time.Minute + 20*time.Second

// TestVerify checks and measures on the GPU, or says in one sentence why not.
// Each step is a process of its own, which may crash or be late.
func TestVerify(t *testing.T) {
	file := os.Getenv(verifyVariable)
	if file == "" {
		t.Skip("benchmarks/gpu/verify.sh sets " + verifyVariable)
	}
	devices, err := cuda.Devices()
	if err != nil {
		t.Fatal(err)
	}
	backend, err := cuda.Open(cuda.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := backend.Close(); err != nil {
		t.Fatal(err)
	}
	v := newVerification(t, devices[0])
	v.checks()
	v.sanitizers()
	v.kernels()
	v.benchmarks()
	if err := v.write(file); err != nil {
		t.Error(err)
	}
	v.print(os.Stdout, file)
	if !v.passed() {
		t.Fail()
	}
}

// A measurement is one run of the benchmarks.
type measurement struct {
	Benchmark string
	Precision cuda.Precision
	Limit     time.Duration
	Tasks     []benchmarks.Task // nil for the benchmark's own
}

// measurements are what is timed, and within which time. The first step has
// most: PyTorch compiles in it.
func measurements(fake bool) []measurement {
	if fake { // which takes seconds for what a GPU does in microseconds
		step := benchmarks.Task{Benchmark: benchmarks.Step, Batch: 4, D: 8, K: 4, Device: "cuda", Precision: cuda.TF32, Queued: 3}
		gemm := benchmarks.Task{Benchmark: benchmarks.Machine, What: "gemm", Batch: 8, D: 8, K: 8, Device: "cuda", Precision: cuda.TF32}
		copying := benchmarks.Task{Benchmark: benchmarks.Machine, What: "copy", Batch: 8, D: 8, K: 1, Device: "cuda"}
		return []measurement{{benchmarks.Step, cuda.TF32, 30 * time.Second, []benchmarks.Task{copying, gemm, step}}}
	}
	return []measurement{
		{benchmarks.Step, cuda.TF32, 80 * time.Second, nil},
		{benchmarks.Step, cuda.BF16, 40 * time.Second, nil},
		{benchmarks.Step, cuda.FP32, 30 * time.Second, nil},
		{benchmarks.Run, cuda.TF32, 40 * time.Second, nil},
		{benchmarks.Core, cuda.TF32, 25 * time.Second, nil},
	}
}

// TestMeasure is the child that measures, a process of its own because PyTorch
// and a broken device may end it.
func TestMeasure(t *testing.T) {
	number, file, ok := strings.Cut(os.Getenv(measureVariable), " ")
	if !ok {
		t.Skip("TestVerify sets " + measureVariable)
	}
	devices, err := cuda.Devices()
	if err != nil {
		t.Fatal(err)
	}
	var m measurement
	for i, each := range measurements(isFake(devices[0])) {
		if fmt.Sprint(i) == number {
			m = each
		}
	}
	options := cuda.Options{Precision: m.Precision, Cache: filepath.Join(filepath.Dir(file), "cache")}
	backend, err := cuda.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	kernel := backend.Kernel()
	if err := backend.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := benchmarks.Measure(context.Background(), benchmarks.Options{
		Benchmark: m.Benchmark, Limit: m.Limit, Tasks: m.Tasks, Threads: runtime.GOMAXPROCS(0), Pythons: []string{"python3"},
		GPU:      &benchmarks.GPU{Options: options, Kernel: kernel},
		Progress: func(line string) { fmt.Println(line) },
		Host: benchmarks.Host{CPU: processor(), Cores: runtime.NumCPU(), OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version(), Version: commit,
			GPU: devices[0].Name, Kernel: kernel, Date: time.Now().Format(time.DateOnly), Command: "verify.sh: " + m.Benchmark + " " + string(m.Precision), Peers: []benchmarks.Peer{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o666); err != nil {
		t.Fatal(err)
	}
}

func isFake(d cuda.Device) bool { return strings.HasPrefix(d.Name, "fake device") }

// TestVerifyOnFake runs it as verify.sh does, with few tests, on the fake
// device, which the results must own up to.
func TestVerifyOnFake(t *testing.T) {
	libraries := fake.For(t, "")
	file := filepath.Join(t.TempDir(), "results.json")
	c := exec.Command(os.Args[0], "-test.run=^TestVerify$")
	c.Env = append(os.Environ(), "LD_LIBRARY_PATH="+libraries, "COSFIT_CUDA_LIBRARIES="+libraries,
		verifyVariable+"="+file, testsVariable+"=^TestGradientOnDevice$/^tf32$")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"THIS RUNS ON THE FAKE DEVICE", "11 tests passed", "step 4, 8 → 4 cosfit tf32", "EVERYTHING PASSED, on the fake device, not on a GPU"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("it does not print %q:\n%s", want, out)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var v verification
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if !v.Fake || v.GPU.Name == "" || len(v.Checks) != 5 || v.Checks[0].Outcome != passed || len(v.Benchmarks) != 1 || len(v.Kernels) != 33 || len(v.Benchmarks[0].Rows) != 3 {
		t.Errorf("the results are %+v", v)
	}
}

// TestJudge reads what tests print and how they end.
func TestJudge(t *testing.T) {
	bad := errors.New("exit status 1")
	for _, test := range []struct {
		out       string
		err       error
		outOfTime bool
		outcome   string
		tests     int
	}{
		{"--- PASS: TestA (0.00s)\n    --- PASS: TestA/b (0.00s)\nPASS\n", nil, false, passed, 2},
		{"--- PASS: TestA (0.00s)\n--- SKIP: TestB (0.00s)\nPASS\n", nil, false, failed, 1}, // a check that was not made
		{"--- PASS: TestA (0.00s)\n--- FAIL: TestB (0.00s)\nFAIL\n", bad, false, failed, 1},
		{"--- PASS: TestA (0.00s)\nSIGSEGV\n", bad, false, failed, 1},
		{"--- PASS: TestA (0.00s)\n", bad, true, late, 1},
		{"--- FAIL: TestA (0.00s)\n", bad, true, failed, 0},
		{"testing: warning: no tests to run\nPASS\n", nil, false, failed, 0},
	} {
		var s step
		if s.judge([]byte(test.out), test.err, test.outOfTime); s.Outcome != test.outcome || s.Tests != test.tests {
			t.Errorf("%q, %v: %s after %d tests, want %s after %d", test.out, test.err, s.Outcome, s.Tests, test.outcome, test.tests)
		}
	}
}
