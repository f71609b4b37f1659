package benchmarks

import (
	"slices"

	"github.com/cosfit/cosfit/cuda"
	"github.com/cosfit/cosfit/internal/kernel"
	"github.com/cosfit/cosfit/internal/rundir"
)

// The benchmarks. Machine is what the others are held against.
const (
	Machine = "machine"
	Core    = "core"
	Step    = "step"
	Run     = "run"
	Load    = "load"
)

// Names lists the benchmarks that can be asked for.
func Names() []string { return []string{Core, Load, Run, Step} }

// What a benchmark times, where it times more than one thing.
const (
	projecting = "X·M"   // [n, d]·[d, k]
	gradient   = "Xᵀ·dP" // [n, d]ᵀ·[n, k]
	comparing  = "A·Bᵀ"  // [n, k]·[d, k]ᵀ

	peak = "fma peak"
	// enginePeak is that of the processor's matrix engine, in products of single
	// precision.
	enginePeak = "amx peak"
	sgemm      = "sgemm" // X·M of a size at which libraries are at their best
	gemm       = "gemm"  // the same on a GPU, at its precision
	copying    = "copy"

	opening   = "open"   // a warm Parquet file
	streaming = "stream" // an epoch of chunks from a scratch file
	consuming = "step"   // what has to be fed
)

// A Task is one thing that contenders are timed at.
type Task struct {
	Benchmark string `json:"benchmark"`
	What      string `json:"what,omitempty"`
	Batch     int    `json:"batch"` // pairs of a step; rows of a product
	D         int    `json:"d"`
	K         int    `json:"k"`
	Threads   int    `json:"threads"`
	Pairs     int    `json:"pairs,omitempty"` // of a run's training split, or of a file
	Test      int    `json:"test_pairs,omitempty"`
	Epochs    int    `json:"epochs,omitempty"`

	// Of a GPU, which makes its steps while the program goes on.
	Device    string         `json:"device,omitempty"` // cuda
	Precision cuda.Precision `json:"precision,omitempty"`
	Queued    int            `json:"queued,omitempty"` // calls without a wait between them; the time is of one
}

// calls is how many calls are timed together.
func (t Task) calls() int { return max(1, t.Queued) }

// size is Batch·D, of an operand or of a copy.
func (t Task) size() int64 { return int64(t.Batch) * int64(t.D) }

// flop is the floating-point operations of a task, None where it has hardly
// any. A step has 8·B·d·k: two projections forward, their weight gradient
// backward.
func (t Task) flop() rundir.Figure {
	size := rundir.Figure(t.Batch) * rundir.Figure(t.D) * rundir.Figure(t.K)
	switch {
	case t.What == peak:
		return rundir.Figure(peakFLOP(t.Threads))
	case t.What == enginePeak:
		return rundir.Figure(engineFLOP(t.Threads))
	case t.What == copying, t.Benchmark == Load:
		return rundir.None
	case t.Benchmark == Step:
		return 8 * size
	case t.Benchmark == Run:
		return 8 * rundir.Figure(t.Pairs) * rundir.Figure(t.D) * rundir.Figure(t.K) * rundir.Figure(t.Epochs)
	}
	return 2 * size
}

// pairs is how many pairs a task of the loader handles, else None.
func (t Task) pairs() rundir.Figure {
	switch {
	case t.Benchmark != Load:
		return rundir.None
	case t.What == consuming:
		return rundir.Figure(t.Batch)
	}
	return rundir.Figure(t.Pairs)
}

// bytes is what a copy reads and writes, else None.
func (t Task) bytes() rundir.Figure {
	switch {
	case t.What != copying:
		return rundir.None
	case t.Device != "":
		return 2 * 4 * rundir.Figure(t.size())
	}
	return 2 * copySize
}

// The seed's sizes.
const (
	seedTrain, seedTest = 11_034, 4_947
	seedEpochs          = 20
	seedBatch           = 1_000
	seedD, seedK        = 1536, 1024
)

// plan lists the tasks of a benchmark, the machine's own first.
func plan(benchmark string, threads int, quick bool) []Task {
	counts := slices.Compact([]int{1, threads})
	var tasks []Task
	for _, n := range counts {
		tasks = append(tasks, Task{Benchmark: Machine, What: peak, Threads: n})
		if kernel.Engine() {
			tasks = append(tasks, Task{Benchmark: Machine, What: enginePeak, Threads: n})
		}
	}
	tasks = append(tasks,
		Task{Benchmark: Machine, What: sgemm, Batch: 2048, D: 2048, K: 2048, Threads: threads},
		Task{Benchmark: Machine, What: copying, Threads: threads})
	switch benchmark {
	case Core:
		return append(tasks, planCore(counts, quick)...)
	case Step:
		for _, s := range [][3]int{{1000, 1536, 1024}, {128, 384, 384}, {64, 384, 384}} {
			tasks = append(tasks, Task{Benchmark: Step, Batch: s[0], D: s[1], K: s[2], Threads: threads})
		}
	case Run:
		run := Task{Benchmark: Run, Batch: seedBatch, D: seedD, K: seedK, Threads: threads,
			Pairs: seedTrain, Test: seedTest, Epochs: seedEpochs}
		if quick {
			run.Epochs = 1
		}
		tasks = append(tasks, run)
	case Load:
		pairs := 40_000
		if quick {
			pairs = 6_000
		}
		for _, what := range []string{opening, streaming} {
			tasks = append(tasks, Task{Benchmark: Load, What: what, D: seedD, Threads: threads, Pairs: pairs})
		}
		tasks = append(tasks, Task{Benchmark: Load, What: consuming, Batch: seedBatch, D: seedD, K: seedK, Threads: threads})
	}
	return tasks
}

func planCore(threads []int, quick bool) (tasks []Task) {
	rows := []int{64, 200, 1000, 2000, 8192}
	if quick {
		rows, threads = []int{seedBatch}, threads[len(threads)-1:]
	}
	for _, n := range threads {
		for _, what := range []string{projecting, gradient, comparing} {
			for _, batch := range rows {
				tasks = append(tasks, Task{Benchmark: Core, What: what, Batch: batch, D: seedD, K: seedK, Threads: n})
			}
		}
	}
	return tasks
}
