package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

func random(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// product64 is the float64 reference: entry (i, j) is Σ a(i, p)·b(p, j).
func product64(m, n, k int, a, b func(i, j int) float32) []float64 {
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

func TestGemm(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	sizes := [][3]int{{1, 1, 1}, {2, 4, 3}, {3, 5, 7}, {12, 32, 5}, {65, 67, 129}, {97, 257, 512}, {7, 130, 1025}, {131, 3, 1600}, {96, 256, 768}, {70, 2*mostColumns + 37, 40}}
	for _, micro := range everybody() {
		for _, s := range sizes {
			t.Run(fmt.Sprintf("%s/%dx%dx%d", micro.name, s[0], s[1], s[2]), func(t *testing.T) {
				checkGemm(t, rng, micro, s[0], s[1], s[2])
			})
		}
	}
}

// checkGemm compares a micro-kernel's three products with float64, and the
// bits between thread counts.
func checkGemm(t *testing.T, rng *rand.Rand, micro micro, m, n, k int) {
	t.Helper()
	a, b := random(rng, m*k), random(rng, k*n)
	type entry func(i, j int) float32
	for name, v := range map[string]struct {
		a, b         view
		entryA, entB entry
	}{
		"A·B":  {view{a, k, 1}, view{b, 1, n}, func(i, j int) float32 { return a[i*k+j] }, func(i, j int) float32 { return b[i*n+j] }},
		"Aᵀ·B": {view{a, 1, m}, view{b, 1, n}, func(i, j int) float32 { return a[j*m+i] }, func(i, j int) float32 { return b[i*n+j] }},
		"A·Bᵀ": {view{a, k, 1}, view{b, k, 1}, func(i, j int) float32 { return a[i*k+j] }, func(i, j int) float32 { return b[j*k+i] }},
	} {
		want := product64(m, n, k, v.entryA, v.entB)
		var first []float32
		for _, threads := range []int{1, 2, 3, 8} {
			const guard = 64 // numbers behind C that nobody may touch
			memory := poisoned(m*n + guard)
			c := memory[:m*n]
			NewPool(threads).multiply(micro, m, n, k, v.a, v.b, c)
			if e := relativeError(c, want); !(e <= 1e-6) {
				t.Errorf("%s, %d threads: relative error %g", name, threads, e)
			}
			for i, x := range memory[m*n:] {
				if x == x {
					t.Fatalf("%s: wrote %d numbers past the end of C", name, i+1)
				}
			}
			if first == nil {
				first = c
			} else if !slices.Equal(first, c) {
				t.Errorf("%s: %d threads give other bits than 1 thread", name, threads)
			}
		}
	}
}

// The product of two rows is the same bits in products of every shape, wherever
// the rows stand in them, and by any number of threads.
func TestProductOfTwoRows(t *testing.T) {
	const m, n = 61, 200
	rng := rand.New(rand.NewPCG(3, 4))
	parts := [][4]int{{0, 1, 0, 1}, {60, 1, 199, 1}, {7, 12, 3, 32}, {1, 13, 5, 33}, {0, 49, 64, 129}, {12, 49, 0, 128}, {0, 61, 9, 1}, {5, 2, 0, 200}}
	for _, micro := range everybody() {
		// Whole steps of K, parts of one, and what is left of either.
		for _, k := range []int{1, 47, 384, 768, 769, 1000, 1024, 1536, 1600, 3072} {
			a, b, all := random(rng, m*k), random(rng, n*k), poisoned(m*n)
			NewPool(1).multiply(micro, m, n, k, view{a, k, 1}, view{b, k, 1}, all)
			for _, part := range parts {
				row, rows, column, columns := part[0], part[1], part[2], part[3]
				for _, threads := range []int{1, 2, 5} {
					c := poisoned(rows * columns)
					NewPool(threads).multiply(micro, rows, columns, k, view{a[row*k:], k, 1}, view{b[column*k:], k, 1}, c)
					for i, got := range c {
						if want := all[(row+i/columns)*n+column+i%columns]; got != want {
							t.Errorf("%s, k=%d, %d threads: entry %d of %d × %d is %v, and %v in %d × %d", micro.name, k, threads, i, rows, columns, got, want, m, n)
							break
						}
					}
				}
			}
		}
	}
}

func TestChoose(t *testing.T) {
	list := []micro{{name: "fast"}, {name: "generic/z80"}}
	for name, want := range map[string]string{"": "fast", "fast": "fast", "generic": "generic/z80"} {
		if m, err := choose(name, list); err != nil || m.name != want {
			t.Errorf("COSFIT_CPU=%s chooses %q, %v, want %q", name, m.name, err, want)
		}
	}
	if _, err := choose("abacus", list); err == nil || err.Error() != `COSFIT_CPU is "abacus", this processor can run: fast, generic` {
		t.Errorf("error is %v", err)
	}
}

func TestMicros(t *testing.T) {
	for _, m := range micros() {
		if m.tiling != nil && (lowest%m.rows != 0 || mostColumns%m.columns != 0 || blockK%side != 0 || packedEntries%side != 0) {
			t.Errorf("%s: tiles of %d × %d do not divide its blocks", m.name, m.rows, m.columns)
		}
		if m.tiling == nil && (blockRows%m.rows != 0 || blockColumns%m.columns != 0) {
			t.Errorf("%s: tiles of %d × %d do not divide blocks of %d × %d", m.name, m.rows, m.columns, blockRows, blockColumns)
		}
		if m.tiling == nil && m.rows*m.columns > maxTile {
			t.Errorf("%s: a tile of %d numbers, at most %d fit", m.name, m.rows*m.columns, maxTile)
		}
		plain, _, _ := strings.Cut(m.name, "/")
		if got, err := choose(plain, micros()); err != nil || got.name != m.name {
			t.Errorf("COSFIT_CPU=%s chooses %q, %v", plain, got.name, err)
		}
	}
}

// A COSFIT_CPU that this machine cannot serve must not pass for a test of it.
func TestSelected(t *testing.T) {
	if err := Check(); err != nil {
		t.Error(err)
	}
	if want := os.Getenv("COSFIT_CPU"); !strings.HasPrefix(Name(), want) {
		t.Errorf("COSFIT_CPU is %q, but %q is in use", want, Name())
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
	NewPool(1).Gemm(2, 3, 0, nil, nil, c)
	if !slices.Equal(c, make([]float32, 6)) {
		t.Errorf("a product over nothing is %v, want zeros", c)
	}
}

func BenchmarkGemm(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, micro := range micros() {
		for _, m := range []int{64, 200, 2000} {
			const n, k = 1024, 1536
			x, y, z := random(rng, m*k), random(rng, k*n), make([]float32, m*n)
			for _, threads := range []int{1, 2} {
				b.Run(fmt.Sprintf("%s/m=%d/threads=%d", micro.name, m, threads), func(b *testing.B) {
					p := NewPool(threads)
					p.Keep()
					defer p.Close()
					for b.Loop() {
						p.multiply(micro, m, n, k, view{x, k, 1}, view{y, 1, n}, z)
					}
					b.ReportMetric(2*float64(m)*n*k*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				})
			}
		}
	}
}
