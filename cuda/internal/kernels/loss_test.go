//go:build gpu && linux

package kernels

import (
	"fmt"
	"testing"

	"github.com/cosfit/cosfit/graph"
)

// losses are every loss on the cosine, and one that uses all that a formula may.
var losses = []graph.DeviceLoss{graph.MSE{}, spread{}}

// spread is a loss with two sums, one of which needs the other:
// L = mean (s_i·y_i − mean s·y)², less a quarter of mean s·y.
type spread struct{}

func (spread) Name() string { return "spread" }

func (spread) Evaluate(s, y, gradient []float32) float64 {
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
__device__ void loss(const float *s, const float *y, int n, float *ds, float *mean) {
	float sum = 0, square = 0;
	each(i, n) sum += s[i] * y[i];
	float middle = block_sum(sum) / n;
	each(i, n) {
		float diff = s[i] * y[i] - middle;
		square += diff * diff;
		ds[i] = y[i] * (2 * diff - 0.25f) / n;
	}
	*mean = block_sum(square) / n - 0.25f * middle;
}`
}

func TestLossOnDevice(t *testing.T) {
	r := device(t)
	for _, l := range losses {
		k := r.loss(l)
		sizes := []int{1, 2, 31, 1023, 1024, 1025, 3000, 1 + r.rng.IntN(70)}
		if r.small() {
			sizes = []int{1, 70}
		}
		for _, n := range sizes {
			s, y := r.random(n), r.random(n)
			scaleBy(s, 0.3)
			ds, mean, scaled := r.alloc(4*n), r.alloc(4), r.alloc(4*n)
			job := r.batch(nil, make([]int32, n), nil, y, graph.Dropout{})
			r.do(k.Run(r.stream, job, upload(r, s), ds, mean, n), k.Scale(r.stream, ds, scaled, -3, n))
			gradient := make([]float32, n)
			value := l.Evaluate(s, y, gradient)
			what := fmt.Sprintf("%s of %d pairs", l.Name(), n)
			r.near("loss "+what, r.download(mean, 1, 4), []float64{value}, 2e-6*(1+value))
			got := r.download(ds, n, 4)
			r.near("gradient "+what, got, widen(gradient), 2e-6/float64(n)*10)
			scaleBy(got, -3)
			r.same("scaled gradient "+what, r.download(scaled, n, 4), got)
		}
		s := r.random(9)
		s[4] = nan()
		ds, mean := r.alloc(36), r.alloc(4)
		r.do(k.Run(r.stream, r.batch(nil, make([]int32, 9), nil, r.random(9), graph.Dropout{}), upload(r, s), ds, mean, 9))
		r.same("loss of NaN", r.download(mean, 1, 4), []float32{nan()})
		r.same("gradient of NaN", r.download(ds+16, 1, 4), []float32{nan()})
	}
}
