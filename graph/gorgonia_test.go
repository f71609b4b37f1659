package graph_test

import (
	"math/rand/v2"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/backendtest"
)

// matrixOf adds a float64 matrix to a graph.
func matrixOf(g *gorgonia.ExprGraph, name string, data []float64, rows, columns int) *gorgonia.Node {
	return gorgonia.NewMatrix(g, tensor.Float64, gorgonia.WithName(name), gorgonia.WithShape(rows, columns),
		gorgonia.WithValue(tensor.New(tensor.WithShape(rows, columns), tensor.WithBacking(data))))
}

// stock is the same model out of Gorgonia's own operations, in float64, on embeddings that are gathered before.
// It returns the loss and the gradient of the matrix.
func (p *problem) stock(t *testing.T) (loss float64, gradient []float64) {
	t.Helper()
	return p.stockOf(t, func(g *gorgonia.ExprGraph) (*gorgonia.Node, gorgonia.Nodes) {
		m := matrixOf(g, "m", append([]float64{}, p.ref.M...), p.d, p.k)
		return m, gorgonia.Nodes{m}
	})
}

// stockOf is stock for a matrix that follows from others, whose gradients it returns one after another.
func (p *problem) stockOf(t *testing.T, matrix func(g *gorgonia.ExprGraph) (m *gorgonia.Node, learned gorgonia.Nodes)) (loss float64, gradient []float64) {
	t.Helper()
	n := len(p.batch.Left)
	var left, right []float64
	for i := range n {
		left = append(left, p.ref.Embedding(p.batch.Left[i], i, 0, p.batch.Dropout)...)
		right = append(right, p.ref.Embedding(p.batch.Right[i], i, 1, p.batch.Dropout)...)
	}
	g := gorgonia.NewGraph()
	m, learned := matrix(g)
	labels := gorgonia.NewVector(g, tensor.Float64, gorgonia.WithName("labels"), gorgonia.WithShape(n),
		gorgonia.WithValue(tensor.New(tensor.WithShape(n), tensor.WithBacking(backendtest.Widen(p.batch.Labels)))))

	l := gorgonia.Must(gorgonia.Mul(matrixOf(g, "left", left, n, p.d), m))
	r := gorgonia.Must(gorgonia.Mul(matrixOf(g, "right", right, n, p.d), m))
	dot := gorgonia.Must(gorgonia.Sum(gorgonia.Must(gorgonia.HadamardProd(l, r)), 1))
	length := func(x *gorgonia.Node) *gorgonia.Node {
		return gorgonia.Must(gorgonia.Sqrt(gorgonia.Must(gorgonia.Sum(gorgonia.Must(gorgonia.Square(x)), 1))))
	}
	cosine := gorgonia.Must(gorgonia.HadamardDiv(dot, gorgonia.Must(gorgonia.HadamardProd(length(l), length(r)))))
	cost := gorgonia.Must(gorgonia.Mean(gorgonia.Must(gorgonia.Square(gorgonia.Must(gorgonia.Sub(cosine, labels))))))

	gradients, err := gorgonia.Grad(cost, learned...)
	must(t, err)
	machine := gorgonia.NewTapeMachine(g)
	defer machine.Close()
	must(t, machine.RunAll())
	for _, of := range gradients {
		gradient = append(gradient, of.Value().Data().([]float64)...)
	}
	return cost.Value().Data().(float64), gradient
}

func TestGradientAgainstGorgonia(t *testing.T) {
	tests := []struct {
		name        string
		d, k, n     int
		repeatTexts bool
		rate        float64
	}{
		{"tall", 24, 7, 13, false, 0},
		{"wide, k > d", 5, 19, 11, false, 0},
		{"two pairs", 16, 6, 2, false, 0},
		{"repeated texts", 12, 8, 40, true, 0},
		{"dropout", 31, 9, 50, false, 0.2},
	}
	for number, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(number), 100))
			texts := 4 * test.n
			if test.repeatTexts {
				texts = 5
			}
			p := newProblem(t, rng, test.d, test.k, test.n, texts, false)
			p.batch.Dropout = graph.Dropout{Rate: test.rate, Seed: rng.Uint64(), Step: 4}
			model, err := graph.NewModel(p.backend, p.d, p.k, graph.MSE{})
			must(t, err)
			defer model.Close()
			loss, gradient := p.run(t, model)
			wantLoss, want := p.stock(t)
			near(t, "gradient", gradient, want, tolerance)
			near(t, "loss", []float64{loss}, []float64{wantLoss}, tolerance)
		})
	}
}
