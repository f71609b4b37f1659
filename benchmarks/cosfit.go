package benchmarks

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/internal/kernel"
	"github.com/cosfit/cosfit/trainer"
)

// Cosfit is who we are on the CPU.
const Cosfit = "cosfit fp32"

// isCosfit tells us from our peers, at any precision.
func isCosfit(who string) bool { return strings.HasPrefix(who, "cosfit ") }

// ourselves is cosfit with the arithmetic of this process.
func ourselves() *local {
	return &local{
		is: Peer{Who: Cosfit, With: kernel.Name(), Tasks: []string{Core, Step, Run, Load, Machine + ":" + sgemm}},
		prepare: func(ctx context.Context, r request) (job, error) {
			switch r.Task.Benchmark {
			case Core, Machine:
				return ourProduct(r.Task), nil
			case Step:
				return ourStep(r.Task)
			case Run:
				return ourRun(ctx, r.Task, func() (graph.Backend, error) { return cpu.New(r.Task.Threads), nil })
			case Load:
				if r.Task.What == consuming {
					return ourStep(r.Task)
				}
				return ourLoad(ctx, r, nil)
			}
			return job{}, unable(Cosfit, r.Task)
		},
	}
}

// coarsely is cosfit with the products of a step in less than fp32.
func coarsely(precision string) *local {
	open := func(threads int) (graph.Backend, error) { return cpu.NewCoarse(threads, precision) }
	return &local{
		is: Peer{Who: "cosfit " + precision, With: kernel.Name(), Tasks: []string{Step, Run}},
		prepare: func(ctx context.Context, r request) (job, error) {
			if r.Task.Benchmark == Run {
				return ourRun(ctx, r.Task, func() (graph.Backend, error) { return open(r.Task.Threads) })
			}
			backend, err := open(r.Task.Threads)
			if err != nil {
				return job{}, err
			}
			return stepOn(r.Task, backend)
		},
	}
}

// operands are the matrices of a product C = A·B; the result has size numbers.
func operands(t Task) (a, b, c []float32) {
	random := generator()
	switch t.What {
	case gradient:
		return normal(random, t.Batch*t.D), normal(random, t.Batch*t.K), make([]float32, t.D*t.K)
	case comparing:
		return normal(random, t.Batch*t.K), normal(random, t.D*t.K), make([]float32, t.Batch*t.D)
	}
	return normal(random, t.Batch*t.D), normal(random, t.D*t.K), make([]float32, t.Batch*t.K)
}

func ourProduct(t Task) job {
	pool := kernel.NewPool(t.Threads)
	pool.Keep()
	a, b, c := operands(t)
	return job{do: func() error { multiply(pool, t, a, b, c); return nil }, close: pool.Close}
}

func multiply(pool *kernel.Pool, t Task, a, b, c []float32) {
	switch t.What {
	case gradient:
		pool.GemmTN(t.D, t.K, t.Batch, a, b, c)
	case comparing:
		pool.GemmNT(t.Batch, t.D, t.K, a, b, c)
	default:
		pool.Gemm(t.Batch, t.K, t.D, a, b, c)
	}
}

// What all steps share.
const (
	dropout = 0.1
	rate    = 0.1
)

func ourStep(t Task) (job, error) {
	j, err := stepOn(t, cpu.New(t.Threads))
	if err == nil && t.Benchmark == Step {
		j.said = func() string { return profile(t, j.do) }
	}
	return j, err
}

// stepOn is a step on a backend, which it closes.
func stepOn(t Task, backend graph.Backend) (job, error) {
	do, model, err := newStep(t, backend)
	if err != nil {
		return job{}, errors.Join(err, backend.Close())
	}
	return job{do: do, close: func() { model.Close(); backend.Close() }}, nil
}

// newStep makes a step of the graph with dropout and plain SGD.
func newStep(t Task, backend graph.Backend) (do func() error, model *graph.Model, err error) {
	p := newProblem(t)
	if model, err = graph.NewModel(backend, t.D, t.K, graph.MSE{}); err != nil {
		return nil, nil, err
	}
	if err := backend.Upload(model.Matrix(), p.matrix); err != nil {
		return nil, nil, err
	}
	table, err := backend.NewTable(t.D)
	if err != nil {
		return nil, nil, err
	}
	if err := table.Set(p.table); err != nil {
		return nil, nil, err
	}
	update, err := backend.NewUpdate(trainer.SGD{}, t.D*t.K)
	if err != nil {
		return nil, nil, err
	}
	batch := &graph.Batch{Table: table, Labels: p.labels, Dropout: graph.Dropout{Rate: dropout, Seed: 1}}
	for i := range int32(t.Batch) {
		batch.Left = append(batch.Left, i)
		batch.Right = append(batch.Right, int32(t.Batch)+i)
	}
	step := 0
	do = func() error {
		step++
		batch.Dropout.Step = uint32(step)
		if err := model.Step(batch); err != nil {
			return err
		}
		return update.Apply(graph.Hyper{LearningRate: rate, Step: step}, model.Matrix(), model.Gradient())
	}
	return do, model, nil
}

// A problem is random pairs, no text in two of them.
type problem struct {
	table  []float32 // [2·B, d]: left texts, then right ones
	labels []float32 // [B]
	matrix []float32 // [d, k]
}

func newProblem(t Task) problem {
	random := generator()
	p := problem{normal(random, 2*t.Batch*t.D), make([]float32, t.Batch), normal(random, t.D*t.K)}
	for i := range p.labels {
		p.labels[i] = float32(i % 2)
	}
	return p
}

func generator() *rand.Rand { return rand.New(rand.NewPCG(1, 1)) }

func normal(random *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(random.NormFloat64())
	}
	return x
}
