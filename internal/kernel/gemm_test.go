package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func random(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// product is the float64 reference: entry (i, j) is Σ a(i, p)·b(p, j).
func product(m, n, k int, a, b func(i, j int) float32) []float64 {
	c := make([]float64, m*n)
	for i := range m {
		for j := range n {
			for p := range k {
				c[i*n+j] += float64(a(i, p)) * float64(b(p, j))
			}
		}
	}
	return c
}

func relativeError(got []float32, want []float64) float64 {
	var diff, norm float64
	for i := range want {
		e := float64(got[i]) - want[i]
		diff += e * e
		norm += want[i] * want[i]
	}
	return math.Sqrt(diff / norm)
}

type gemm func(threads, m, n, k int, a, b, c []float32)

func TestGemm(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	sizes := [][3]int{{1, 1, 1}, {2, 4, 3}, {3, 5, 7}, {65, 67, 129}, {64, 64, 512}, {7, 130, 1025}, {131, 3, 600}}
	for _, s := range sizes {
		m, n, k := s[0], s[1], s[2]
		a, b := random(rng, m*k), random(rng, k*n)
		variants := map[string]struct {
			run  gemm
			a, b func(i, j int) float32
		}{
			"A·B":  {Gemm, func(i, j int) float32 { return a[i*k+j] }, func(i, j int) float32 { return b[i*n+j] }},
			"Aᵀ·B": {GemmTN, func(i, j int) float32 { return a[j*m+i] }, func(i, j int) float32 { return b[i*n+j] }},
			"A·Bᵀ": {GemmNT, func(i, j int) float32 { return a[i*k+j] }, func(i, j int) float32 { return b[j*k+i] }},
		}
		for name, v := range variants {
			t.Run(fmt.Sprintf("%s/%dx%dx%d", name, m, n, k), func(t *testing.T) {
				want := product(m, n, k, v.a, v.b)
				var first []float32
				for _, threads := range []int{1, 2, 3, 8} {
					c := poisoned(m * n)
					v.run(threads, m, n, k, a, b, c)
					if e := relativeError(c, want); !(e <= 1e-6) {
						t.Errorf("%d threads: relative error %g", threads, e)
					}
					if first == nil {
						first = c
					} else if !slices.Equal(first, c) {
						t.Errorf("%d threads give other bits than 1 thread", threads)
					}
				}
			})
		}
	}
}

// poisoned returns memory in which a forgotten entry shows.
func poisoned(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(math.NaN())
	}
	return x
}

func TestGemmEmptyInner(t *testing.T) {
	c := poisoned(6)
	Gemm(1, 2, 3, 0, nil, nil, c)
	if !slices.Equal(c, make([]float32, 6)) {
		t.Errorf("a product over nothing is %v, want zeros", c)
	}
}

func BenchmarkGemm(b *testing.B) {
	const m, n, k = 512, 1024, 1536
	rng := rand.New(rand.NewPCG(1, 2))
	x, y, z := random(rng, m*k), random(rng, k*n), make([]float32, m*n)
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("threads=%d", threads), func(b *testing.B) {
			for b.Loop() {
				Gemm(threads, m, n, k, x, y, z)
			}
			b.ReportMetric(2*m*n*k*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}
