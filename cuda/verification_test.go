//go:build gpu && linux

package cuda_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cosfit/cosfit/benchmarks"
	"github.com/cosfit/cosfit/cuda"
)

// A verification is what verify.sh found: its results file.
type verification struct {
	SchemaVersion int                 `json:"schema_version"`
	Date          string              `json:"date"`
	Version       string              `json:"version"` // of cosfit
	Fake          bool                `json:"fake"`    // it ran on the fake device, and says nothing about a GPU
	GPU           card                `json:"gpu"`
	Libraries     map[string]string   `json:"libraries"` // versions
	Checks        []step              `json:"checks"`
	Kernels       []kernelTime        `json:"kernels"`
	Benchmarks    []benchmarks.Result `json:"benchmarks"`
	Seconds       float64             `json:"seconds"`

	t     *testing.T
	dir   string
	begun time.Time
}

// A card is a cuda.Device.
type card struct {
	Name            string `json:"name"`
	Memory          int64  `json:"memory_bytes"`
	Capability      string `json:"compute_capability"`
	Multiprocessors int    `json:"multiprocessors"`
}

// A step is one process that was run.
type step struct {
	Name    string   `json:"name"`
	Outcome string   `json:"outcome"` // passed, failed, late or not there
	Tests   int      `json:"tests"`   // that passed
	Failed  []string `json:"failed,omitempty"`
	Said    string   `json:"said,omitempty"` // the end of what it printed, where it did not pass
	Seconds float64  `json:"seconds"`
}

// A kernelTime is one kernel's of a training step.
type kernelTime struct {
	Kernel       string  `json:"kernel"` // precision, sizes and name
	Microseconds float64 `json:"microseconds"`
	GBPerSecond  float64 `json:"gb_per_second"`
}

const (
	passed   = "passed"
	failed   = "failed"
	late     = "late"
	notThere = "not there"
)

func newVerification(t *testing.T, d cuda.Device) *verification {
	v := &verification{SchemaVersion: 1, Date: time.Now().UTC().Format(time.RFC3339), Version: commit, Fake: isFake(d), GPU: card{d.Name, d.Memory, d.Capability, d.Multiprocessors},
		Libraries: map[string]string{}, Checks: []step{}, Kernels: []kernelTime{}, Benchmarks: []benchmarks.Result{}, t: t, dir: t.TempDir(), begun: time.Now()}
	for _, l := range cuda.Libraries() {
		v.Libraries[l.Name] = l.Version
	}
	v.banner(os.Stdout)
	return v
}

// checks are all tests that need a device, of this binary and the others.
func (v *verification) checks() {
	limit := 100 * time.Second
	if v.Fake {
		limit *= 3
	}
	tests := os.Getenv(testsVariable)
	if tests == "" {
		tests = "OnDevice$"
	}
	v.run("every kernel and precision against float64, gradients, PyTorch's trainings", limit, os.Args[0], "-test.run="+tests, "-test.v")
	for _, binary := range filepath.SplitList(os.Getenv(alsoVariable)) {
		// An update is compared with Go's portable arithmetic, to the bit.
		v.run("tests on the device in "+filepath.Base(binary), 60*time.Second, binary, "-test.run=OnDevice$", "-test.v", "COSFIT_CPU=generic")
	}
}

// sanitizers look on while the kernels run. Racecheck knows shared memory only,
// and is slow, so it sees less. Memcheck would also count every call that the
// driver answers with an error, and some are right: the list of a kernel's
// parameters ends with one. Ours are all looked at where they are made.
func (v *verification) sanitizers() {
	sanitizer := find("compute-sanitizer", "/usr/local/cuda/bin")
	for _, tool := range []struct {
		name, tests string
		more        []string
	}{
		{"memcheck", "^TestBackendOnDevice$/^(fp32|bf16)$", []string{"--report-api-errors", "no"}},
		{"racecheck", "^TestBackendOnDevice$/^bf16$/^(score with dropout|sides|shapes|loss|fitted loss|vector losses|update|pair cosines|similarities)$", nil},
	} {
		if sanitizer == "" {
			v.add(step{Name: tool.name, Outcome: notThere, Said: "compute-sanitizer is neither on PATH nor in /usr/local/cuda/bin"})
			continue
		}
		arguments := append([]string{"--tool", tool.name, "--error-exitcode", "86", "--print-limit", "20"}, tool.more...)
		v.run(tool.name, 60*time.Second, sanitizer, append(arguments, os.Args[0], "-test.run="+tool.tests, "-test.v")...)
	}
}

var kernelLine = regexp.MustCompile(`(?m)^BenchmarkKernels/(\S+?)(?:-\d+)?\s+1\s+(\S+) GB/s\s+(\S+) µs/launch`)

// kernels times each kernel by itself.
func (v *verification) kernels() {
	out := v.run("timing the kernels", 40*time.Second, os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkKernels$", "-test.benchtime=1x")
	for _, m := range kernelLine.FindAllStringSubmatch(string(out), -1) {
		k := kernelTime{Kernel: m[1]}
		for text, to := range map[string]*float64{m[2]: &k.GBPerSecond, m[3]: &k.Microseconds} {
			value, err := strconv.ParseFloat(text, 64)
			if err != nil {
				v.t.Error(err)
			}
			*to = value
		}
		v.Kernels = append(v.Kernels, k)
	}
	if len(v.Kernels) == 0 {
		v.Checks[len(v.Checks)-1].Outcome = failed
	}
}

func (v *verification) benchmarks() {
	for i, m := range measurements(v.Fake) {
		file := filepath.Join(v.dir, fmt.Sprintf("%d.json", i))
		v.run("measuring "+m.Benchmark+" at "+string(m.Precision), m.Limit+15*time.Second,
			os.Args[0], "-test.run=^TestMeasure$", "-test.v", measureVariable+"="+fmt.Sprint(i, " ", file))
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the step has failed, and says why
		}
		var r benchmarks.Result
		if err := json.Unmarshal(text, &r); err != nil {
			v.t.Error(err)
			continue
		}
		v.Benchmarks = append(v.Benchmarks, r)
	}
}

// find looks for a program on PATH and in a folder.
func find(program, folder string) string {
	for _, name := range []string{program, filepath.Join(folder, program)} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// run runs one step within a limit, and within what is left of all time. An
// argument that is a variable of ours, such as COSFIT_CPU=generic, goes into
// its environment.
func (v *verification) run(name string, limit time.Duration, program string, arguments ...string) (out []byte) {
	limit = min(limit, verifyFor-time.Since(v.begun))
	s := step{Name: name, Outcome: late}
	if limit <= 0 {
		v.add(s)
		return nil
	}
	fmt.Printf("… %s\n", name)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	c := exec.CommandContext(ctx, program)
	c.Env = append(os.Environ(), "COSFIT_TEST_CUDA_CACHE="+filepath.Join(v.dir, "cache"), verifyVariable+"=")
	for _, a := range arguments {
		if strings.HasPrefix(a, "COSFIT_") {
			c.Env = append(c.Env, a)
		} else {
			c.Args = append(c.Args, a)
		}
	}
	// Its children, such as PyTorch, end with it.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = time.Second
	start := time.Now()
	out, err := c.CombinedOutput()
	s.Seconds = time.Since(start).Seconds()
	s.judge(out, err, errors.Is(ctx.Err(), context.DeadlineExceeded))
	v.add(s)
	return out
}

var outcome = regexp.MustCompile(`(?m)^ *--- (PASS|FAIL|SKIP): (\S+)`)

// judge reads what go test -v prints.
func (s *step) judge(out []byte, err error, outOfTime bool) {
	for _, m := range outcome.FindAllSubmatch(out, -1) {
		switch name := string(m[2]); string(m[1]) {
		case "PASS":
			s.Tests++
		case "SKIP":
			s.Failed = append(s.Failed, name+" (skipped)")
		default:
			s.Failed = append(s.Failed, name)
		}
	}
	switch {
	case len(s.Failed) > 0, err != nil && !outOfTime, !outOfTime && s.Tests == 0 && !kernelLine.Match(out):
		s.Outcome = failed
	case outOfTime:
		s.Outcome = late
	default:
		s.Outcome = passed
		return
	}
	s.Said = string(bytes.ToValidUTF8(out[max(0, len(out)-4000):], []byte("?")))
	if err != nil {
		s.Said += err.Error()
	}
}

func (v *verification) add(s step) {
	v.Checks = append(v.Checks, s)
	fmt.Printf("  %s\n", s)
	if s.Said != "" && s.Outcome == failed {
		fmt.Println(s.Said)
	}
}

// passed says whether nothing failed and the tests were all run. What is not
// there, and a sanitizer or a benchmark that was late, is no failure.
func (v *verification) passed() bool {
	for i, s := range v.Checks {
		if s.Outcome == failed || i == 0 && s.Outcome != passed {
			return false
		}
	}
	return true
}

func (v *verification) write(file string) error {
	v.Seconds = time.Since(v.begun).Seconds()
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o666)
}

func (s step) String() string {
	text := fmt.Sprintf("%-9s %5.0f s  %s", s.Outcome, s.Seconds, s.Name)
	if s.Tests > 0 {
		text += fmt.Sprintf(": %d tests passed", s.Tests)
	}
	if len(s.Failed) > 0 {
		text += ", failed: " + strings.Join(s.Failed, ", ")
	}
	return text
}

func (v *verification) banner(w io.Writer) {
	if v.Fake {
		fmt.Fprintln(w, "THIS RUNS ON THE FAKE DEVICE, WHICH IS THE CPU: it says nothing about a GPU, and its times mean nothing.")
	}
	fmt.Fprintf(w, "%s, compute capability %s, %.0f GB; driver %s, NVRTC %s, cuBLASLt %s\n", v.GPU.Name, v.GPU.Capability, float64(v.GPU.Memory)/1e9,
		v.Libraries["driver"], v.Libraries["NVRTC"], v.Libraries["cuBLASLt"])
}

// print is the short table at the end.
func (v *verification) print(w io.Writer, file string) {
	fmt.Fprintln(w)
	v.banner(w)
	for _, s := range v.Checks {
		fmt.Fprintln(w, s)
	}
	fmt.Fprintf(w, "\n%-60s %9s %12s\n", "", "ms", "")
	for _, k := range v.Kernels {
		fmt.Fprintf(w, "%-60s %9.3f %7.0f GB/s\n", k.Kernel, k.Microseconds/1e3, k.GBPerSecond)
	}
	fmt.Fprintf(w, "\n%-60s %9s %12s %6s\n", "", "ms", "GFLOP/s", "gemm")
	for _, r := range v.Benchmarks {
		top := 0.0
		for _, row := range r.Rows {
			if row.What == "gemm" {
				top = float64(row.GFLOPS)
			}
		}
		for _, row := range r.Rows {
			if row.Benchmark == benchmarks.Core {
				continue // many, and in the file
			}
			name := row.Who
			if row.Benchmark != benchmarks.Machine {
				name = fmt.Sprintf("%s %d, %d → %d %s", row.Benchmark, row.Batch, row.D, row.K, row.Who)
			}
			speed, share := fmt.Sprintf("%.0f", float64(row.GFLOPS)), ""
			if row.GBPerSecond.Known() {
				speed = fmt.Sprintf("%.0f GB/s", float64(row.GBPerSecond))
			} else if top > 0 {
				share = fmt.Sprintf("%.0f %%", 100*float64(row.GFLOPS)/top)
			}
			fmt.Fprintf(w, "%-60s %9.3f %12s %6s\n", name, row.MS, speed, share)
		}
		for _, n := range r.Notes {
			fmt.Fprintln(w, n)
		}
	}
	verdict := "EVERYTHING PASSED"
	if !v.passed() {
		verdict = "SOMETHING FAILED"
	}
	if v.Fake {
		verdict += ", on the fake device, not on a GPU"
	}
	fmt.Fprintf(w, "\n%s in %.0f s; the figures are in %s\n", verdict, v.Seconds, file)
}

// commit is set by the linker: go test -c does not look at the repository.
var commit = "unknown"

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return "unknown"
}
