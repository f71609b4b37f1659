package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
)

// The vectors are those of Random123's kat_vectors for philox4x32 with 10 rounds.
func TestPhiloxKnownAnswers(t *testing.T) {
	const ones = math.MaxUint32
	tests := []struct {
		counter [4]uint32
		key     [2]uint32
		want    [4]uint32
	}{
		{[4]uint32{}, [2]uint32{},
			[4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[4]uint32{ones, ones, ones, ones}, [2]uint32{ones, ones},
			[4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0},
			[4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	}
	for _, test := range tests {
		if got := Philox(test.counter, test.key); got != test.want {
			t.Errorf("Philox(%x, %x) = %x, want %x", test.counter, test.key, got, test.want)
		}
	}
}

func TestParallelCoversEachIndexOnce(t *testing.T) {
	for _, n := range []int{0, 1, 2, 7, 1000} {
		for _, threads := range []int{0, 1, 2, 8, 2000} {
			calls := make([]atomic.Int32, n)
			var running, most atomic.Int32
			NewPool(threads).Run(n, func(i int) {
				now := running.Add(1)
				for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
				}
				calls[i].Add(1)
				running.Add(-1)
			})
			for i := range calls {
				if c := calls[i].Load(); c != 1 {
					t.Errorf("n = %d, %d threads: index %d has %d calls", n, threads, i, c)
				}
			}
			if m := int(most.Load()); m > max(threads, 1) {
				t.Errorf("n = %d, %d threads: %d ran at a time", n, threads, m)
			}
		}
	}
}

func TestParallelRowsCoversEachRowOnce(t *testing.T) {
	for _, n := range []int{0, 1, rowBlock - 1, rowBlock, rowBlock + 1, 5*rowBlock + 3} {
		calls := make([]int, n)
		NewPool(3).rows(n, func(lo, hi int) {
			for i := lo; i < hi; i++ {
				calls[i]++
			}
		})
		if !slices.Equal(calls, slices.Repeat([]int{1}, n)) {
			t.Errorf("calls of %d rows: %v", n, calls)
		}
	}
}

func TestGatherCopiesRows(t *testing.T) {
	const d, texts = 7, 5
	table := random(rand.New(rand.NewPCG(3, 0)), texts*d)
	rows := []int32{4, 0, 4, 2, 1, 1}
	out := poisoned(len(rows) * d)
	NewPool(2).Gather(d, table, rows, 0, Dropout{Seed: 9, Step: 1}, out)
	for i, row := range rows {
		if want := table[int(row)*d:][:d]; !slices.Equal(out[i*d:][:d], want) {
			t.Errorf("row %d is %v, want %v", i, out[i*d:][:d], want)
		}
	}
}

// ones gathers n rows of d ones, so that the result is the mask times the scale.
func ones(threads, n, d int, side uint32, drop Dropout) []float32 {
	out := poisoned(n * d)
	NewPool(threads).Gather(d, slices.Repeat([]float32{1}, d), make([]int32, n), side, drop, out)
	return out
}

// The share of zeros is binomial: five standard deviations are allowed.
func TestGatherDropoutRateAndScale(t *testing.T) {
	const n, d = 400, 257
	for _, rate := range []float64{0.01, 0.1, 0.3, 0.5, 0.9} {
		scale, zeros := float32(1/(1-rate)), 0
		for _, x := range ones(2, n, d, 0, Dropout{Rate: rate, Seed: 7, Step: 3}) {
			switch x {
			case 0:
				zeros++
			case scale:
			default:
				t.Fatalf("rate %g: a 1 has become %g, want 0 or %g", rate, x, scale)
			}
		}
		share, deviation := float64(zeros)/(n*d), math.Sqrt(rate*(1-rate)/(n*d))
		if math.Abs(share-rate) > 5*deviation {
			t.Errorf("rate %g: %g of the elements are zero, off by %.1f standard deviations", rate, share, (share-rate)/deviation)
		}
	}
}

// The definition in Gather's comment, element by element.
func TestGatherMaskIsPhilox(t *testing.T) {
	const n, d, side = 40, 11, 1
	drop := Dropout{Rate: 0.4, Seed: 0x0123456789abcdef, Step: 17, Row: 1000}
	out := ones(3, n, d, side, drop)
	for i := range n {
		for c := range d {
			word := Philox([4]uint32{17, side, uint32(1000 + i), uint32(c / 4)}, [2]uint32{0x89abcdef, 0x01234567})[c%4]
			if dropped := float64(word) < 0.4*(1<<32); dropped != (out[i*d+c] == 0) {
				t.Fatalf("element (%d, %d) is %g, the generator says dropped = %t", i, c, out[i*d+c], dropped)
			}
		}
	}
}

func TestGatherDoesNotDependOnDivision(t *testing.T) {
	const n, d = 101, 13
	rng := rand.New(rand.NewPCG(4, 0))
	table, rows := random(rng, 20*d), make([]int32, n)
	for i := range rows {
		rows[i] = int32(rng.IntN(20))
	}
	drop := Dropout{Rate: 0.25, Seed: 5, Step: 2, Row: 30}
	whole := poisoned(n * d)
	NewPool(1).Gather(d, table, rows, 1, drop, whole)
	for _, threads := range []int{1, 2, 8} {
		for _, piece := range []int{1, 10, 64, n} {
			out := poisoned(n * d)
			for lo := 0; lo < n; lo += piece {
				part := drop
				part.Row += uint32(lo)
				NewPool(threads).Gather(d, table, rows[lo:min(lo+piece, n)], 1, part, out[lo*d:])
			}
			if !slices.Equal(out, whole) {
				t.Errorf("%d threads, pieces of %d rows: not what one piece gives", threads, piece)
			}
		}
	}
}

// Two independent masks of rate r agree on a zero with probability r².
func TestGatherMasksAreIndependent(t *testing.T) {
	const n, d, rate = 300, 200, 0.3
	first := Dropout{Rate: rate, Seed: 1, Step: 1}
	tests := map[string]struct {
		side uint32
		drop Dropout
	}{
		"other side": {1, first},
		"next step":  {0, Dropout{Rate: rate, Seed: 1, Step: 2}},
		"other seed": {0, Dropout{Rate: rate, Seed: 2, Step: 1}},
		"high word":  {0, Dropout{Rate: rate, Seed: 1 | 1<<32, Step: 1}},
		"next row":   {0, Dropout{Rate: rate, Seed: 1, Step: 1, Row: 1}},
	}
	a := ones(2, n, d, 0, first)
	for name, test := range tests {
		both := 0
		for i, x := range ones(2, n, d, test.side, test.drop) {
			if x == 0 && a[i] == 0 {
				both++
			}
		}
		const p = rate * rate
		share, deviation := float64(both)/(n*d), math.Sqrt(p*(1-p)/(n*d))
		if math.Abs(share-p) > 5*deviation {
			t.Errorf("%s: %g of the elements are dropped in both, want about %g", name, share, p)
		}
	}
}

// cosineReference returns the cosine of a and b and its gradients in float64, all 0 where one is a vector of zeros.
func cosineReference(a, b []float32) (cosine float64, ga, gb []float64) {
	var dot, aa, bb float64
	for j := range a {
		dot += float64(a[j]) * float64(b[j])
		aa += float64(a[j]) * float64(a[j])
		bb += float64(b[j]) * float64(b[j])
	}
	ga, gb = make([]float64, len(a)), make([]float64, len(a))
	if aa == 0 || bb == 0 {
		return 0, ga, gb
	}
	length := math.Sqrt(aa) * math.Sqrt(bb)
	for j := range a {
		x, y := float64(a[j]), float64(b[j])
		ga[j] = y/length - dot/length*x/aa
		gb[j] = x/length - dot/length*y/bb
	}
	return dot / length, ga, gb
}

// near compares by relative error in the Euclidean norm, exactly where the reference is zero.
func near(t *testing.T, what string, got []float32, want []float64) {
	t.Helper()
	if slices.Max(want) == 0 && slices.Min(want) == 0 {
		if !slices.Equal(got, make([]float32, len(want))) {
			t.Errorf("%s: %v, want zeros", what, got)
		}
		return
	}
	if e := relativeError(got, want); !(e <= 1e-6) {
		t.Errorf("%s: relative error %g", what, e)
	}
}

func TestCosines(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 0))
	for _, shape := range [][2]int{{1, 1}, {1, 2}, {5, 3}, {70, 33}, {33, 128}} {
		for _, scale := range []float32{1, 1e-18, 1e18} {
			n, k := shape[0], shape[1]
			l, r := random(rng, n*k), random(rng, n*k)
			for i := range l {
				l[i] *= scale
			}
			if n > 4 {
				clear(l[1*k : 2*k]) // zeros on the left, on the right, and on both sides
				clear(r[2*k : 3*k])
				clear(l[3*k : 4*k])
				clear(r[3*k : 4*k])
			}
			t.Run(fmt.Sprintf("%dx%d times %g", n, k, scale), func(t *testing.T) { checkCosines(t, k, l, r) })
		}
	}
}

func checkCosines(t *testing.T, k int, l, r []float32) {
	n := len(l) / k
	s, gl, gr := poisoned(n), poisoned(n*k), poisoned(n*k)
	NewPool(1).Cosines(k, l, r, s, gl, gr)
	for i := range n {
		cosine, ga, gb := cosineReference(l[i*k:][:k], r[i*k:][:k])
		near(t, fmt.Sprintf("cosine %d", i), s[i:i+1], []float64{cosine})
		if k > 1 { // in one dimension the gradient is 0, but for rounding
			near(t, fmt.Sprintf("left gradient %d", i), gl[i*k:][:k], ga)
			near(t, fmt.Sprintf("right gradient %d", i), gr[i*k:][:k], gb)
		}
	}
	for _, threads := range []int{1, 2, 8} {
		alone := poisoned(n)
		NewPool(threads).Cosines(k, l, r, alone, nil, nil)
		inL, inR, over := slices.Clone(l), slices.Clone(r), poisoned(n)
		NewPool(threads).Cosines(k, inL, inR, over, inL, inR)
		if !slices.Equal(alone, s) || !slices.Equal(over, s) {
			t.Errorf("%d threads: the cosines have other bits", threads)
		}
		if !slices.Equal(inL, gl) || !slices.Equal(inR, gr) {
			t.Errorf("%d threads: gradients written over their inputs have other bits", threads)
		}
	}
}

// Equal vectors: the cosine is 1, and of its gradient, 0, only rounding of the terms that cancel is left.
func TestCosinesOfEqualVectors(t *testing.T) {
	const n, k = 50, 37
	x := random(rand.New(rand.NewPCG(6, 0)), n*k)
	s, gl, gr := poisoned(n), poisoned(n*k), poisoned(n*k)
	NewPool(2).Cosines(k, x, x, s, gl, gr)
	for i, cosine := range s {
		if cosine != 1 {
			t.Errorf("cosine %d is %g, want 1", i, cosine)
		}
	}
	for i, g := range append(gl, gr...) {
		if !(math.Abs(float64(g)) <= 1e-15) {
			t.Errorf("element %d of the gradient is %g, want 0", i, g)
		}
	}
}

func TestPairCosines(t *testing.T) {
	const texts, k = 9, 21
	rng := rand.New(rand.NewPCG(7, 0))
	p := random(rng, texts*k)
	clear(p[:k])
	var left, right []int32
	var want []float64
	for range 90 {
		a, b := rng.IntN(texts), rng.IntN(texts)
		cosine, _, _ := cosineReference(p[a*k:][:k], p[b*k:][:k])
		left, right, want = append(left, int32(a)), append(right, int32(b)), append(want, cosine)
	}
	for _, threads := range []int{1, 2, 8} {
		s := poisoned(len(left))
		NewPool(threads).PairCosines(k, p, left, right, s)
		near(t, fmt.Sprintf("%d threads", threads), s, want)
	}
}

func TestNormalize(t *testing.T) {
	const n, k = 70, 19
	for _, scale := range []float32{1, 1e-18, 1e18} {
		x := random(rand.New(rand.NewPCG(8, 0)), n*k)
		for i := range x {
			x[i] *= scale
		}
		clear(x[3*k : 4*k])
		want := make([]float64, n*k)
		for i := range n {
			var square float64
			for _, v := range x[i*k:][:k] {
				square += float64(v) * float64(v)
			}
			if square == 0 {
				continue
			}
			for j, v := range x[i*k:][:k] {
				want[i*k+j] = float64(v) / math.Sqrt(square)
			}
		}
		NewPool(2).Normalize(n, k, x)
		for i := range n {
			near(t, fmt.Sprintf("row %d times %g", i, scale), x[i*k:][:k], want[i*k:][:k])
		}
	}
}
