package kernel

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// small returns whole numbers, of which sums of products are exact and many are
// equal.
func small(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.IntN(5) - 2)
	}
	return x
}

// nearest is the reference: all products of a query in float64, sorted.
func nearest(query, passages []float32, keep func(passage int32) bool, depth int) []Hit {
	type scored struct {
		score   float64
		passage int32
	}
	var all []scored
	d := len(query)
	for p := range len(passages) / d {
		if !keep(int32(p)) {
			continue
		}
		var sum float64
		for j, x := range query {
			sum += float64(x) * float64(passages[p*d+j])
		}
		if !math.IsNaN(sum) {
			all = append(all, scored{sum, int32(p)})
		}
	}
	slices.SortFunc(all, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.passage, b.passage))
	})
	hits := make([]Hit, min(depth, len(all)))
	for i := range hits {
		hits[i] = Hit{float32(all[i].score), all[i].passage}
	}
	return hits
}

// Each micro-kernel finds what sorting finds, for sizes that fill no block, with
// ties, a filter, passages that come in parts, and any number of threads.
func TestSearch(t *testing.T) {
	sizes := []struct{ n, m, d, depth int }{
		{1, 1, 1, 1}, {3, 5, 7, 2}, {13, 200, 33, 10}, {1, 1000, 12, 1000}, {50, 129, blockK + 5, 7},
		{5, 40, 16, 100}, {tallest*blockRows + 1, 300, 5, 20}, {97, 2*blockColumns + 1, 40, 3}, {9, 7000, 310, 5}, {20, 700, 4100, 6},
	}
	for _, m := range everybody() {
		for _, size := range sizes {
			rng := rand.New(rand.NewPCG(uint64(size.n), uint64(size.m)))
			queries, passages := small(rng, size.n*size.d), small(rng, size.m*size.d)
			passages[rng.IntN(len(passages))] = float32(math.NaN()) // of a passage that nobody finds
			keep := func(query int, passage int32) bool { return (query+int(passage))%7 != 0 }
			want := make([][]Hit, size.n)
			for q := range want {
				want[q] = nearest(queries[q*size.d:][:size.d], passages, func(p int32) bool { return keep(q, p) }, size.depth)
			}
			for _, threads := range []int{1, 2, 5} {
				s := NewPool(threads).newSearch(m, size.n, size.d, size.depth, queries)
				s.Keep = keep
				for _, part := range cuts(rng, size.m) {
					s.Add(part[1]-part[0], int32(part[0]), passages[part[0]*size.d:])
				}
				for q := range want {
					if got := s.Best(q); !slices.Equal(got, want[q]) {
						t.Fatalf("%s, %+v, %d threads: query %d found %v, want %v", m.name, size, threads, q, got, want[q])
					}
				}
			}
		}
	}
}

// cuts divides m passages into parts, which come in any order.
func cuts(rng *rand.Rand, m int) (parts [][2]int) {
	for lo := 0; lo < m; {
		hi := lo + 1 + rng.IntN(m)
		parts = append(parts, [2]int{lo, min(hi, m)})
		lo = hi
	}
	rng.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return parts
}

// Of unit vectors the scores are their cosines, to the last bits.
func TestSearchScores(t *testing.T) {
	const n, m, d, depth = 20, 500, 300, 12
	rng := rand.New(rand.NewPCG(4, 2))
	p := NewPool(2)
	queries, passages := random(rng, n*d), random(rng, m*d)
	p.Normalize(n, d, queries)
	p.Normalize(m, d, passages)
	s := p.NewSearch(n, d, depth, queries)
	s.Add(m, 0, passages)
	for q := range n {
		got := s.Best(q)
		want := nearest(queries[q*d:][:d], passages, func(int32) bool { return true }, depth)
		for i := range want {
			if math.Abs(float64(got[i].Score-want[i].Score)) > 1e-6 {
				t.Errorf("query %d: score %d is %g, want %g", q, i, got[i].Score, want[i].Score)
			}
		}
	}
}

// Ranks are ordered as hits are, and give the score back.
func TestRank(t *testing.T) {
	inf := float32(math.Inf(1))
	scores := []float32{-inf, -3, -1, -1e-40, 0, 1e-40, 0.5, 1, inf}
	for i, a := range scores {
		if got := rankScore(rankOf(a, 7)); got != a {
			t.Errorf("the score %g became %g", a, got)
		}
		for j, b := range scores {
			if got := rankOf(a, 5) > rankOf(b, 6); got != (i >= j) {
				t.Errorf("%g is better than %g: %v", a, b, got)
			}
		}
	}
	if rankOf(float32(math.Copysign(0, -1)), 5) != rankOf(0, 5) {
		t.Error("−0 ranks below 0")
	}
}

func TestReach(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 3))
	for _, m := range micros() {
		for n := 1; n < 4; n++ {
			scores := small(rng, 64*n)
			scores[rng.IntN(64*n)] = float32(math.NaN())
			for _, bound := range []float32{float32(math.Inf(-1)), -1, 0, 2, 3} {
				got, want := make([]uint64, n), make([]uint64, n)
				m.reach(&scores[0], n, bound, &got[0])
				for i, x := range scores {
					if x >= bound {
						want[i/64] |= 1 << (i % 64)
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s: %x reach %g, want %x", m.name, got, bound, want)
				}
			}
		}
	}
}

// BenchmarkSearch times a search for the 50 best of 100,000 passages for each of
// 10,000 queries, and the product alone, whose results are written and not
// looked at. They take turns, 8,192 passages at a time.
func BenchmarkSearch(b *testing.B) {
	const n, m, depth, part = 10_000, 100_000, 50, 8192
	for _, d := range []int{384, 768, 1536} {
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("d=%d/threads=%d", d, threads), func(b *testing.B) {
				rng := rand.New(rand.NewPCG(4, 4))
				queries, passages, out := random(rng, n*d), random(rng, m*d), make([]float32, n*part)
				p := NewPool(threads)
				p.Keep()
				defer p.Close()
				var product, search time.Duration
				for b.Loop() {
					start := time.Now()
					s := p.NewSearch(n, d, depth, queries)
					search += time.Since(start)
					for lo := 0; lo < m; lo += part {
						k := min(part, m-lo)
						start = time.Now()
						p.GemmNT(n, k, d, queries, passages[lo*d:], out)
						middle := time.Now()
						s.Add(k, int32(lo), passages[lo*d:])
						product, search = product+middle.Sub(start), search+time.Since(middle)
					}
				}
				flop := 2 * float64(n) * float64(m) * float64(d) * float64(b.N) / 1e9
				b.ReportMetric(flop/product.Seconds(), "product-GFLOP/s")
				b.ReportMetric(flop/search.Seconds(), "search-GFLOP/s")
				b.ReportMetric(product.Seconds()/search.Seconds(), "search/product")
			})
		}
	}
}
