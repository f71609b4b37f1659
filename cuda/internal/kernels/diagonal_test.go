//go:build gpu && linux

package kernels

import (
	"fmt"
	"math"
	"testing"
)

func TestDiagonalOnDevice(t *testing.T) {
	r := device(t)
	step := r.step(FP32)
	check := func(d, k int) {
		start, w, dm, unit := r.random(d*k), r.random(k), r.random(d*k), float32(math.Sqrt(float64(k)))
		if d > 2 && k > 2 {
			start[2*k+1], dm[k+2] = nan(), nan() // of column 1, and of column 2
		}
		m, none, dw := r.alloc(4*d*k), r.alloc(4*d*k), r.alloc(4*k)
		onStart := upload(r, start)
		r.do(step.Diagonal(r.stream, onStart, upload(r, w), m, unit, d, k), step.Diagonal(r.stream, onStart, upload(r, make([]float32, k)), none, unit, d, k),
			step.DiagonalGradient(r.stream, onStart, upload(r, dm), dw, unit, d, k))
		want, sums := make([]float64, d*k), make([]float64, k)
		for i, s := range start {
			j := i % k
			want[i] = float64(s) * (1 + float64(unit)*float64(w[j]))
			sums[j] += float64(unit) * float64(s) * float64(dm[i])
		}
		what := fmt.Sprintf("of %d rows of %d", d, k)
		r.near("weighed columns "+what, r.download(m, d*k, 4), want, 1e-5*float64(unit))
		r.near("derivatives by weights "+what, r.download(dw, k, 4), sums, 2e-6*float64(unit)*float64(d))
		r.same("columns without weights "+what, r.download(none, d*k, 4), start)
	}
	r.shapes(check)
	check(130, 33)
	check(33, 128)
	check(1, 1)
}
