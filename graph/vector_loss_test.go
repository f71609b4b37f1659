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
	"github.com/cosfit/cosfit/internal/kernel"
)

// evaluateVectors runs a loss over poisoned memory.
func evaluateVectors(t *testing.T, loss graph.VectorLoss, v graph.Vectors) (float64, []float32) {
	t.Helper()
	v.Pool = kernel.NewPool(2)
	dp := slices.Repeat([]float32{float32(math.NaN())}, len(v.P))
	p := slices.Clone(v.P)
	value, err := loss.Evaluate(&v, dp)
	must(t, err)
	if !slices.Equal(p, v.P) {
		t.Error("the vectors have been changed")
	}
	return value, dp
}

// relative is the distance of two vectors over the length of want.
func relative(got []float32, want []float64) float64 {
	var d, w float64
	for i := range want {
		d += (float64(got[i]) - want[i]) * (float64(got[i]) - want[i])
		w += want[i] * want[i]
	}
	return math.Sqrt(d / w)
}

// TestVectorLossesAgainstPyTorch compares with what PyTorch recorded.
func TestVectorLossesAgainstPyTorch(t *testing.T) {
	for i, r := range backendtest.PyTorchVectorLosses(t) {
		t.Run(fmt.Sprintf("%d %s%s", i, r.Loss, r.Settings), func(t *testing.T) {
			value, dp := evaluateVectors(t, r.Objective(t).(graph.VectorLoss), r.Vectors())
			if !(math.Abs(value-r.Value) <= 1e-5*(1+math.Abs(r.Value))) {
				t.Errorf("value %g, PyTorch has %g", value, r.Value)
			}
			if e := relative(dp, r.Gradient); !(e <= 1e-5) {
				t.Errorf("the gradient is off by %g of its length", e)
			}
		})
	}
}

// TestVectorLossDifferences moves single numbers of the vectors, in batches with
// texts and groups that repeat.
func TestVectorLossDifferences(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 1))
	for _, loss := range []graph.VectorLoss{
		graph.InfoNCE{Temperature: 0.3}, graph.InfoNCE{Temperature: 0.3, Symmetric: true}, graph.AnglE{Scale: 3},
		graph.Matryoshka{Loss: graph.InfoNCE{Temperature: 0.5}, Dims: []int{2, 6}},
		graph.Matryoshka{Loss: graph.MSE{}, Dims: []int{3, 5, 6}},
	} {
		const n, k = 14, 6
		v := graph.Vectors{K: k, P: random(rng, 2*n*k), Labels: make([]float32, n), Low: -1}
		for i, x := range v.P[:n*k] { // away from the corner of AnglE's absolute value
			v.P[n*k+i] = 0.4*v.P[n*k+i] + x
		}
		for i := range n {
			v.Groups = append(v.Groups, rng.Int32N(5))
			v.Left = append(v.Left, v.Groups[i])
			v.Right = append(v.Right, 5+rng.Int32N(8))
			v.Labels[i] = float32(2*rng.IntN(2) - 1)
		}
		_, dp := evaluateVectors(t, loss, v)
		want := make([]float64, len(dp))
		const step = 1.0 / 256
		for j := range want {
			moved := func(by float32) float64 {
				other := v
				other.P = slices.Clone(v.P)
				other.P[j] += by
				value, _ := evaluateVectors(t, loss, other)
				return value
			}
			want[j] = (8*(moved(step)-moved(-step)) - (moved(2*step) - moved(-2*step))) / (12 * step)
		}
		if e := relative(dp, want); !(e <= 2e-4) { // a difference of float32 vectors
			t.Errorf("%s %+v: the gradient is off by %g of its length", loss.Name(), loss, e)
		}
	}
}

// TestInfoNCELeavesOut: what is no negative does not count.
func TestInfoNCELeavesOut(t *testing.T) {
	const k = 5
	loss := graph.InfoNCE{Temperature: 0.2}
	// The queries 0 and 1 with the passages 10 and 11, and a third pair.
	batch := func(left, right, group int32, label float32) graph.Vectors {
		v := graph.Vectors{K: k, P: make([]float32, 6*k), Labels: []float32{1, 1, label}, Groups: []int32{0, 1, group},
			Left: []int32{0, 1, left}, Right: []int32{10, 11, right}}
		rng := rand.New(rand.NewPCG(9, 1))
		copy(v.P, random(rng, 6*k))
		return v
	}
	// The loss over the first two pairs alone: the third passage is not a candidate.
	alone := batch(2, 12, 2, 0)
	alone.Left, alone.Right, alone.Labels, alone.Groups = alone.Left[:2], alone.Right[:2], alone.Labels[:2], alone.Groups[:2]
	alone.P = slices.Concat(alone.P[:2*k], alone.P[3*k:5*k])
	without, _ := evaluateVectors(t, loss, alone)

	with, _ := evaluateVectors(t, loss, batch(2, 12, 2, 0))
	if !(with > without+1e-3) {
		t.Errorf("with another passage the loss is %g, without %g", with, without)
	}
	hard, _ := evaluateVectors(t, loss, batch(0, 12, 0, 0))
	if math.Abs(hard-with) > 1e-6 {
		t.Errorf("a hard negative counts as %g, one of another query as %g", hard, with)
	}
	same := batch(2, 10, 2, 0)
	_, dp := evaluateVectors(t, loss, same)
	// The third right vector is a candidate of query 1 alone, so its derivative is
	// along query 1's vector.
	third := dp[5*k : 6*k]
	if got := alongside(third, same.P[5*k:6*k], same.P[1*k:2*k]); got > 1e-5 {
		t.Errorf("the answer's text in another pair is pushed from its own query: %g of its derivative is in another direction", got)
	}
	itself := batch(2, 0, 2, 0)
	_, dp = evaluateVectors(t, loss, itself)
	if got := alongside(dp[5*k:6*k], itself.P[5*k:6*k], itself.P[1*k:2*k]); got > 1e-5 {
		t.Errorf("a query's own text is its negative: %g", got)
	}
}

// alongside is how much of a derivative by a vector is not in the plane of the
// vector and of what pushes it.
func alongside(derivative, vector, push []float32) float64 {
	basis := [][]float64{backendtest.Widen(vector), backendtest.Widen(push)}
	rest := backendtest.Widen(derivative)
	length := lengthOf(rest)
	for i, b := range basis {
		for _, a := range basis[:i] {
			subtract(b, a)
		}
		scale(b, 1/lengthOf(b))
		subtract(rest, b)
	}
	return lengthOf(rest) / length
}

func lengthOf(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return math.Sqrt(sum)
}

func scale(x []float64, by float64) {
	for i := range x {
		x[i] *= by
	}
}

// subtract removes from x its part along the unit vector u.
func subtract(x, u []float64) {
	along := 0.0
	for i := range x {
		along += x[i] * u[i]
	}
	for i := range x {
		x[i] -= along * u[i]
	}
}

// TestVectorLossInGraph: the derivative by the matrix, by differences.
func TestVectorLossInGraph(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 7))
	const d, k, n = 9, 6, 20
	backend := cpu.New(2)
	defer backend.Close()
	batch := &graph.Batch{Table: upload(t, backend, random(rng, 30*d), 30, d), Left: rows(rng, n, 15), Labels: make([]float32, n)}
	for i := range n {
		batch.Right = append(batch.Right, 15+rng.Int32N(15))
		batch.Groups = append(batch.Groups, batch.Left[i])
		batch.Labels[i] = float32(rng.IntN(2))
	}
	m := random(rng, d*k)
	model, err := graph.NewModel(backend, d, k, graph.InfoNCE{Temperature: 0.5, Symmetric: true})
	must(t, err)
	defer model.Close()
	at := func(m []float32) float64 {
		must(t, backend.Upload(model.Matrix(), m))
		must(t, model.Step(batch))
		loss, err := model.Loss()
		must(t, err)
		return float64(loss)
	}
	at(m)
	gradient := make([]float32, d*k)
	must(t, backend.Download(gradient, model.Gradient()))
	want := make([]float64, d*k)
	const step = 1.0 / 64
	for i := range want {
		moved := func(by float32) float64 {
			other := slices.Clone(m)
			other[i] += by
			return at(other)
		}
		want[i] = (8*(moved(step)-moved(-step)) - (moved(2*step) - moved(-2*step))) / (12 * step)
	}
	if e := relative(gradient, want); !(e <= 1e-3) { // the loss is float32
		t.Errorf("the gradient is off by %g of its length", e)
	}
}

// TestInfoNCEAcrossSides: a text that is the passage of one pair and the query of
// another is no negative of itself, in neither direction.
func TestInfoNCEAcrossSides(t *testing.T) {
	const k, temperature = 5, 0.3
	v := graph.Vectors{K: k, P: random(rand.New(rand.NewPCG(4, 9)), 4*k), Labels: []float32{1, 1}, Left: []int32{0, 1}, Right: []int32{1, 2}}
	cosine := func(a, b int) float64 {
		x, y := backendtest.Widen(v.P[a*k:(a+1)*k]), backendtest.Widen(v.P[b*k:(b+1)*k])
		dot := 0.0
		for i := range x {
			dot += x[i] * y[i]
		}
		return dot / lengthOf(x) / lengthOf(y) / temperature
	}
	// The first query has both passages to choose from, the second passage both
	// queries; the others only their own.
	toPassages := math.Log1p(math.Exp(cosine(0, 3) - cosine(0, 2)))
	toQueries := math.Log1p(math.Exp(cosine(0, 3) - cosine(1, 3)))
	got, _ := evaluateVectors(t, graph.InfoNCE{Temperature: temperature, Symmetric: true}, v)
	if want := (toPassages/2 + toQueries/2) / 2; !(math.Abs(got-want) <= 1e-5) {
		t.Errorf("the loss is %g, want %g", got, want)
	}
}
