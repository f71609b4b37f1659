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

// TestFitted moves the parameters of a loss within a step's graph, and compares
// the derivatives with differences; those by the matrix are those of the loss
// that has the parameters fixed.
func TestFitted(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 3))
	const d, k, n = 9, 9, 20
	for _, side := range []graph.Side{graph.Both, graph.Query} {
		for _, loss := range []graph.Fitted{
			graph.Logistic{Scale: 8, Threshold: 0.2, Learn: true},
			graph.Matryoshka{Loss: graph.Logistic{Scale: 8, Threshold: 0.2, Learn: true}, Dims: []int{4, 9}},
			graph.InfoNCE{Temperature: 0.4, Learn: true}, graph.InfoNCE{Temperature: 0.4, Symmetric: true, Learn: true},
		} {
			t.Run(fmt.Sprintf("%s %s%+v", side, loss.Name(), loss), func(t *testing.T) {
				backend := cpu.New(2)
				defer backend.Close()
				batch := &graph.Batch{Table: upload(t, backend, random(rng, 30*d), 30, d), Left: rows(rng, n, 15), Right: rows(rng, n, 30), Labels: make([]float32, n)}
				for i := range n {
					batch.Labels[i] = float32(i % 2)
					batch.Groups = append(batch.Groups, batch.Left[i])
				}
				m := random(rng, d*k)
				model := sidedModel(t, backend, side, d, k, loss, m)
				defer model.Close()
				at := func(parameters []float32) float64 {
					must(t, backend.Upload(model.Parameters(), parameters))
					must(t, model.Step(batch))
					value, err := model.Loss()
					must(t, err)
					return float64(value)
				}
				parameters := loss.Parameters()
				at(parameters)
				got, byMatrix := make([]float32, len(parameters)), make([]float32, d*k)
				must(t, backend.Download(got, model.ParameterGradient()))
				must(t, backend.Download(byMatrix, model.Gradient()))
				want := make([]float64, len(parameters))
				for i := range want {
					const step = 1.0 / 64
					moved := func(by float32) float64 {
						p := slices.Clone(parameters)
						p[i] += by
						return at(p)
					}
					want[i] = (8*(moved(step)-moved(-step)) - (moved(2*step) - moved(-2*step))) / (12 * step)
				}
				if e := relative(got, want); !(e <= 1e-3) { // the loss is float32
					t.Errorf("derivatives by the parameters are %v, differences %v", got, want)
				}
				fixed := sidedModel(t, backend, side, d, k, loss.At(parameters), m)
				defer fixed.Close()
				if fixed.Parameters() != nil {
					t.Error("a loss at given parameters learns some")
				}
				must(t, fixed.Step(batch))
				same := make([]float32, d*k)
				must(t, backend.Download(same, fixed.Gradient()))
				if e := relative(byMatrix, backendtest.Widen(same)); !(e <= 1e-5) {
					t.Errorf("the derivative by the matrix is off by %g", e)
				}
			})
		}
	}
	if p := (graph.Logistic{Scale: math.E, Threshold: 0.5, Learn: true}).Parameters(); math.Abs(float64(p[0])-1) > 1e-6 || p[1] != 0.5 {
		t.Errorf("parameters are %v", p)
	}
}

func sidedModel(t *testing.T, b graph.Backend, side graph.Side, d, k int, loss graph.Objective, m []float32) *graph.Model {
	t.Helper()
	model, err := graph.NewSidedModel(b, side, d, k, loss)
	must(t, err)
	must(t, b.Upload(model.Matrix(), m))
	return model
}
