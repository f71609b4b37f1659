package benchmarks

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/internal/kernel"
	"github.com/cosfit/cosfit/trainer"
)

// The work of cosfit bench, and its parts, as benchmarks that benchstat
// compares.

// repeatTask times a contender's work at a task.
func repeatTask(b *testing.B, c *local, t Task, file string) {
	t.Threads = runtime.GOMAXPROCS(0)
	j, err := c.prepare(context.Background(), request{Task: t, File: file})
	check(b, err)
	if j.close != nil {
		defer j.close()
	}
	do := func() {
		_, err := j.once()
		check(b, err)
	}
	if t.Benchmark != Run {
		do()
	}
	for b.Loop() {
		do()
	}
	seconds := b.Elapsed().Seconds() / float64(b.N)
	if t.flop().Known() {
		b.ReportMetric(float64(t.flop())/seconds/1e9, "GFLOP/s")
	}
	if t.pairs().Known() {
		b.ReportMetric(float64(t.pairs())/seconds, "pairs/s")
	}
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func inProcess() map[string]*local {
	return map[string]*local{"cosfit": ourselves(), "gorgonia": plainGorgonia("gorgonia", "", stock())}
}

func BenchmarkGemm(b *testing.B) {
	for _, what := range []string{projecting, gradient, comparing} {
		for _, n := range []int{64, 200, 2000} {
			b.Run(fmt.Sprintf("%s/n=%d", what, n), func(b *testing.B) {
				repeatTask(b, ourselves(), Task{Benchmark: Core, What: what, Batch: n, D: seedD, K: seedK}, "")
			})
		}
	}
}

func BenchmarkStep(b *testing.B) {
	for _, s := range []struct{ pairs, d, k int }{{64, 384, 384}, {128, 384, 384}, {1000, 1536, 1024}} {
		for name, c := range inProcess() {
			b.Run(fmt.Sprintf("B=%d/d=%d/k=%d/who=%s", s.pairs, s.d, s.k, name), func(b *testing.B) {
				repeatTask(b, c, Task{Benchmark: Step, Batch: s.pairs, D: s.d, K: s.k}, "")
			})
		}
	}
}

func BenchmarkGather(b *testing.B) {
	pool, rows := kernel.NewPool(runtime.GOMAXPROCS(0)), make([]int32, seedBatch)
	for i := range rows {
		rows[i] = int32(i * 7 % seedBatch)
	}
	table, out := normal(generator(), seedBatch*seedD), make([]float32, seedBatch*seedD)
	b.SetBytes(2 * 4 * seedBatch * seedD)
	for b.Loop() {
		pool.Gather(seedD, table, rows, 0, kernel.Dropout{Rate: dropout}, out)
	}
}

func BenchmarkCosines(b *testing.B) {
	pool := kernel.NewPool(runtime.GOMAXPROCS(0))
	l, r, s := normal(generator(), seedBatch*seedK), normal(generator(), seedBatch*seedK), make([]float32, seedBatch)
	gl, gr := make([]float32, seedBatch*seedK), make([]float32, seedBatch*seedK)
	b.SetBytes(4 * 4 * seedBatch * seedK)
	for b.Loop() {
		pool.Cosines(seedK, l, r, s, gl, gr)
	}
}

func BenchmarkUpdate(b *testing.B) {
	for _, rule := range []graph.Rule{trainer.SGD{}, trainer.Adam{}, trainer.AdamW{WeightDecay: 0.01}} {
		b.Run(rule.Name(), func(b *testing.B) {
			const size = seedD * seedK
			backend := cpu.New(0)
			defer backend.Close()
			w, err := backend.NewArray(size)
			check(b, err)
			g, err := backend.NewArray(size)
			check(b, err)
			check(b, backend.Upload(g, normal(generator(), size)))
			update, err := backend.NewUpdate(rule, size)
			check(b, err)
			for step := 1; b.Loop(); step++ {
				check(b, update.Apply(graph.Hyper{LearningRate: rate, Step: step}, w, g))
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	const pairs = 6000
	file := filepath.Join(b.TempDir(), "pairs.parquet")
	check(b, writePairs(file, pairs, seedD))
	for _, what := range []string{opening, streaming} {
		b.Run(what, func(b *testing.B) {
			repeatTask(b, ourselves(), Task{Benchmark: Load, What: what, D: seedD, Pairs: pairs}, file)
		})
	}
}

// BenchmarkEpoch is a run of one epoch, with its scoring.
func BenchmarkEpoch(b *testing.B) { benchmarkRun(b, 1) }

func BenchmarkRun(b *testing.B) { benchmarkRun(b, seedEpochs) }

func benchmarkRun(b *testing.B, epochs int) {
	tasks := plan(Run, 1, false)
	t := tasks[slices.IndexFunc(tasks, func(t Task) bool { return t.Benchmark == Run })]
	t.Epochs = epochs
	repeatTask(b, ourselves(), t, "")
}
