package benchmarks

import (
	"context"
	"errors"
	"time"

	"github.com/cosfit/cosfit/cuda"
	"github.com/cosfit/cosfit/cuda/limits"
	"github.com/cosfit/cosfit/graph"
)

// A GPU is what is measured instead of the CPU.
type GPU struct {
	cuda.Options
	Kernel string // the backend's, for the results
}

// who we are on the GPU.
func (g *GPU) who() string { return "cosfit " + string(g.Precision) }

// contenders are the card's limits and cosfit on it.
func (g *GPU) contenders() []contender {
	return []contender{
		&local{is: Peer{Who: copying, Tasks: []string{Machine + ":" + copying}}, prepare: func(_ context.Context, r request) (job, error) {
			return limit(limits.NewCopy(g.Device, 4*r.Task.size()))(r.Task)
		}},
		&local{is: Peer{Who: "cublasLt " + string(g.Precision), Tasks: []string{Machine + ":" + gemm}}, prepare: g.product},
		&local{is: Peer{Who: g.who(), With: g.Kernel, Tasks: []string{Core, Step, Run, Load}}, prepare: g.ourselves},
	}
}

func (g *GPU) ourselves(ctx context.Context, r request) (job, error) {
	switch {
	case r.Task.Benchmark == Core:
		return g.product(ctx, r)
	case r.Task.Benchmark == Step, r.Task.What == consuming:
		return g.step(r.Task)
	case r.Task.Benchmark == Run:
		return ourRun(ctx, r.Task, g.open)
	case r.Task.Benchmark == Load:
		return g.load(ctx, r)
	}
	return job{}, unable(g.who(), r.Task)
}

func (g *GPU) open() (graph.Backend, error) { return cuda.Open(g.Options) }

// limit makes a job of what the GPU times by its own clock.
func limit(w *limits.Work, err error) func(Task) (job, error) {
	return func(t Task) (job, error) {
		if err != nil {
			return job{}, err
		}
		return job{timed: func() (time.Duration, error) { return w.Do(t.calls()) }, close: func() { w.Close() }}, nil
	}
}

// product is one of cuBLASLt's.
func (g *GPU) product(_ context.Context, r request) (job, error) {
	t := r.Task
	p := limits.Product{Rows: t.Batch, Columns: t.K, Inner: t.D, Precision: g.Precision}
	switch t.What {
	case gradient:
		p.Rows, p.Inner, p.TransA = t.D, t.Batch, true
	case comparing:
		p.Columns, p.Inner, p.TransB = t.D, t.K, true
	}
	return limit(limits.NewProduct(g.Device, p))(t)
}

// step queues the steps of a call and then waits for their end.
func (g *GPU) step(t Task) (job, error) {
	backend, err := g.open()
	if err != nil {
		return job{}, err
	}
	do, model, err := newStep(t, backend)
	if err != nil {
		return job{}, errors.Join(err, backend.Close())
	}
	timed := func() (time.Duration, error) {
		start := time.Now()
		for range t.calls() {
			if err := do(); err != nil {
				return 0, err
			}
		}
		_, err := model.Loss() // is there when all is done
		return time.Since(start) / time.Duration(t.calls()), err
	}
	return job{timed: timed, close: func() { model.Close(); backend.Close() }}, nil
}

// load streams into a table on the GPU.
func (g *GPU) load(ctx context.Context, r request) (job, error) {
	if r.Task.What == opening {
		return ourLoad(ctx, r, nil)
	}
	backend, err := g.open()
	if err != nil {
		return job{}, err
	}
	table, err := backend.NewTable(r.Task.D)
	if err != nil {
		return job{}, errors.Join(err, backend.Close())
	}
	j, err := ourLoad(ctx, r, table)
	if err != nil {
		return job{}, errors.Join(err, backend.Close())
	}
	stream, end := j.do, j.close
	j.do = func() error {
		if err := stream(); err != nil {
			return err
		}
		return backend.PairCosines(table, []int32{0}, []int32{0}, make([]float32, 1)) // is there when the table is
	}
	j.close = func() { end(); backend.Close() }
	return j, nil
}

// planGPU lists the tasks of a benchmark on a GPU, the card's own first.
func planGPU(benchmark string, p cuda.Precision, quick bool) (tasks []Task) {
	add := func(t Task) {
		if t.Device = "cuda"; t.What != copying {
			t.Precision = p
		}
		tasks = append(tasks, t)
	}
	add(Task{Benchmark: Machine, What: copying, Batch: 1 << 14, D: 1 << 14, K: 1, Queued: 20})
	add(Task{Benchmark: Machine, What: gemm, Batch: 8192, D: 8192, K: 8192, Queued: 5})
	for _, t := range plan(benchmark, 1, quick) {
		if t.Benchmark != benchmark {
			continue
		}
		if t.Threads = 0; t.Benchmark == Core || t.Benchmark == Step || t.What == consuming {
			t.Queued = 20
		}
		add(t)
	}
	if benchmark == Step {
		add(Task{Benchmark: Step, Batch: 8192, D: seedD, K: seedK, Queued: 20})
	}
	return tasks
}
