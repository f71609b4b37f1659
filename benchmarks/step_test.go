package benchmarks

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/trainer"
)

// BenchmarkStep times one training step with plain SGD, forward, gradient and
// update, and the same step built from Gorgonia's stock operations. Each
// iteration runs one after the other, so that the ratio holds on a machine
// whose speed drifts. Speed counts 8·B·d·k operations a step.
//
// Dropout is off: Gorgonia's draws its mask afresh from a global generator,
// which would be the larger part of its step.
func BenchmarkStep(b *testing.B) {
	for _, s := range []struct{ pairs, d, k int }{{128, 384, 384}, {1000, 384, 384}, {1000, 1536, 1024}} {
		b.Run(fmt.Sprintf("B=%d/d=%d/k=%d", s.pairs, s.d, s.k), func(b *testing.B) {
			p := newProblem(s.pairs, s.d, s.k)
			ours, peer := p.cosfit(b), p.gorgonia(b)
			var own, its time.Duration
			ours()
			peer()
			for b.Loop() {
				own += timed(ours)
				its += timed(peer)
			}
			flop := 8 * float64(s.pairs) * float64(s.d) * float64(s.k) * float64(b.N)
			b.ReportMetric(flop/own.Seconds()/1e9, "cosfit-GFLOP/s")
			b.ReportMetric(flop/its.Seconds()/1e9, "gorgonia-GFLOP/s")
			b.ReportMetric(its.Seconds()/own.Seconds(), "times-faster")
			b.ReportMetric(0, "ns/op") // two steps together mean nothing
		})
	}
}

func timed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

// A problem is random pairs, no text in two of them.
type problem struct {
	pairs, d, k int
	table       []float32 // [2·pairs, d]: left texts, then right ones
	labels      []float32
	matrix      []float32 // [d, k]
}

func newProblem(pairs, d, k int) *problem {
	rng := rand.New(rand.NewPCG(1, 1))
	normal := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		return x
	}
	p := &problem{pairs, d, k, normal(2 * pairs * d), make([]float32, pairs), normal(d * k)}
	for i := range p.labels {
		p.labels[i] = float32(i % 2)
	}
	return p
}

const rate = 0.1

// cosfit returns a step of our graph.
func (p *problem) cosfit(b *testing.B) func() {
	backend := cpu.New(runtime.GOMAXPROCS(0))
	model, err := graph.NewModel(backend, p.d, p.k, graph.MSE{})
	check(b, err)
	check(b, backend.Upload(model.Matrix(), p.matrix))
	table, err := backend.NewArray(2*p.pairs, p.d)
	check(b, err)
	check(b, backend.Upload(table, p.table))
	update, err := backend.NewUpdate(trainer.SGD{}, p.d*p.k)
	check(b, err)
	batch := &graph.Batch{Table: table, Labels: p.labels}
	for i := range int32(p.pairs) {
		batch.Left = append(batch.Left, i)
		batch.Right = append(batch.Right, int32(p.pairs)+i)
	}
	step := 0
	return func() {
		step++
		check(b, model.Step(batch))
		check(b, update.Apply(graph.Hyper{LearningRate: rate, Step: step}, model.Matrix(), model.Gradient()))
	}
}

// gorgonia returns a step of the same model as its users write it.
func (p *problem) gorgonia(b *testing.B) func() {
	g := gorgonia.NewGraph()
	matrix := func(name string, data []float32, rows, columns int) *gorgonia.Node {
		backing := append([]float32{}, data...)
		return gorgonia.NewMatrix(g, tensor.Float32, gorgonia.WithName(name), gorgonia.WithShape(rows, columns),
			gorgonia.WithValue(tensor.New(tensor.WithShape(rows, columns), tensor.WithBacking(backing))))
	}
	m := matrix("m", p.matrix, p.d, p.k)
	half := p.pairs * p.d
	l := gorgonia.Must(gorgonia.Mul(matrix("left", p.table[:half], p.pairs, p.d), m))
	r := gorgonia.Must(gorgonia.Mul(matrix("right", p.table[half:], p.pairs, p.d), m))
	labels := gorgonia.NewVector(g, tensor.Float32, gorgonia.WithName("labels"), gorgonia.WithShape(p.pairs),
		gorgonia.WithValue(tensor.New(tensor.WithShape(p.pairs), tensor.WithBacking(p.labels))))
	rows := func(x *gorgonia.Node) *gorgonia.Node { return gorgonia.Must(gorgonia.Sum(x, 1)) }
	norm := func(x *gorgonia.Node) *gorgonia.Node {
		return gorgonia.Must(gorgonia.Sqrt(rows(gorgonia.Must(gorgonia.Square(x)))))
	}
	cosine := gorgonia.Must(gorgonia.HadamardDiv(rows(gorgonia.Must(gorgonia.HadamardProd(l, r))),
		gorgonia.Must(gorgonia.HadamardProd(norm(l), norm(r)))))
	loss := gorgonia.Must(gorgonia.Mean(gorgonia.Must(gorgonia.Square(gorgonia.Must(gorgonia.Sub(cosine, labels))))))
	_, err := gorgonia.Grad(loss, m)
	check(b, err)
	machine := gorgonia.NewTapeMachine(g, gorgonia.BindDualValues(m))
	b.Cleanup(func() { machine.Close() })
	solver := gorgonia.NewVanillaSolver(gorgonia.WithLearnRate(rate))
	return func() {
		check(b, machine.RunAll())
		check(b, solver.Step(gorgonia.NodesToValueGrads(gorgonia.Nodes{m})))
		machine.Reset()
	}
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
