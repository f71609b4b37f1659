package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/cosfit/cosfit/cuda"
	"github.com/cosfit/cosfit/graph"
	engine "github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/internal/report"
	"github.com/cosfit/cosfit/internal/rundir"
)

func files(texts map[string]string) fs.FS {
	system := fstest.MapFS{}
	for name, text := range texts {
		system[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return system
}

func TestDoctorJSON(t *testing.T) {
	if testing.Short() {
		t.Skip("measures for a second")
	}
	text := must(t, t.TempDir(), "doctor", "--json")
	var keys map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &keys); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"version", "go", "os", "arch", "cpu", "memory", "disk", "gpu", "speed", "bounds", "self_test", "terminal", "to_do"} {
		if len(keys[key]) == 0 || string(keys[key]) == "null" {
			t.Errorf("%s is %s", key, keys[key])
		}
	}
	var m machine
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	if !m.SelfTest.Passed || !(m.Speed.OneThread > 0) || !(m.Speed.AllThreads > 0) || !(m.Speed.Peak > 0) || m.CPU.Kernel == "" || m.CPU.Used < 1 {
		t.Errorf("doctor found %+v", m)
	}
	if m.Terminal.Present || m.GPU.Supported != cuda.Supported || !cuda.Supported && m.GPU.Text != noGPUSupport {
		t.Errorf("a terminal or a GPU: %+v, %+v", m.Terminal, m.GPU)
	}
}

// server is a machine in a container of control groups version 2.
func server() map[string]string {
	return map[string]string{
		"proc/cpuinfo":                   "processor\t: 0\nmodel name\t: Imaginary  CPU 9000\nflags: fpu\n\nprocessor\t: 1\nmodel name\t: Imaginary  CPU 9000\n" + strings.Repeat("processor : 2\n", 6),
		"proc/meminfo":                   "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    8000000 kB\n",
		"proc/self/cgroup":               "0::/jobs/mine\n",
		"sys/fs/cgroup/jobs/memory.max":  "4000000000\n",
		"sys/fs/cgroup/jobs/memory.stat": "anon 5\nactive_file 7\ninactive_file 500000000\n", "sys/fs/cgroup/jobs/memory.current": "3500000000\n",
		"sys/fs/cgroup/jobs/mine/memory.max": "max\n", "sys/fs/cgroup/jobs/mine/memory.current": "3000000000\n",
		"sys/fs/cgroup/jobs/mine/cpu.max": "150000 100000\n", "sys/fs/cgroup/jobs/cpu.max": "max 100000\n",
		"proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t\t NVIDIA Imaginary\nIRQ: 1\n",
	}
}

func TestLook(t *testing.T) {
	none := rundir.None
	v1 := map[string]string{
		"proc/meminfo":     "MemTotal: 1000 kB\nMemAvailable: 900 kB\n",
		"proc/self/cgroup": "4:memory:/a\n3:cpuset:/\n2:cpu,cpuacct:/a\n0::/\nnonsense\n",
		"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "500000", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
		"sys/fs/cgroup/memory/a/memory.usage_in_bytes": "600000", "sys/fs/cgroup/memory/memory.usage_in_bytes": "1",
		"sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "200000", "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000",
		"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
	}
	container := map[string]string{ // whose own group is the root that it sees
		"proc/meminfo": "MemTotal: 1000000 kB\nMemAvailable: 900000 kB\n", "proc/self/cgroup": "0::/\n",
		"sys/fs/cgroup/memory.max": "512000000", "sys/fs/cgroup/memory.current": "12000000", "sys/fs/cgroup/cpu.max": "50000 100000",
	}
	for _, test := range []struct {
		name    string
		files   map[string]string
		model   string
		present int
		cpus    rundir.Figure
		memory  memory
		gpus    []string
	}{
		{"server", server(), "Imaginary CPU 9000", 8, 1.5, memory{16384000000, 4000000000, 1000000000}, []string{"NVIDIA Imaginary"}},
		{"version 1", v1, "", 0, 2, memory{1024000, 500000, 0}, []string{}},
		{"container", container, "", 0, 0.5, memory{1024000000, 512000000, 500000000}, []string{}},
		{"no limits", map[string]string{"proc/meminfo": "MemTotal: 1000 kB\nMemAvailable: 900 kB\n", "proc/self/cgroup": "0::/\n"}, "", 0, none,
			memory{1024000, none, 921600}, []string{}},
		{"nonsense", map[string]string{"proc/cpuinfo": "\x00:::\n", "proc/meminfo": "MemTotal: lots\nMemAvailable:\n", "proc/self/cgroup": "0::../../..\n"}, "", 0, none,
			memory{none, none, none}, []string{}},
		{"nothing", nil, "", 0, none, memory{none, none, none}, []string{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			system := files(test.files)
			model, present := readCPUInfo(system)
			groups := readControlGroups(system)
			if model != test.model || present != test.present || !same(groups.cpus, test.cpus) {
				t.Errorf("CPU %q × %d, limit %v, want %q × %d, %v", model, present, groups.cpus, test.model, test.present, test.cpus)
			}
			m := readMemory(system, groups)
			if !same(m.Total, test.memory.Total) || !same(m.Limit, test.memory.Limit) || !same(m.Available, test.memory.Available) {
				t.Errorf("memory %+v, want %+v", m, test.memory)
			}
			if g := readGPUs(system); !reflect.DeepEqual(g, test.gpus) {
				t.Errorf("GPUs %q, want %q", g, test.gpus)
			}
		})
	}
}

// same holds for unknown figures too.
func same(a, b rundir.Figure) bool { return a == b || !a.Known() && !b.Known() }

// imaginary is what doctor finds on the server.
func imaginary(system map[string]string, logical, used int) machine {
	m := look(files(system), logical, used)
	m.Version, m.OS, m.Arch = "1.2.3", "linux", "amd64"
	m.CPU.Features = []feature{{"AVX2", true}, {"FMA", true}, {"AVX512F", false}}
	m.CPU.Kernel = "avx2"
	m.GPU.Supported = false
	m.Disk = []disk{{"current folder", "/home/someone/a/rather/long/path/of/folders/to/break/a/line", 5e8}, {"cache folder", "", rundir.None}}
	m.Speed = speed{OneThread: 98.7654, AllThreads: 187.654, Peak: 200, EnginePeak: rundir.None, CopyGBPerSecond: rundir.None}
	m.Bounds = bounds(speed{AllThreads: 200, CopyGBPerSecond: 10})
	m.Bounds[2].MemoryMS, m.Bounds[2].BoundBy = rundir.None, ""
	m.SelfTest = check{Passed: true, Error: 2e-7, Text: "a training step agrees with double precision to 2e-07"}
	m.Terminal = terminal{Present: true, Width: 80}
	return m
}

func TestPeaks(t *testing.T) {
	for want, s := range map[string]speed{
		"98.8 GFLOP/s of fused multiply-add":                               {Peak: 98.76, EnginePeak: rundir.None},
		"470 GFLOP/s of fused multiply-add, 1,280 of the matrix engine":    {Peak: 469.6, EnginePeak: 1279.7},
		"2,404 GFLOP/s of fused multiply-add, 12,800 of the matrix engine": {Peak: 2404, EnginePeak: 12800},
	} {
		if got := s.peaks(); got != want {
			t.Errorf("peaks are %q, want %q", got, want)
		}
	}
}

func TestDoctorPanel(t *testing.T) {
	const want = `
 cosfit doctor · 1.2.3 · linux/amd64

 processor    Imaginary CPU 9000
 threads      2 in use, of 6 logical CPUs that this process may use and 8 that
              there are; the control group grants the time of 1.5
 features     AVX2, FMA; not AVX512F
 kernel       avx2

 GPU          NVIDIA Imaginary: not used, this build has no GPU support: go
              build -tags gpu, on Linux, makes one that has it

 memory       16.4 GB, limited to 4 GB by the control group, 1 GB available
 free disk    500 MB in the current folder,
              /home/someone/a/rather/long/path/of/folders/to/break/a/line
              there is no cache folder

 peak         200 GFLOP/s of fused multiply-add
 product      98.8 GFLOP/s on one thread, 188 on all 2
 copying      not measured: too little memory

 bound by     arithmetic: steps of 1,000 pairs, 1,536 → 1,024, 63 ms against 15
              memory: steps of 64 pairs, 1,536 → 1,024, 6.2 ms against 4
              steps of 64 pairs, 384 → 384, 0.38 ms of arithmetic

 self-test    a training step agrees with double precision to 2e-07
 terminal     80 columns, without colour

 What you can do
 - Only 1.5 of 6 CPUs' time is granted by the control group (its CPU quota):
   raise it with docker run --cpus, resources.limits.cpu in Kubernetes, or
   systemd's CPUQuota.
 - Only 6 of 8 CPUs may be used by this process: look for taskset, a batch
   system's allocation or the container's cpuset.
 - Only 500 MB is free in the current folder: make room, or keep runs elsewhere
   with --out.
 - There is no cache folder: set HOME, or XDG_CACHE_HOME, in the environment.
 - There is a GPU that this build cannot use: build cosfit with go build -tags
   gpu.

`
	m := imaginary(server(), 6, 2)
	m.ToDo = m.advice(func(string) string { return "" })
	var b strings.Builder
	report.Facts(&b, m.title(), m.facts(), m.ToDo, report.Style{})
	if b.String() != want {
		t.Errorf("the panel is\n%s\nwant\n%s", &b, want)
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(line) - 1; n > report.Width {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
}

func TestAdvice(t *testing.T) {
	for _, test := range []struct {
		name        string
		change      func(*machine)
		environment map[string]string
		want        string // how each piece begins
	}{
		{"nothing is missing", func(*machine) {}, nil, ""},
		{"what is unknown is not missing", func(m *machine) { m.Memory.Available, m.Disk[0].Free, m.CPU.Present = rundir.None, rundir.None, 0 }, nil, ""},
		{"GOMAXPROCS", func(m *machine) { m.CPU.Used = 1 }, map[string]string{"GOMAXPROCS": "1"},
			"Only 1 of 8 CPUs are used, because GOMAXPROCS is set"},
		{"a quota of all CPUs", func(m *machine) { m.CPU.Limit = 8 }, nil, ""},
		{"a quota", func(m *machine) { m.CPU.Limit, m.CPU.Used = 2, 2 }, nil, "Only 2 of 8 CPUs' time is granted by the control group"},
		{"taskset", func(m *machine) { m.CPU.Logical, m.CPU.Used = 4, 4 }, nil, "Only 4 of 8 CPUs may be used by this process"},
		{"a forced kernel", func(m *machine) { m.CPU.Kernel = "generic/amd64" }, map[string]string{"COSFIT_CPU": "generic"},
			`The portable arithmetic is in use, because COSFIT_CPU is set to "generic"`},
		{"little memory", func(m *machine) { m.Memory.Available = 5e8 }, nil, "Only 500 MB of memory is available"},
		{"little disk", func(m *machine) { m.Disk[1].Free = 1000 }, nil, "Only 1000 bytes is free in the cache folder"},
		{"a wrong result", func(m *machine) { m.SelfTest.Passed = false }, nil, "Do not trust results of this machine"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := imaginary(server(), 8, 8)
			m.CPU.Limit, m.Memory.Available = rundir.None, 4e9
			m.GPU.Present = nil
			m.Disk = []disk{{"current folder", "/a", 5e9}, {"cache folder", "/b", 5e9}}
			test.change(&m)
			got := strings.Join(m.advice(func(name string) string { return test.environment[name] }), "\n")
			if !strings.HasPrefix(got, test.want) || test.want == "" && got != "" || strings.Contains(got, "\n") {
				t.Errorf("advises %q, want %q", got, test.want)
			}
		})
	}
}

// wrong is a backend whose gradients end up scaled, or that fails.
type wrong struct {
	graph.Backend
	factor float32
	err    error
}

func (w wrong) Download(dst []float32, src graph.Array) error {
	err := w.Backend.Download(dst, src)
	for i := range dst {
		dst[i] *= w.factor
	}
	return errors.Join(err, w.err)
}

func TestSelfTest(t *testing.T) {
	b := engine.New(2)
	for _, test := range []struct {
		name   string
		b      graph.Backend
		passed bool
		text   string
	}{
		{"right", b, true, "a training step agrees with double precision to "},
		{"off by a little", wrong{b, 1 + 1e-5, nil}, false, "a training step differs from double precision by 1e-05, more than 1e-06"},
		{"not a number", wrong{b, float32(math.NaN()), nil}, false, "a training step differs from double precision by NaN"},
		{"failing", wrong{b, 1, errors.New("out of order")}, false, "a training step failed: out of order"},
	} {
		if c := selfTest(test.b, selfTestTolerance); c.Passed != test.passed || !strings.HasPrefix(c.Text, test.text) {
			t.Errorf("%s: %+v", test.name, c)
		}
	}
}

// TestSelfTestReference checks the reference's gradient against differences of
// its loss.
func TestSelfTestReference(t *testing.T) {
	p := newProblem()
	gradient := p.reference()[1]
	for _, i := range []int{0, 7, p.k, p.d*p.k - 1} {
		const h = 1.0 / 256
		m := p.matrix[i]
		p.matrix[i] = m + h
		above, high := p.reference()[0][0], float64(p.matrix[i])
		p.matrix[i] = m - h
		below, low := p.reference()[0][0], float64(p.matrix[i])
		p.matrix[i] = m
		if got := (above - below) / (high - low); math.Abs(got-gradient[i]) > 1e-6 {
			t.Errorf("dL/dM[%d] is %g by differences, %g by formula", i, got, gradient[i])
		}
	}
}

func TestFreeBelow(t *testing.T) {
	dir := t.TempDir()
	if a, b := freeBelow(dir), freeBelow(dir+"/not/yet/there"); a.Known() != b.Known() {
		t.Errorf("a folder has %v, one below it %v", a, b)
	}
	if freeBelow("").Known() {
		t.Error("no folder has free space")
	}
}

// A machine of 100 GFLOP/s and 10 GB/s does a step of 1,000 pairs in 126 ms and
// moves its 147 MB in 15; one of 64 pairs takes 8 ms, and 62 MB 6 ms.
func TestBounds(t *testing.T) {
	for _, test := range []struct {
		speed speed
		want  [3]string
	}{
		{speed{AllThreads: 100, CopyGBPerSecond: 10}, [3]string{"arithmetic", "arithmetic", "arithmetic"}},
		{speed{AllThreads: 1000, CopyGBPerSecond: 10}, [3]string{"memory", "memory", "memory"}},
		{speed{AllThreads: 300, CopyGBPerSecond: 20}, [3]string{"arithmetic", "memory", "memory"}},
		{speed{AllThreads: 300, CopyGBPerSecond: rundir.None}, [3]string{}},
	} {
		all := bounds(test.speed)
		for i, b := range all {
			if b.BoundBy != test.want[i] {
				t.Errorf("%+v: a step of %+v, want bound by %q", test.speed, b, test.want[i])
			}
		}
		if got, want := float64(all[0].ComputeMS), 8*1.000*1.536*1.024e3/float64(test.speed.AllThreads); math.Abs(got-want) > 1e-9*want {
			t.Errorf("%+v: %g ms of arithmetic, want %g", test.speed, got, want)
		}
	}
}
