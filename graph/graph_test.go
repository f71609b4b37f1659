package graph_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/backendtest"
	"github.com/cosfit/cosfit/graph/cpu"
)

// tolerance is the relative error in the Euclidean norm that float32 arithmetic is allowed.
const tolerance = 1e-5

// A problem is one batch and one matrix, in the backend's memory and in the float64 reference.
type problem struct {
	backend graph.Backend
	d, k    int
	matrix  []float32
	batch   *graph.Batch
	ref     *backendtest.Reference
}

// newProblem draws a matrix, a table of embeddings and n pairs with labels 0 or 1. Row 0 of the table is zeros if
// zero is true.
func newProblem(t *testing.T, rng *rand.Rand, d, k, n, texts int, zero bool) *problem {
	t.Helper()
	table, matrix := random(rng, texts*d), random(rng, d*k)
	if zero {
		clear(table[:d])
	}
	batch := &graph.Batch{Left: rows(rng, n, texts), Right: rows(rng, n, texts), Labels: make([]float32, n)}
	for i := range batch.Labels {
		batch.Labels[i] = float32(rng.IntN(2))
	}
	backend := cpu.New(2)
	batch.Table = upload(t, backend, table, texts, d)
	return &problem{backend, d, k, matrix, batch,
		&backendtest.Reference{D: d, K: k, Table: backendtest.Widen(table), M: backendtest.Widen(matrix)}}
}

func random(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

func rows(rng *rand.Rand, n, of int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(rng.IntN(of))
	}
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func upload(t *testing.T, b graph.Backend, x []float32, shape ...int) graph.Array {
	t.Helper()
	a, err := b.NewArray(shape...)
	must(t, err)
	must(t, b.Upload(a, x))
	return a
}

// download fills memory of NaN, so that a number which is not written shows.
func download(t *testing.T, b graph.Backend, a graph.Array) []float64 {
	t.Helper()
	x := slices.Repeat([]float32{float32(math.NaN())}, a.Size())
	must(t, b.Download(x, a))
	return backendtest.Widen(x)
}

// run makes one step of a model and returns its loss and its gradient.
func (p *problem) run(t *testing.T, model *graph.Model) (loss float64, gradient []float64) {
	t.Helper()
	must(t, p.backend.Upload(model.Matrix(), p.matrix))
	must(t, model.Step(p.batch))
	value, err := model.Loss()
	must(t, err)
	return float64(value), download(t, p.backend, model.Gradient())
}

// loss is the mean squared error of the cosines in float64.
func (p *problem) loss() float64 {
	sum := 0.0
	for i, s := range p.ref.Scores(p.batch) {
		diff := s - float64(p.batch.Labels[i])
		sum += diff * diff
	}
	return sum / float64(len(p.batch.Labels))
}

// differences is the gradient of loss by central differences. One step of Richardson's extrapolation cancels their
// error of order h², so that h may be large enough for rounding not to matter.
func (p *problem) differences() []float64 {
	const h = 1e-3
	gradient := make([]float64, len(p.ref.M))
	for i, m := range p.ref.M {
		central := func(h float64) float64 {
			p.ref.M[i] = m + h
			above := p.loss()
			p.ref.M[i] = m - h
			below := p.loss()
			p.ref.M[i] = m
			return (above - below) / (2 * h)
		}
		gradient[i] = (4*central(h/2) - central(h)) / 3
	}
	return gradient
}

// analytic is the gradient of loss by the chain rule in float64.
func (p *problem) analytic() []float64 {
	ds := p.ref.Scores(p.batch)
	for i := range ds {
		ds[i] = 2 * (ds[i] - float64(p.batch.Labels[i])) / float64(len(ds))
	}
	return p.ref.ScoreGradient(p.batch, ds)
}

func norm(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return math.Sqrt(sum)
}

// near compares by the relative error ‖got − want‖/‖want‖.
func near(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	diff := make([]float64, len(want))
	for i := range want {
		diff[i] = got[i] - want[i]
	}
	if e := norm(diff) / norm(want); !(e <= tolerance) {
		t.Errorf("%s: relative error %.3g, want at most %g", what, e, tolerance)
	}
}

// The gradient of the whole model, from the matrix through the graph to the loss, is that of the float64 reference.
// The differences themselves are checked first, against the reference's own gradient.
func TestGradientAgainstDifferences(t *testing.T) {
	tests := []struct {
		name           string
		d, k, n, texts int
		zero           bool
		rate           float64
	}{
		{"tall", 24, 7, 13, 40, false, 0},
		{"square", 9, 9, 21, 50, false, 0},
		{"wide, k > d", 5, 19, 11, 30, false, 0},
		{"one pair", 16, 6, 1, 9, false, 0},
		{"many pairs", 6, 5, 133, 300, false, 0},
		{"repeated texts", 12, 8, 20, 4, false, 0},
		{"zeros among the embeddings", 12, 8, 16, 5, true, 0},
		{"dropout", 24, 7, 13, 40, false, 0.1},
		{"dropout of most, k > d", 7, 10, 15, 30, false, 0.7},
		{"dropout, repeated texts and zeros", 10, 6, 40, 4, true, 0.3},
	}
	for number, test := range tests {
		for draw := range 4 {
			t.Run(fmt.Sprintf("%s/%d", test.name, draw), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(uint64(number), uint64(draw)))
				p := newProblem(t, rng, test.d, test.k, test.n, test.texts, test.zero)
				p.batch.Dropout = graph.Dropout{Rate: test.rate, Seed: rng.Uint64(), Step: rng.Uint32(), Row: rng.Uint32N(1000)}
				if test.n == 1 {
					p.batch.Right[0] = (p.batch.Left[0] + 1) % int32(test.texts) // a text with itself has a test of its own
				}
				model, err := graph.NewModel(p.backend, test.d, test.k, graph.MSE{})
				must(t, err)
				defer model.Close()
				loss, gradient := p.run(t, model)
				want := p.differences()
				near(t, "differences", want, p.analytic(), 1e-7)
				near(t, "gradient", gradient, want, tolerance)
				near(t, "loss", []float64{loss}, []float64{p.loss()}, tolerance)
			})
		}
	}
}

// A cosine that is 1, or ±1 in one dimension, whatever the matrix is, has the gradient 0; so has one with zeros.
// Compared are absolute values: of terms of the order of 1, only their rounding is left.
func TestGradientOfConstantCosines(t *testing.T) {
	tests := map[string]struct {
		k     int
		alter func(b *graph.Batch)
	}{
		"each text with itself": {7, func(b *graph.Batch) { copy(b.Right, b.Left) }},
		"one dimension":         {1, func(*graph.Batch) {}},
		"zeros on one side":     {7, func(b *graph.Batch) { clear(b.Left) }},
		"zeros on both sides":   {7, func(b *graph.Batch) { clear(b.Left); clear(b.Right) }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newProblem(t, rand.New(rand.NewPCG(1, 1)), 12, test.k, 9, 30, true)
			test.alter(p.batch)
			model, err := graph.NewModel(p.backend, p.d, p.k, graph.MSE{})
			must(t, err)
			defer model.Close()
			loss, gradient := p.run(t, model)
			for i, want := range p.differences() {
				if math.Abs(want) > 1e-9 || !(math.Abs(gradient[i]) <= 1e-6) {
					t.Errorf("element %d of the gradient is %g, its difference %g, want 0", i, gradient[i], want)
				}
			}
			if want := p.loss(); !(math.Abs(loss-want) <= 1e-6) {
				t.Errorf("loss is %g, want %g", loss, want)
			}
		})
	}
}

// One model serves batches of any size and follows its matrix; a step repeated gives the same bits.
func TestModelOverManySteps(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 0))
	p := newProblem(t, rng, 10, 6, 1, 60, false)
	model, err := graph.NewModel(p.backend, p.d, p.k, graph.MSE{})
	must(t, err)
	defer model.Close()
	for step, n := range []int{20, 3, 1, 45, 20} {
		p.matrix = random(rng, p.d*p.k)
		p.ref.M = backendtest.Widen(p.matrix)
		p.batch.Left, p.batch.Right = rows(rng, n, 30), rows(rng, n, 30)
		for i := range p.batch.Right {
			p.batch.Right[i] += 30 // no text meets itself
		}
		p.batch.Labels = random(rng, n)
		p.batch.Dropout = graph.Dropout{Rate: 0.2, Seed: 3, Step: uint32(step)}
		loss, gradient := p.run(t, model)
		near(t, fmt.Sprintf("gradient of %d pairs", n), gradient, p.analytic(), tolerance)
		near(t, fmt.Sprintf("loss of %d pairs", n), []float64{loss}, []float64{p.loss()}, tolerance)
		if l, g := p.run(t, model); l != loss || !slices.Equal(g, gradient) {
			t.Errorf("the step of %d pairs, repeated, gives other bits", n)
		}
		if got := download(t, p.backend, model.Matrix()); !slices.Equal(got, p.ref.M) {
			t.Errorf("the step of %d pairs has changed the matrix", n)
		}
	}
}
