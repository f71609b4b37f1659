package graph_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/backendtest"
	"github.com/cosfit/cosfit/graph/cpu"
)

var sides = map[string]graph.Side{"both": graph.Both, "query": graph.Query, "dual": graph.Dual}

// shapedModel begins at a start and then gets weights.
func shapedModel(t *testing.T, b graph.Backend, shape graph.Shape, side graph.Side, d, k int, start, theta []float32) *graph.Model {
	t.Helper()
	model, err := graph.NewShapedModel(b, shape, side, d, k, graph.MSE{})
	must(t, err)
	_, err = model.Begin(start, 1)
	must(t, err)
	must(t, b.Upload(model.Weights(), theta))
	return model
}

// TestShapes compares a step's loss and gradient with differences in float64.
func TestShapes(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 3))
	for _, shape := range []graph.Shape{graph.LowRank{Rank: 1}, graph.LowRank{Rank: 5}, graph.Diagonal{}} {
		for _, side := range sides {
			for _, size := range [][3]int{{9, 9, 20}, {70, 67, 5}} {
				d, k, n := size[0], size[1], size[2]
				t.Run(fmt.Sprintf("%s%v %s %d → %d", shape.Name(), shape, side, d, k), func(t *testing.T) {
					backend := cpu.New(2)
					defer backend.Close()
					table, start := random(rng, 30*d), random(rng, side.Rows(d)*k)
					model, err := graph.NewShapedModel(backend, shape, side, d, k, graph.MSE{})
					must(t, err)
					defer model.Close()
					theta, err := model.Begin(start, 1)
					must(t, err)
					for i := range theta {
						theta[i] += float32(rng.NormFloat64()) / 10
					}
					must(t, backend.Upload(model.Weights(), theta))
					batch := &graph.Batch{Table: upload(t, backend, table, 30, d), Left: rows(rng, n, 15), Right: rows(rng, n, 15), Labels: random(rng, n)}
					for i := range batch.Right {
						batch.Right[i] += 15 // no text meets itself
					}
					must(t, model.Step(batch))
					value, err := model.Loss()
					must(t, err)
					wide := backendtest.Widen(theta)
					loss := func() float64 {
						return sidedLoss(side, d, k, backendtest.ShapedMatrix(shape, side.Rows(d)/d, d, k, start, wide), table, batch)
					}
					near(t, "loss", []float64{float64(value)}, []float64{loss()}, tolerance)
					gradient := download(t, backend, model.Gradient())
					if len(gradient) != len(wide) {
						t.Fatalf("a gradient of %d numbers by %d", len(gradient), len(wide))
					}
					var got, want []float64
					for range 40 {
						const step = 1e-5
						i := rng.IntN(len(wide))
						was := wide[i]
						wide[i] = was + step
						above := loss()
						wide[i] = was - step
						below := loss()
						wide[i] = was
						got, want = append(got, gradient[i]), append(want, (above-below)/(2*step))
					}
					near(t, "gradient", got, want, tolerance)
				})
			}
		}
	}
}

// TestShapesAgainstGorgonia builds the same out of Gorgonia's own operations.
func TestShapesAgainstGorgonia(t *testing.T) {
	rng := rand.New(rand.NewPCG(32, 3))
	const d, k, rank = 14, 8, 3
	for _, shape := range []graph.Shape{graph.LowRank{Rank: rank}, graph.Diagonal{}} {
		t.Run(shape.Name(), func(t *testing.T) {
			p := newProblem(t, rng, d, k, 12, 40, false)
			p.batch.Dropout = graph.Dropout{Rate: 0.2, Seed: 5, Step: 3}
			theta := make([]float32, k)
			if shape.Name() == "low-rank" {
				theta = make([]float32, (d+k)*rank)
			}
			for i := range theta {
				theta[i] = float32(rng.NormFloat64()) / 4
			}
			model := shapedModel(t, p.backend, shape, graph.Both, d, k, p.matrix, theta)
			defer model.Close()
			must(t, model.Step(p.batch))
			value, err := model.Loss()
			must(t, err)
			loss, want := p.stockOf(t, func(g *gorgonia.ExprGraph) (*gorgonia.Node, gorgonia.Nodes) {
				start, wide := matrixOf(g, "start", backendtest.Widen(p.matrix), d, k), backendtest.Widen(theta)
				if shape.Name() == "low-rank" {
					u, v := matrixOf(g, "u", wide[:d*rank], d, rank), matrixOf(g, "v", wide[d*rank:], k, rank)
					uv := gorgonia.Must(gorgonia.Mul(u, gorgonia.Must(gorgonia.Transpose(v))))
					return gorgonia.Must(gorgonia.Add(start, uv)), gorgonia.Nodes{u, v}
				}
				unit := make([]float64, k*k) // √k·I
				for i := range k {
					unit[i*k+i] = math.Sqrt(k)
				}
				weights := matrixOf(g, "weights", wide, 1, k)
				repeated := gorgonia.Must(gorgonia.Mul(matrixOf(g, "ones", slices.Repeat([]float64{1}, k), k, 1), weights))
				deviation := gorgonia.Must(gorgonia.HadamardProd(matrixOf(g, "unit", unit, k, k), repeated))
				return gorgonia.Must(gorgonia.Add(start, gorgonia.Must(gorgonia.Mul(start, deviation)))), gorgonia.Nodes{weights}
			})
			near(t, "loss", []float64{float64(value)}, []float64{loss}, tolerance)
			near(t, "gradient", download(t, p.backend, model.Gradient()), want, tolerance)
		})
	}
}

// TestShapesBegin: a model begins with the very start, follows the seed, and its
// weights of another moment have their own matrix.
func TestShapesBegin(t *testing.T) {
	rng := rand.New(rand.NewPCG(33, 3))
	const d, k = 11, 7
	for _, shape := range []graph.Shape{graph.LowRank{Rank: 4}, graph.Diagonal{}, nil} {
		for _, side := range sides {
			backend := cpu.New(2)
			defer backend.Close()
			start := random(rng, side.Rows(d)*k)
			model, err := graph.NewShapedModel(backend, shape, side, d, k, graph.MSE{})
			must(t, err)
			defer model.Close()
			first, err := model.Begin(start, 5)
			must(t, err)
			matrix := func(weights graph.Array) []float64 {
				m, err := model.MatrixOf(weights)
				must(t, err)
				return download(t, backend, m)
			}
			if got := matrix(model.Weights()); !slices.Equal(got, backendtest.Widen(start)) {
				t.Errorf("%v, %s: the model begins with %v, want %v", shape, side, got, start)
			}
			moved := slices.Clone(first)
			for i := range moved {
				moved[i] += 0.5
			}
			other := matrix(upload(t, backend, moved, len(moved)))
			if slices.Equal(other, backendtest.Widen(start)) {
				t.Errorf("%v, %s: other weights have the same matrix", shape, side)
			}
			if got := matrix(model.Weights()); !slices.Equal(got, backendtest.Widen(start)) {
				t.Errorf("%v, %s: the model's own weights have moved", shape, side)
			}
			again, err := model.Begin(start, 5)
			must(t, err)
			another, err := model.Begin(start, 6)
			must(t, err)
			if _, drawn := shape.(graph.LowRank); !slices.Equal(again, first) || slices.Equal(another, first) == drawn {
				t.Errorf("%v, %s: what is drawn does not follow the seed", shape, side)
			}
		}
	}
}

// TestShapeRefused: on a backend that has none.
func TestShapeRefused(t *testing.T) {
	backend := cpu.New(1)
	defer backend.Close()
	_, err := graph.NewShapedModel(struct{ graph.Backend }{backend}, graph.Diagonal{}, graph.Both, 3, 3, graph.MSE{})
	if want := "cpu trains full matrices only, and this one is to be of --shape diagonal: use --device cpu"; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
	for rank, want := range map[int]string{0: "a rank of 0", 3: "", 4: "a rank of 4, want one from 1 to 3"} {
		if err := (graph.LowRank{Rank: rank}).Fits(3, 5); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("rank %d: error is %v, want %q", rank, err, want)
		}
	}
}
