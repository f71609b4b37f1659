package backendtest

import (
	"fmt"
	"math"
	"slices"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/kernel"
)

// vectorLossesOf are losses on vectors: the ones that backends may have kernels
// for, in each of their forms, and others.
var vectorLossesOf = []graph.VectorLoss{
	graph.InfoNCE{Temperature: 0.3}, graph.InfoNCE{Temperature: 0.1, Symmetric: true},
	graph.InfoNCE{Temperature: 0.2, Learn: true}, graph.InfoNCE{Temperature: 0.2, Symmetric: true, Learn: true},
	graph.OfCosines{Loss: graph.MSE{}}, graph.OfCosines{Loss: graph.Logistic{Scale: 5, Threshold: 0.3, Learn: true}},
	graph.AnglE{Scale: 3},
	graph.Matryoshka{Loss: graph.InfoNCE{Temperature: 0.5, Learn: true}, Dims: []int{2, 6}},
	graph.Matryoshka{Loss: graph.Logistic{Scale: 5, Threshold: 0.3, Learn: true}, Dims: []int{3, 6}},
}

// vectorLosses compares losses on vectors with their formulas in Go, and with what
// PyTorch recorded.
func (s *suite) vectorLosses() {
	for _, loss := range vectorLossesOf {
		kernel := s.newVectorLoss(loss, 9, 6)
		for _, size := range [][2]int{{14, 6}, {1, 6}, {37, 20}, {150, 10}} {
			if _, device := loss.(graph.DeviceVectorLoss); size[0] > 100 && !device { // and nobody cuts it into parts
				continue
			}
			v := s.vectors(size[0], size[1])
			what := fmt.Sprintf("%s%+v of %d pairs, %d wide", loss.Name(), loss, size[0], size[1])
			value, gradient, by := evaluateAt(loss, v)
			s.checkVectorLoss(what, kernel, loss, v, value, gradient, by)
		}
	}
	for _, r := range PyTorchVectorLosses(s.T) {
		loss := r.Objective(s.T).(graph.VectorLoss)
		kernel := s.newVectorLoss(loss, 20, r.K)
		s.checkVectorLoss(fmt.Sprintf("PyTorch's %s%s", r.Loss, r.Settings), kernel, loss, r.Vectors(), r.Value, r.Gradient, nil)
	}
	s.noPositives()
}

// checkVectorLoss computes a loss at the parameters that it begins with.
func (s *suite) checkVectorLoss(what string, kernel graph.VectorLossKernel, loss graph.VectorLoss, v graph.Vectors, value float64, gradient, byParameters []float64) {
	s.Helper()
	slack := s.vectorSlack(loss, v)
	got, err := s.forward(kernel, loss, v)
	s.must(err)
	s.compare("loss "+what, s.download(got), []float64{value}, 1, slack[0])
	for _, upstream := range []float32{0.5, 1, -3} {
		dp, err := kernel.Backward(upstream)
		s.must(err)
		if got, want := []int(dp.Shape()), []int{2 * v.Pairs(), v.K}; !slices.Equal(got, want) {
			s.Fatalf("the derivative has the shape %v, want %v", got, want)
		}
		factor := math.Abs(float64(upstream))
		s.compare(fmt.Sprintf("gradient times %g of %s", upstream, what), s.download(dp), times(gradient, upstream), 1e-30, factor*slack[1])
		if len(byParameters) > 0 {
			by, err := kernel.(graph.FittedKernel).ByParameters(upstream)
			s.must(err)
			s.compare(fmt.Sprintf("derivative by parameters times %g of %s", upstream, what), s.download(by), times(byParameters, upstream), 1, factor*slack[2])
		}
	}
}

func times(x []float64, by float32) []float64 {
	x = slices.Clone(x)
	for i := range x {
		x[i] *= float64(by)
	}
	return x
}

// parametersOf are those that a loss begins with and is to learn.
func parametersOf(loss graph.Objective) []float32 {
	if f, ok := loss.(graph.Fitted); ok {
		return f.Parameters()
	}
	return nil
}

// forward computes a loss on the backend.
func (s *suite) forward(kernel graph.VectorLossKernel, loss graph.VectorLoss, v graph.Vectors) (graph.Array, error) {
	s.Helper()
	p, batch := s.array(v.P, 2*v.Pairs(), v.K), &graph.Batch{Left: v.Left, Right: v.Right, Labels: v.Labels, Low: v.Low, Groups: v.Groups}
	if parameters := parametersOf(loss); parameters != nil {
		return kernel.(graph.FittedKernel).ForwardAt(p, s.array(parameters, len(parameters)), batch)
	}
	return kernel.Forward(p, batch)
}

// evaluateAt is the formula in Go, at the parameters that a loss begins with.
func evaluateAt(loss graph.VectorLoss, v graph.Vectors) (value float64, gradient, byParameters []float64) {
	v.Pool = kernel.NewPool(1)
	defer v.Pool.Close()
	parameters, dp := parametersOf(loss), nans(len(v.P))
	by := make([]float32, len(parameters))
	var err error
	if parameters != nil {
		value, err = loss.(graph.FittedVectorLoss).EvaluateAt(&v, parameters, dp, by)
	} else {
		value, err = loss.Evaluate(&v, dp)
	}
	if err != nil {
		panic(err) // the vectors are ours
	}
	return value, Widen(dp), Widen(by)
}

// vectorSlack is suite.slack of a loss: of its value, of its gradient and of the
// derivative by its parameters, by noise in the vectors.
func (s *suite) vectorSlack(loss graph.VectorLoss, v graph.Vectors) (most [3]float64) {
	value, gradient, by := evaluateAt(loss, v)
	for range 8 {
		noisy := v
		noisy.P = slices.Clone(v.P)
		for i := range noisy.P {
			noisy.P[i] *= float32(1 + s.tolerance/2*(2*s.rng.Float64()-1))
		}
		otherValue, otherGradient, otherBy := evaluateAt(loss, noisy)
		most[0] = max(most[0], 3*math.Abs(otherValue-value))
		most[1] = max(most[1], 3*distance(otherGradient, gradient))
		most[2] = max(most[2], 3*distance(otherBy, by))
	}
	return most
}

// vectors are a batch in which texts and groups come again, on either side, and a
// text is both a query and a passage.
func (s *suite) vectors(n, k int) graph.Vectors {
	v := graph.Vectors{K: k, P: s.random(2 * n * k), Labels: make([]float32, n), Low: float32(-s.rng.IntN(2)), Left: s.rows(n, n/2+1), Right: s.rows(n, n)}
	if s.rng.IntN(3) > 0 {
		v.Groups = s.rows(n, n/3+1)
	}
	for i := range v.Labels {
		v.Labels[i] = v.Low + (1-v.Low)*float32(s.rng.IntN(2))
	}
	v.Labels[0] = 1
	copy(v.P, v.P[k:2*k]) // two queries of one vector
	if n > 3 {
		clear(v.P[3*k : 4*k])
	}
	return v
}

// noPositives: a batch that says nothing has a loss and a derivative of 0.
func (s *suite) noPositives() {
	loss := graph.InfoNCE{Temperature: 0.2, Symmetric: true, Learn: true}
	kernel := s.newVectorLoss(loss, 9, 6)
	v := s.vectors(5, 4)
	for i := range v.Labels {
		v.Labels[i] = v.Low
	}
	got, err := s.forward(kernel, loss, v)
	s.must(err)
	dp, err := kernel.Backward(1)
	s.must(err)
	by, err := kernel.(graph.FittedKernel).ByParameters(1)
	s.must(err)
	for what, a := range map[string]graph.Array{"loss": got, "gradient": dp, "derivative by parameters": by} {
		if i := slices.IndexFunc(s.download(a), func(x float32) bool { return x != 0 }); i >= 0 {
			s.Errorf("%s of a batch without a similar pair: number %d is not 0", what, i)
		}
	}
}

// fittedLoss compares a loss on the cosine that learns its parameters with its
// formula in Go, and with what PyTorch recorded for fixed ones.
func (s *suite) fittedLoss() {
	learned := graph.Logistic{Scale: 8, Threshold: 0.2, Learn: true}
	made, err := s.backend.NewLoss(learned)
	s.must(err)
	kernel, ok := made.(graph.FittedKernel)
	if !ok {
		s.Fatal("a loss that learns is no graph.FittedKernel")
	}
	check := func(what string, parameters []float32, b graph.Scored) {
		s.Helper()
		n := len(b.Cosines)
		ds, by := make([]float32, n), make([]float32, len(parameters))
		value := learned.EvaluateAt(b, parameters, ds, by)
		got, err := kernel.ForwardAt(s.array(b.Cosines, n), s.array(parameters, len(parameters)), &graph.Batch{Labels: b.Labels, Low: b.Low, Groups: b.Groups})
		s.must(err)
		s.near("loss "+what, s.download(got), []float64{value})
		for _, upstream := range []float32{0.5, 1, -3} {
			gradient, err := made.Backward(upstream)
			s.must(err)
			s.near("gradient "+what, s.download(gradient), times(Widen(ds), upstream))
			of, err := kernel.ByParameters(upstream)
			s.must(err)
			// A sum over pairs, of which those on either side of the threshold cancel.
			s.compare("derivative by parameters "+what, s.download(of), times(Widen(by), upstream), 1e-30, math.Abs(float64(upstream))*s.tolerance*absolute(ds))
		}
	}
	n := 60
	_, err = kernel.ForwardAt(s.array(nans(n), n), s.array(nans(2), 2), s.poison(1, n))
	s.must(err)
	for _, n := range []int{1, 37, 1500} {
		b := graph.Scored{Cosines: randomCosines(s.rng, n), Labels: randomLabels(s.rng, n, -1), Low: -1, Groups: randomGroups(s.rng, n)}
		check(fmt.Sprintf("of %d pairs", n), []float32{float32(1 + 2*s.rng.Float64()), float32(s.rng.Float64() - 0.5)}, b)
	}
	checked := map[graph.Logistic]bool{}
	for i, r := range PyTorchLosses(s.T) {
		loss, ok := r.Objective(s.T).(*graph.Logistic)
		if !ok || checked[*loss] {
			continue
		}
		checked[*loss] = true
		loss.Learn = true
		b := graph.Scored{Cosines: r.Cosines, Labels: r.Labels, Low: r.Low, Groups: r.Groups}
		what := fmt.Sprintf("%d of PyTorch, logistic%s", i, r.Settings)
		check(what, loss.Parameters(), b)
		gradient, err := made.Backward(1)
		s.must(err)
		s.near("gradient "+what, s.download(gradient), r.Gradient)
	}
}

func absolute(x []float32) (sum float64) {
	for _, v := range x {
		sum += math.Abs(float64(v))
	}
	return sum
}
