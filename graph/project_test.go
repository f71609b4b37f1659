package graph_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/cosfit/cosfit/graph"
)

// weightedSum is a loss over the projected vectors, L = Σ (P∘W), whose gradient by P is W.
type weightedSum struct {
	graph.Base
	backend graph.Backend
	weights []float32
}

func newWeightedSum(b graph.Backend, weights []float32) *weightedSum {
	return &weightedSum{graph.NewBase("weighted sum", []hm.Type{graph.MatrixType}, graph.ScalarType, tensor.ScalarShape()), b, weights}
}

func (o *weightedSum) Do(in ...gorgonia.Value) (gorgonia.Value, error) {
	p := make([]float32, len(o.weights))
	if err := o.backend.Download(p, in[0].(graph.Array)); err != nil {
		return nil, err
	}
	sum := 0.0
	for i, v := range p {
		sum += float64(v) * float64(o.weights[i])
	}
	return newArray(o.backend, []float32{float32(sum)})
}

func newArray(b graph.Backend, x []float32, shape ...int) (graph.Array, error) {
	a, err := b.NewArray(shape...)
	if err != nil {
		return nil, err
	}
	return a, b.Upload(a, x)
}

func (o *weightedSum) DiffWRT(int) []bool { return []bool{true} }

func (o *weightedSum) SymDiff(in gorgonia.Nodes, loss, upstream *gorgonia.Node) (gorgonia.Nodes, error) {
	base := graph.NewBase("weighted sum gradient", []hm.Type{graph.ScalarType, graph.ScalarType}, graph.MatrixType, in[0].Shape())
	dp, err := gorgonia.ApplyOp(&weightedSumGradient{base, o.backend, o.weights, in[0].Shape()[1]}, loss, upstream)
	return gorgonia.Nodes{dp}, err
}

type weightedSumGradient struct {
	graph.Base
	backend graph.Backend
	weights []float32
	k       int
}

func (o *weightedSumGradient) Do(in ...gorgonia.Value) (gorgonia.Value, error) {
	upstream, ok := in[1].Data().(float32)
	if !ok {
		return nil, fmt.Errorf("upstream is a %T", in[1])
	}
	dp := make([]float32, len(o.weights))
	for i, w := range o.weights {
		dp[i] = upstream * w
	}
	return newArray(o.backend, dp, len(dp)/o.k, o.k)
}

// half is 0.5 times an opaque scalar; its gradient is a product of Gorgonia's own.
type half struct {
	graph.Base
	backend graph.Backend
}

func newHalf(b graph.Backend) *half {
	return &half{graph.NewBase("half", []hm.Type{graph.ScalarType}, graph.ScalarType, tensor.ScalarShape()), b}
}

func (o *half) Do(in ...gorgonia.Value) (gorgonia.Value, error) {
	var x [1]float32
	if err := o.backend.Download(x[:], in[0].(graph.Array)); err != nil {
		return nil, err
	}
	return newArray(o.backend, []float32{0.5 * x[0]})
}

func (o *half) DiffWRT(int) []bool { return []bool{true} }

func (o *half) SymDiff(in gorgonia.Nodes, _, upstream *gorgonia.Node) (gorgonia.Nodes, error) {
	dx, err := gorgonia.Mul(upstream, gorgonia.NewConstant(float32(0.5)))
	return gorgonia.Nodes{dx}, err
}

// A loss over Project: the gradient of L = Σ (X·M)∘W by M is Xᵀ·W.
func TestProjectGradient(t *testing.T) {
	for _, rate := range []float64{0, 0.3} {
		for _, upstream := range []float64{1, 0.5} {
			t.Run(fmt.Sprintf("dropout %g, upstream %g", rate, upstream), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(3, 0))
				p := newProblem(t, rng, 11, 7, 9, 20, true)
				p.batch.Dropout = graph.Dropout{Rate: rate, Seed: 8, Step: 1}
				weights := random(rng, 2*9*p.k)
				model, err := graph.Build(p.backend, p.d, p.k, nil, func(m, _, batch *gorgonia.Node) (*gorgonia.Node, error) {
					projected, err := graph.Project(p.backend, m, batch)
					if err != nil {
						return nil, err
					}
					loss, err := gorgonia.ApplyOp(newWeightedSum(p.backend, weights), projected)
					if err != nil || upstream == 1 {
						return loss, err
					}
					return gorgonia.ApplyOp(newHalf(p.backend), loss)
				})
				must(t, err)
				defer model.Close()
				loss, gradient := p.run(t, model)
				wantLoss, want := p.weightedSum(weights)
				for i := range want {
					want[i] *= upstream
				}
				near(t, "gradient", gradient, want, tolerance)
				near(t, "loss", []float64{loss}, []float64{upstream * wantLoss}, tolerance)
			})
		}
	}
}

// weightedSum returns Σ (X·M)∘W and Xᵀ·W in float64.
func (p *problem) weightedSum(weights []float32) (loss float64, gradient []float64) {
	gradient = make([]float64, p.d*p.k)
	n := len(p.batch.Left)
	for row := range 2 * n {
		text, side := p.batch.Left[row%n], uint32(0)
		if row >= n {
			text, side = p.batch.Right[row-n], 1
		}
		x := p.ref.Embedding(text, row%n, side, p.batch.Dropout)
		for j, v := range p.ref.Project(x) {
			w := float64(weights[row*p.k+j])
			loss += v * w
			for c := range x {
				gradient[c*p.k+j] += x[c] * w
			}
		}
	}
	return loss, gradient
}

// score builds the model's cost, the loss on the cosine.
func (p *problem) score(m, batch *gorgonia.Node) (*gorgonia.Node, error) {
	s, err := graph.Score(p.backend, m, batch)
	if err != nil {
		return nil, err
	}
	return graph.CosineLoss(p.backend, graph.MSE{}, s, nil, batch)
}

// A factor that arrives from above at the loss on the cosine reaches the gradient.
func TestUpstreamFactor(t *testing.T) {
	p := newProblem(t, rand.New(rand.NewPCG(4, 0)), 11, 7, 9, 40, false)
	want := p.analytic()
	for i := range want {
		want[i] /= 2
	}
	t.Run("by an operation above", func(t *testing.T) {
		model, err := graph.Build(p.backend, p.d, p.k, nil, func(m, _, batch *gorgonia.Node) (*gorgonia.Node, error) {
			loss, err := p.score(m, batch)
			if err != nil {
				return nil, err
			}
			return gorgonia.ApplyOp(newHalf(p.backend), loss)
		})
		must(t, err)
		defer model.Close()
		for range 2 { // the factor must not accumulate
			loss, gradient := p.run(t, model)
			near(t, "gradient", gradient, want, tolerance)
			near(t, "loss", []float64{loss}, []float64{p.loss() / 2}, tolerance)
		}
	})
	t.Run("by gorgonia.Backpropagate", func(t *testing.T) {
		g, m, batch := graph.Inputs(upload(t, p.backend, p.matrix, p.d, p.k))
		graph.SetBatch(batch, p.batch)
		loss, err := p.score(m, batch)
		must(t, err)
		factor := g.AddNode(gorgonia.NewConstant(float32(0.5)))
		gradients, err := gorgonia.Backpropagate(gorgonia.Nodes{loss}, gorgonia.Nodes{factor}, gorgonia.Nodes{m})
		must(t, err)
		machine := gorgonia.NewTapeMachine(g)
		defer machine.Close()
		must(t, machine.RunAll())
		near(t, "gradient", download(t, p.backend, gradients[0].Value().(graph.Array)), want, tolerance)
	})
}

// A factor in the backend's memory is refused in words that name both the value and what it holds.
func TestUpstreamOfTheBackend(t *testing.T) {
	p := newProblem(t, rand.New(rand.NewPCG(7, 0)), 11, 7, 9, 40, false)
	g, m, batch := graph.Inputs(upload(t, p.backend, p.matrix, p.d, p.k))
	graph.SetBatch(batch, p.batch)
	loss, err := p.score(m, batch)
	must(t, err)
	factor := gorgonia.NewScalar(g, tensor.Float32, gorgonia.WithName("factor"), gorgonia.WithValue(upload(t, p.backend, []float32{1})))
	_, err = gorgonia.Backpropagate(gorgonia.Nodes{loss}, gorgonia.Nodes{factor}, gorgonia.Nodes{m})
	must(t, err)
	machine := gorgonia.NewTapeMachine(g)
	defer machine.Close()
	const want = "gradient got <nil> in a *cpu.array, want a float32 scalar of the host"
	if err := machine.RunAll(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, want %q in it", err, want)
	}
}

// Gorgonia's own arithmetic cannot look into an opaque value. It must say so and not compute something else.
func TestStockArithmeticOnOpaqueValues(t *testing.T) {
	p := newProblem(t, rand.New(rand.NewPCG(5, 0)), 11, 7, 9, 40, false)
	model, err := graph.Build(p.backend, p.d, p.k, nil, func(m, _, batch *gorgonia.Node) (*gorgonia.Node, error) {
		loss, err := p.score(m, batch)
		if err != nil {
			return nil, err
		}
		return gorgonia.Mul(loss, gorgonia.NewConstant(float32(0.5)))
	})
	must(t, err)
	defer model.Close()
	if err := model.Step(p.batch); err == nil {
		t.Error("a product of an opaque loss and a number of the host is accepted")
	}
}
