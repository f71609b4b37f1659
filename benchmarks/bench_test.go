package benchmarks

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cosfit/cosfit/cuda"
	"github.com/cosfit/cosfit/internal/kernel"
)

// A puppet is a contender that writes down its turns.
type puppet struct {
	is   Peer
	ms   float64
	err  error
	said *[]string
}

func (f *puppet) peer() Peer    { return f.is }
func (f *puppet) child() *child { return nil }

func (f *puppet) turn(ctx context.Context, r request) ([]float64, error) {
	if !r.Forget {
		*f.said = append(*f.said, f.is.Who)
	}
	return []float64{f.ms, 3 * f.ms}, f.err
}

func TestTurns(t *testing.T) {
	var said []string
	all := func(who string, ms float64, err error, tasks ...string) contender {
		return &puppet{Peer{Who: who, Tasks: tasks}, ms, err, &said}
	}
	m := &meter{pace: pace{rounds: 3}, entrants: []contender{
		all("a", 10, nil, Step), all("b", 30, nil, Step), all("broken", 0, errors.New("no memory"), Step), all("other", 1, nil, Core),
		all("slow", 100_000, nil, Step),
	}}
	rows := m.time(context.Background(), Task{Benchmark: Step, Batch: 10, D: 10, K: 10, Threads: 1})
	if got, want := strings.Join(said, " "), "a b broken slow a b a b"; got != want {
		t.Errorf("turns are %q, want %q", got, want)
	}
	if len(rows) != 3 || rows[0].MS != 20 || rows[0].MSMin != 10 || rows[0].MSMax != 30 || rows[0].Times != 6 {
		t.Errorf("rows are %+v", rows)
	}
	if want := 8 * 1000 / 20e-3 / 1e9; !near(float64(rows[0].GFLOPS), want) {
		t.Errorf("%g GFLOP/s, want %g", float64(rows[0].GFLOPS), want)
	}
	if len(m.result.Notes) != 1 || m.result.Notes[0] != "broken did not do step of 10 pairs, 10 → 10, 1 thread: no memory." {
		t.Errorf("notes are %q", m.result.Notes)
	}
	late, cancel := context.WithCancel(context.Background())
	cancel()
	if rows := m.time(late, Task{Benchmark: Core}); len(rows) != 0 || len(m.late) != 1 {
		t.Errorf("out of time there are rows %v and %q is late", rows, m.late)
	}
}

func near(a, b float64) bool { return a > 0.999*b && a < 1.001*b }

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		ms   []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{5, 1, 3}, 3}, {[]float64{4, 1, 2, 9}, 3}} {
		if r := newRow(Task{Benchmark: Step}, Peer{}, test.ms); r.MS != test.want {
			t.Errorf("the median of %v is %g, want %g", test.ms, r.MS, test.want)
		}
	}
}

// tiny are tasks of every kind, that take no time.
func tiny() []Task {
	return []Task{
		{Benchmark: Machine, What: peak, Threads: 1},
		{Benchmark: Machine, What: sgemm, Batch: 5, D: 6, K: 7, Threads: 1},
		{Benchmark: Core, What: projecting, Batch: 5, D: 6, K: 7, Threads: 2},
		{Benchmark: Core, What: gradient, Batch: 5, D: 6, K: 7, Threads: 1},
		{Benchmark: Core, What: comparing, Batch: 5, D: 6, K: 7, Threads: 1},
		{Benchmark: Step, Batch: 4, D: 6, K: 3, Threads: 2},
		{Benchmark: Run, Batch: 16, D: 8, K: 4, Pairs: 60, Test: 30, Epochs: 2, Threads: 1},
		{Benchmark: Load, What: opening, D: 8, Pairs: 100, Threads: 1},
		{Benchmark: Load, What: streaming, D: 8, Pairs: 100, Threads: 1},
		{Benchmark: Load, What: consuming, Batch: 4, D: 8, K: 3, Threads: 1},
	}
}

func measureTiny(t *testing.T) Result {
	t.Helper()
	o := Options{Benchmark: Step, Threads: 2, Host: Host{CPU: "Test & <CPU>", Cores: 2, Version: "v1", Date: "2026-01-02"},
		Tasks: tiny(), pace: &pace{rounds: 2}}
	r, err := Measure(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestMeasure(t *testing.T) {
	r := measureTiny(t)
	for _, task := range tiny() {
		i := slices.IndexFunc(r.Rows, func(row Row) bool { return row.Task == task })
		if i < 0 {
			t.Errorf("%s was not measured; notes: %q", task.title(), r.Notes)
			continue
		}
		if speed, _ := r.Rows[i].rate(); !(speed > 0) || !(r.Rows[i].MS > 0) {
			t.Errorf("%s: %+v", task.title(), r.Rows[i])
		}
	}
	if !slices.ContainsFunc(r.Rows, func(row Row) bool { return row.Benchmark == Step && row.Who == "gorgonia" }) {
		t.Error("plain Gorgonia did not make a step")
	}

	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Machine map[string]any
		Rows    []map[string]any
	}
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"benchmark", "who", "batch", "d", "k", "threads", "ms", "ms_min", "gflops"} {
		if _, ok := read.Rows[0][field]; !ok {
			t.Errorf("a row lacks %q: %v", field, read.Rows[0])
		}
	}

	var table bytes.Buffer
	r.Print(&table)
	for line := range strings.Lines(table.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
	if !strings.Contains(table.String(), "step of 4 pairs, 6 → 3, 2 threads") {
		t.Errorf("the table is\n%s", table.String())
	}
}

// TestOperands wants the products that the benchmarks are named after.
func TestOperands(t *testing.T) {
	for _, what := range []string{projecting, gradient, comparing} {
		task := Task{Benchmark: Core, What: what, Batch: 5, D: 6, K: 7, Threads: 1}
		a, b, c := operands(task)
		rows, columns, inner := task.Batch, task.K, task.D
		at := func(i, p int) float32 { return a[i*task.D+p] }
		bt := func(p, j int) float32 { return b[p*task.K+j] }
		switch what {
		case gradient:
			rows, inner = task.D, task.Batch
			at = func(i, p int) float32 { return a[p*task.D+i] }
		case comparing:
			columns, inner = task.D, task.K
			at = func(i, p int) float32 { return a[i*task.K+p] }
			bt = func(p, j int) float32 { return b[j*task.K+p] }
		}
		if len(c) != rows*columns || 2*rows*columns*inner != int(task.flop()) {
			t.Errorf("%s has %d numbers and %v operations", what, len(c), task.flop())
		}
		multiply(kernel.NewPool(1), task, a, b, c)
		for i := range rows {
			for j := range columns {
				want := 0.0
				for p := range inner {
					want += float64(at(i, p)) * float64(bt(p, j))
				}
				if d := float64(c[i*columns+j]) - want; d > 1e-5 || d < -1e-5 {
					t.Fatalf("%s: entry (%d, %d) is off by %g", what, i, j, d)
				}
			}
		}
	}
}

func TestChart(t *testing.T) {
	var svg bytes.Buffer
	if err := measureTiny(t).Chart(&svg); err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(&svg)
	bars := 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	if bars < 6 {
		t.Errorf("the chart has %d bars", bars)
	}
}

// TestSave writes two benchmarks into one file, and then those of another
// version over them.
func TestSave(t *testing.T) {
	dir := t.TempDir()
	host := Host{CPU: "AMD EPYC™ 9", Cores: 2, Version: "v1", Date: "2026-01-02", Command: "a"}
	row := func(benchmark string) Row { return newRow(Task{Benchmark: benchmark}, Peer{Who: "x"}, []float64{1}) }
	for _, test := range []struct {
		version string
		rows    []Row
		want    string
	}{
		{"v1", []Row{row(Machine), row(Step)}, "machine step"},
		{"v1", []Row{row(Machine), row(Run)}, "machine run step"},
		{"v1", []Row{row(Machine), row(Step), row(Step)}, "machine step step run"},
		{"v2", []Row{row(Core)}, "core"},
	} {
		host.Version = test.version
		files, err := Result{Machine: host, Rows: test.rows}.Save(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(files) != 2 || filepath.Base(files[0]) != "amd-epyc-9-2-2026-01-02.json" || filepath.Ext(files[1]) != ".svg" {
			t.Errorf("wrote %q", files)
		}
		r, err := read(files[0])
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, row := range r.Rows {
			got = append(got, row.Benchmark)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("the file has %q, want %q", got, test.want)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "amd-epyc-9-2-2026-01-02.json"), []byte("["), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := (Result{Machine: host}).Save(dir); err == nil || !strings.Contains(err.Error(), "not results of cosfit bench") {
		t.Errorf("over another file: %v", err)
	}
}

// TestServePeer asks this package's own peer over pipes.
func TestServePeer(t *testing.T) {
	requests, in := io.Pipe()
	out, answers := io.Pipe()
	served := make(chan error, 1)
	go func() { served <- ServePeer(context.Background(), requests, answers); answers.Close() }()
	c, err := meet(context.Background(), in, out, &tail{}, func() error { return <-served })
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Peers) == 0 || c.Peers[0].Who != Cosfit {
		t.Fatalf("the peers are %+v", c.Peers)
	}
	r := &remote{c.Peers[0], c}
	ms, err := r.turn(context.Background(), request{Task: Task{Benchmark: Step, Batch: 4, D: 6, K: 3, Threads: 1}, Warm: true})
	if err != nil || len(ms) != 1 || !(ms[0] > 0) {
		t.Errorf("a step took %v, %v", ms, err)
	}
	if _, err := r.turn(context.Background(), request{Task: Task{Benchmark: "sleep"}}); err == nil || err.Error() != "cosfit fp32 cannot do sleep " {
		t.Errorf("the error is %v", err)
	}
	c.end()
}

// TestChildDies wants the last thing that a child said as the error.
func TestChildDies(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no shell")
	}
	c := command{path: "sh", args: []string{"-c", "echo first >&2; echo no such module >&2; exit 1"}}
	if _, err := c.start(context.Background()); err == nil || err.Error() != "no such module" {
		t.Errorf("the error is %v", err)
	}
	c = command{path: "sh", args: []string{"-c", "echo nonsense; exec sleep 60"}}
	if _, err := c.start(context.Background()); err == nil || !strings.Contains(err.Error(), `printed "nonsense"`) {
		t.Errorf("the error is %v", err)
	}
	late, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	c = command{path: "sh", args: []string{"-c", "exec sleep 60"}}
	if _, err := c.start(late); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
}

// TestPython runs the script with whatever the interpreter can import.
func TestPython(t *testing.T) {
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	c, err := command{path: path, args: []string{"-c", peerScript}}.start(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer c.end()
	file := filepath.Join(t.TempDir(), "pairs.parquet")
	if err := writePairs(file, 100, 8); err != nil {
		t.Fatal(err)
	}
	for _, p := range c.Peers {
		for _, task := range tiny() {
			if !p.can(task) {
				continue
			}
			r := request{Task: task, Warm: true}
			if task.Benchmark == Load {
				r.File = file
			}
			ms, err := (&remote{p, c}).turn(context.Background(), r)
			allThreads := err != nil && strings.Contains(err.Error(), "threads are all")
			if !allThreads && (err != nil || len(ms) == 0) {
				t.Errorf("%s, %s: %v, %v", p.Who, task.title(), ms, err)
			}
		}
	}
}

func TestPlan(t *testing.T) {
	for _, name := range Names() {
		for _, quick := range []bool{false, true} {
			own := 0
			for _, task := range plan(name, 4, quick) {
				if task.Benchmark == name {
					own++
				} else if task.Benchmark != Machine {
					t.Errorf("%s plans %s", name, task.title())
				}
			}
			if own == 0 {
				t.Errorf("%s plans nothing of its own", name)
			}
		}
	}
	for _, name := range Names() {
		for _, task := range planGPU(name, cuda.TF32, true) {
			if task.Benchmark != name && task.Benchmark != Machine || task.Device != "cuda" || (task.Precision != cuda.TF32) != (task.What == copying) || task.Threads != 0 {
				t.Errorf("%s plans %+v on a GPU", name, task)
			}
		}
	}
	peaks := map[string]int{}
	for _, task := range plan(Step, 1, true) {
		peaks[task.What]++
	}
	if peaks[peak] != 1 || peaks[enginePeak] > 1 || (peaks[enginePeak] == 1) != kernel.Engine() {
		t.Errorf("on one thread the peaks are %v, want one of each kind", peaks)
	}
}

// TestGPURows prints and draws rows of a GPU: its limit is cuBLASLt's product
// at the same precision, and its name is the file's.
func TestGPURows(t *testing.T) {
	on := func(t Task) Task {
		t.Device, t.Precision, t.Queued = "cuda", cuda.TF32, 20
		return t
	}
	step := on(Task{Benchmark: Step, Batch: 1000, D: 1536, K: 1024}) // 12.6 GFLOP
	r := Result{Machine: Host{CPU: "CPU", Cores: 26, GPU: "NVIDIA H100 80GB HBM3, driver of CUDA 13.0", Kernel: "tf32/sm_90/cublasLt-13.0.0", Date: "2026-01-02"}, Rows: []Row{
		newRow(Task{Benchmark: Machine, What: copying, Batch: 1 << 14, D: 1 << 14, K: 1, Device: "cuda"}, Peer{Who: copying}, []float64{1}),
		newRow(on(Task{Benchmark: Machine, What: gemm, Batch: 8192, D: 8192, K: 8192}), Peer{Who: "cublasLt tf32"}, []float64{2.2}),
		newRow(step, Peer{Who: "cosfit tf32"}, []float64{0.05}),
		newRow(step, Peer{Who: "pytorch 2.11 tf32 compile graph"}, []float64{0.1}),
	}}
	var table bytes.Buffer
	r.Print(&table)
	for _, want := range []string{"copy                           2,147 GB/s    on the GPU", "cublasLt tf32                499,778 GFLOP/s tf32 on the GPU",
		"cosfit tf32                       0.050  0.050–0.050      251,658  50 %  1.00",
		"pytorch 2.11 tf32 compile graph     0.1  0.1–0.1          125,829  25 %  2.00"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, &table)
		}
	}
	for line := range strings.Lines(table.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
	files, err := r.Save(t.TempDir())
	if err != nil || filepath.Base(files[0]) != "nvidia-h100-80gb-hbm3-2026-01-02.json" {
		t.Errorf("wrote %q, %v", files, err)
	}
	if svg, err := os.ReadFile(files[1]); err != nil || !strings.Contains(string(svg), "cuBLASLt 8192³ 499,778") {
		t.Errorf("the chart is\n%s", svg)
	}
}
