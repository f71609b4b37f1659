package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cosfit/cosfit/internal/rundir"
)

// Options say what to measure. Benchmark, Threads and Host are required.
type Options struct {
	Benchmark string // one of Names
	Quick     bool   // end within 45 seconds
	Threads   int
	Host      Host
	Pythons   []string      // interpreters, by name or path; each brings the peers that it can import
	Self      []string      // a command that runs ServePeer; without one some contenders are missing
	GPU       *GPU          // instead of the CPU, with the peers that it has
	Progress  func(string)  // called with each step; may be nil
	Tasks     []Task        // instead of the benchmark's own; nil for those
	Limit     time.Duration // to end within, if need be with fewer turns; 0 means none, or Quick's
	pace      *pace         // instead of the benchmark's
}

// A Host is the machine, and what runs on it.
type Host struct {
	CPU     string `json:"cpu"`
	Cores   int    `json:"cores"` // logical CPUs
	OS      string `json:"os"`
	Arch    string `json:"arch"`
	Go      string `json:"go"`
	Version string `json:"version"` // of cosfit
	Kernel  string `json:"kernel"`
	GPU     string `json:"gpu,omitempty"` // of which the measurement is, with its driver
	Date    string `json:"date"`          // of the measurement, YYYY-MM-DD
	Command string `json:"command"`
	Peers   []Peer `json:"peers"`
}

// A Result is what was measured.
type Result struct {
	SchemaVersion int      `json:"schema_version"`
	Machine       Host     `json:"machine"`
	Rows          []Row    `json:"rows"`
	Notes         []string `json:"notes"`
}

// A Row is one contender's times at one task.
type Row struct {
	Task
	Who            string        `json:"who"`
	With           string        `json:"with,omitempty"`
	MS             float64       `json:"ms"` // median
	MSMin          float64       `json:"ms_min"`
	MSMax          float64       `json:"ms_max"`
	Times          int           `json:"times"`
	GFLOPS         rundir.Figure `json:"gflops"` // at the median, as the two below; what the machine can do, at the least
	PairsPerSecond rundir.Figure `json:"pairs_per_second"`
	GBPerSecond    rundir.Figure `json:"gb_per_second"`
}

func newRow(t Task, p Peer, ms []float64) Row {
	middle := median(ms)
	r := Row{Task: t, Who: p.Who, With: p.With, MS: middle, MSMin: ms[0], MSMax: ms[len(ms)-1], Times: len(ms)}
	counts := middle
	if t.Benchmark == Machine {
		counts = r.MSMin // a machine's other work can only slow it down
	}
	r.GFLOPS, r.GBPerSecond = t.flop()/rundir.Figure(1e6*counts), t.bytes()/rundir.Figure(1e6*counts)
	r.PairsPerSecond = t.pairs() / rundir.Figure(counts/1e3)
	if t.What == sgemm {
		r.Who, r.With = p.plain()+" sgemm", p.With
	}
	return r
}

// median sorts times and returns the middle one, or the mean of the middle two.
func median(ms []float64) float64 {
	slices.Sort(ms)
	return (ms[(len(ms)-1)/2] + ms[len(ms)/2]) / 2
}

// A pace is how contenders take turns.
type pace struct {
	rounds int
	turn   time.Duration // of one contender, at least one call
	limit  time.Duration // of everything; 0 means none
}

func paceOf(benchmark string, quick bool) pace {
	const limit = 40 * time.Second // ends within 45, with the peers that have to end
	switch {
	case quick && benchmark == Run:
		return pace{1, 0, limit}
	case quick:
		return pace{2, 80 * time.Millisecond, limit}
	case benchmark == Run:
		return pace{3, 0, 0}
	case benchmark == Step:
		return pace{10, 300 * time.Millisecond, 0}
	}
	return pace{5, 250 * time.Millisecond, 0}
}

// Measure times all contenders that there are, in turns.
func Measure(ctx context.Context, o Options) (Result, error) {
	m := &meter{Options: o, pace: paceOf(o.Benchmark, o.Quick), result: Result{SchemaVersion: 1, Machine: o.Host, Rows: []Row{}, Notes: []string{}}}
	if o.pace != nil {
		m.pace = *o.pace
	}
	tasks := o.Tasks
	switch {
	case tasks != nil:
	case o.GPU != nil:
		tasks = planGPU(o.Benchmark, o.GPU.Precision, o.Quick)
	default:
		tasks = plan(o.Benchmark, o.Threads, o.Quick)
	}
	if o.Limit > 0 {
		m.pace.limit = o.Limit
	}
	limited := ctx
	if m.pace.limit > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, m.pace.limit)
		defer cancel()
	}
	err := m.measure(limited, tasks)
	if ctx.Err() != nil {
		return m.result, ctx.Err()
	}
	if err == nil && len(m.late) > 0 {
		m.note("Not measured within the time: %s.", strings.Join(m.late, "; "))
	}
	return m.result, err
}

// A meter is a measurement under way.
type meter struct {
	Options
	pace     pace
	result   Result
	entrants []contender
	children []*child
	last     *child // who had the last turn, nil for this process
	file     string // for the loader
	late     []string
	failures map[string]bool // by who and why
}

func (m *meter) note(format string, args ...any) {
	m.result.Notes = append(m.result.Notes, fmt.Sprintf(format, args...))
}

func (m *meter) progress(format string, args ...any) {
	if m.Progress != nil {
		m.Progress(fmt.Sprintf(format, args...))
	}
}

func (m *meter) measure(ctx context.Context, tasks []Task) error {
	defer func() {
		var ends sync.WaitGroup
		for _, c := range m.children {
			ends.Go(c.end)
		}
		ends.Wait()
	}()
	m.find(ctx)
	for _, e := range m.entrants {
		if slices.ContainsFunc(tasks, e.peer().can) {
			m.result.Machine.Peers = append(m.result.Machine.Peers, e.peer())
		}
	}
	if i := slices.IndexFunc(tasks, func(t Task) bool { return t.Benchmark == Load && t.What != consuming }); i >= 0 {
		dir, err := os.MkdirTemp("", "cosfit-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		m.file = filepath.Join(dir, "pairs.parquet")
		m.progress("writing %d made-up pairs", tasks[i].Pairs)
		if err := writePairs(m.file, tasks[i].Pairs, tasks[i].D); err != nil {
			return err
		}
	}
	for _, t := range tasks {
		m.progress("%s", t.title())
		m.result.Rows = append(m.result.Rows, m.time(ctx, t)...)
		if len(m.result.Rows) == 0 && ctx.Err() != nil {
			return errors.New("nothing was measured in time")
		}
	}
	return nil
}

// An entry is a contender at one task.
type entry struct {
	contender
	ms   []float64
	out  bool // failed, or is so slow that it was timed once
	late bool
}

// slow is how long a call takes that is not repeated.
const slow = 60 * time.Second

// time lets all who can take turns at a task.
func (m *meter) time(ctx context.Context, t Task) (rows []Row) {
	var entries []*entry
	for _, c := range m.entrants {
		if c.peer().can(t) && (c.child() == nil || !c.child().dead) {
			entries = append(entries, &entry{contender: c})
		}
	}
	runtime.GC()
	for range m.pace.rounds {
		for _, e := range entries {
			if !e.out {
				m.turn(ctx, e, t)
			}
		}
	}
	for _, e := range entries {
		if len(e.ms) > 0 {
			rows = append(rows, newRow(t, e.peer(), e.ms))
		} else if e.late {
			m.late = append(m.late, e.peer().Who+" at "+t.title())
		}
		if l, ok := e.contender.(*local); ok && l.remark() != "" && len(e.ms) > 0 {
			m.result.Notes = append(m.result.Notes, l.remark())
		}
		if e.child() == nil || !e.child().dead {
			e.contender.turn(context.WithoutCancel(ctx), request{Task: t, Forget: true})
		}
	}
	return rows
}

// turn gives an entry its turn.
func (m *meter) turn(ctx context.Context, e *entry, t Task) {
	c := e.child()
	if m.last != nil && m.last != c && !m.last.calm {
		// The threads of other libraries keep a core busy for a while after a call.
		// Source: OpenBLAS's workers spin for more than 70 ms.
		time.Sleep(400 * time.Millisecond)
	}
	if ctx.Err() != nil {
		e.late, e.out = len(e.ms) == 0, true
		return
	}
	m.last = c
	r := request{Task: t, Seconds: m.pace.turn.Seconds(), Warm: t.Benchmark != Run}
	if t.Benchmark == Load {
		r.File = m.file
	}
	ms, err := e.contender.turn(ctx, r)
	switch {
	case ctx.Err() != nil && err != nil:
		e.late, e.out = len(e.ms) == 0, true
		if c != nil {
			c.dead = true // it would answer too late, and to another question
		}
	case err != nil:
		e.out = true
		m.failed(e.peer().Who, t, err)
	default:
		e.ms = append(e.ms, ms...)
		e.out = slices.Max(ms) > float64(slow.Milliseconds())
	}
}

// failed notes the first task of several that a contender fails alike.
func (m *meter) failed(who string, t Task, err error) {
	if m.failures == nil {
		m.failures = map[string]bool{}
	}
	if key := who + err.Error(); !m.failures[key] {
		m.failures[key] = true
		m.note("%s did not do %s: %v.", who, t.title(), err)
	}
}
