//go:build gpu && linux

package kernels

import (
	"fmt"
	"math"
	"testing"

	"github.com/cosfit/cosfit/cuda/internal/nvidia"
	"github.com/cosfit/cosfit/graph"
)

// losses are every loss on the cosine, and one that uses all that a formula may.
var losses = []graph.DeviceLoss{
	graph.MSE{}, spread{}, graph.Contrastive{Margin: 0.5}, graph.Logistic{Scale: 20, Threshold: 0.1},
	graph.Logistic{Scale: 20, Threshold: 0.1, Learn: true}, graph.CoSENT{Scale: 20}, graph.Triplet{Margin: 0.3}, graph.Pairwise{Scale: 20},
}

// learned are the parameters of a loss that learns some.
func learned(l graph.Objective) []float32 {
	if f, ok := l.(graph.Fitted); ok {
		return f.Parameters()
	}
	return nil
}

// evaluate is the formula in Go, and the derivative by what the loss learns.
func evaluate(l graph.Loss, b graph.Scored, gradient []float32) (value float64, byParameters []float32) {
	parameters := learned(l)
	if parameters == nil {
		return l.Evaluate(b, gradient), nil
	}
	byParameters = make([]float32, len(parameters))
	return l.(graph.FittedLoss).EvaluateAt(b, parameters, gradient, byParameters), byParameters
}

// spread is a loss with two sums, one of which needs the other:
// L = mean (s_i·y_i − mean s·y)², less a quarter of mean s·y.
type spread struct{}

func (spread) Name() string { return "spread" }

func (spread) Evaluate(b graph.Scored, gradient []float32) float64 {
	s, y := b.Cosines, b.Labels
	n, mean, square := float64(len(s)), 0.0, 0.0
	for i := range s {
		mean += float64(s[i]) * float64(y[i]) / n
	}
	for i := range s {
		diff := float64(s[i])*float64(y[i]) - mean
		square += diff * diff / n
		gradient[i] = float32(float64(y[i]) * (2*diff - 0.25) / n)
	}
	return square - 0.25*mean
}

func (spread) CUDA() string {
	return `
__device__ void loss(scored b, float *ds, float *mean) {
	float sum = 0, square = 0;
	each(i, b.n) sum += b.s[i] * b.y[i];
	float middle = block_sum(sum) / b.n;
	each(i, b.n) {
		float diff = b.s[i] * b.y[i] - middle;
		square += diff * diff;
		ds[i] = b.y[i] * (2 * diff - 0.25f) / b.n;
	}
	*mean = block_sum(square) / b.n - 0.25f * middle;
}`
}

// scored draws pairs for a loss: labels in −1..1, half of them at the ends, and
// groups of four.
func (r *rig) scored(n int) graph.Scored {
	b := graph.Scored{Cosines: r.random(n), Labels: r.random(n), Low: -1, Groups: make([]int32, n)}
	scaleBy(b.Cosines, 0.3)
	for i := range b.Groups {
		b.Groups[i] = r.rng.Int32N(int32(n/4 + 1))
		b.Labels[i] = max(-1, min(b.Labels[i], 1))
		if r.rng.IntN(2) == 0 {
			b.Labels[i] = float32(2*r.rng.IntN(2) - 1)
		}
	}
	return b
}

// pairs stages what a loss reads beside the cosines.
func (r *rig) pairs(b graph.Scored) nvidia.Pointer {
	r.Helper()
	n := len(b.Labels)
	j := Job{Labels: upload(r, b.Labels), Low: b.Low, Groups: r.words(b.Groups), Lefts: int32(n)}
	block := make([]byte, JobSize)
	j.Put(block)
	return r.words(block)
}

func TestLossOnDevice(t *testing.T) {
	r := device(t)
	step := r.step(FP32)
	for _, l := range losses {
		k, theta := r.loss(l), upload(r, learned(l))
		dtheta := r.alloc(4 * len(learned(l)))
		sizes := []int{1, 2, 31, 1023, 1024, 1025, 3000, 1 + r.rng.IntN(70)}
		if r.small() {
			sizes = []int{1, 70}
		}
		for _, n := range sizes {
			b := r.scored(n)
			ds, mean, scaled := r.alloc(4*n), r.alloc(4), r.alloc(4*n)
			job := r.pairs(b)
			r.do(k.Run(r.stream, job, upload(r, b.Cosines), theta, ds, dtheta, mean, n), step.Scale(r.stream, ds, scaled, -3, n))
			gradient := make([]float32, n)
			value, byParameters := evaluate(l, b, gradient)
			largest := 1 / float64(n)
			for _, g := range gradient {
				largest = max(largest, math.Abs(float64(g)))
			}
			what := fmt.Sprintf("%s of %d pairs", l.Name(), n)
			r.near("loss "+what, r.download(mean, 1, 4), []float64{value}, 4e-6*(1+value))
			got := r.download(ds, n, 4)
			r.near("gradient "+what, got, widen(gradient), 2e-5*largest)
			if byParameters != nil {
				r.near("derivative by parameters "+what, r.download(dtheta, len(byParameters), 4), widen(byParameters), 4e-6*largest*float64(n))
			}
			scaleBy(got, -3)
			r.same("scaled gradient "+what, r.download(scaled, n, 4), got)
		}
		b := r.scored(9)
		b.Cosines[4], b.Labels[4], b.Labels[5], b.Groups[5] = nan(), 1, b.Low, b.Groups[4]
		ds, mean := r.alloc(36), r.alloc(4)
		r.do(k.Run(r.stream, r.pairs(b), upload(r, b.Cosines), theta, ds, dtheta, mean, 9))
		r.same("loss of NaN with "+l.Name(), r.download(mean, 1, 4), []float32{nan()})
		gradient := make([]float32, 9)
		evaluate(l, b, gradient)
		if g := gradient[4]; g != g {
			r.same("gradient of NaN with "+l.Name(), r.download(ds+16, 1, 4), []float32{nan()})
		}
	}
}
