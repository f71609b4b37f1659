//go:build gpu && linux

package kernels

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/cosfit/cosfit/cuda/internal/nvidia"
	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/backendtest"
	"github.com/cosfit/cosfit/internal/kernel"
)

func TestGatherOnDevice(t *testing.T) {
	r := device(t)
	cpu := kernel.NewPool(1)
	defer cpu.Close()
	for _, p := range precisions {
		step := r.step(p)
		r.shapes(func(n, d int) {
			texts, width := n+3, d+r.rng.IntN(4)
			table := r.random(texts * width)
			left, right := r.rows(n, texts), r.rows(r.rng.IntN(2*n+1), texts) // sides of different length
			left[0] = int32(texts - 1)                                        // the end of the table
			all := len(left) + len(right)
			plain := columns(table, width, d)
			offset, less := r.random(d), slices.Clone(plain)
			for i := range less {
				less[i] -= offset[i%d]
			}
			for _, with := range []struct {
				offset, table []float32 // and the first columns of the table less it
				drop          graph.Dropout
			}{{nil, plain, graph.Dropout{}}, {nil, plain, graph.Dropout{Rate: 0.4, Seed: r.rng.Uint64(), Step: r.rng.Uint32(), Row: r.rng.Uint32N(1000)}},
				{offset, less, graph.Dropout{}}, {offset, less, graph.Dropout{Rate: 0.4, Seed: r.rng.Uint64()}}} {
				drop := with.drop
				want := make([]float32, all*d)
				cpu.Gather(d, with.table, left, 0, drop, want[:len(left)*d])
				cpu.Gather(d, with.table, right, 1, drop, want[len(left)*d:])
				for i := range want {
					want[i] = asOperand(want[i], p)
				}
				job := r.batch(table, with.offset, width, left, right, nil, drop)
				some := r.rng.IntN(all)
				for _, first := range []int{0, some} {
					count := all - first
					if first > 0 {
						count = 1 + r.rng.IntN(count)
					}
					rows := count + 2 // the last of zeros
					x := r.alloc(rows * d * p.OperandSize())
					r.do(step.Gather(r.stream, job, x, first, count, rows, d))
					r.same(fmt.Sprintf("%s X of %d rows of %d from %d on, of a table %d wide, offset %t, dropout %g", p, count, d, first, width, with.offset != nil, drop.Rate),
						r.download(x, rows*d, p.OperandSize()), append(slices.Clone(want[first*d:(first+count)*d]), make([]float32, 2*d)...))
				}
			}
		})
	}
}

// columns are the first d of rows that have a width.
func columns(table []float32, width, d int) (out []float32) {
	for row := range slices.Chunk(table, width) {
		out = append(out, row[:d]...)
	}
	return out
}

func TestAsIsOnDevice(t *testing.T) {
	r := device(t)
	step := r.step(FP32)
	r.shapes(func(n, k int) {
		texts, width := n+3, k+r.rng.IntN(4)
		table, left, right := r.random(texts*width), r.rows(2, texts), r.rows(n, texts)
		right[n-1] = int32(texts - 1)
		out := r.alloc(4 * n * k)
		r.do(step.AsIs(r.stream, r.batch(table, r.random(k), width, left, right, nil, graph.Dropout{Rate: 0.5}), out, n, k))
		var want []float32
		for _, row := range right {
			want = append(want, table[int(row)*width:][:k]...)
		}
		r.same(fmt.Sprintf("%d right rows of %d, of a table %d wide", n, k, width), r.download(out, n*k, 4), want)
	})
}

// What is no ordinary number stays so in every precision: NaN of any bits,
// infinities and zeros of both signs.
func TestConvertOnDevice(t *testing.T) {
	r := device(t)
	bits := math.Float32frombits
	from := append(r.random(130), nan(), bits(0x7fffffff), bits(0xffffffff), bits(0x7f800001), float32(math.Inf(1)), float32(math.Inf(-1)), 0, bits(1<<31),
		1+1.0/2048, 1+3.0/2048, 1+1.0/256, 1+3.0/256) // ties of tf32 and bf16
	for _, p := range precisions {
		step := r.step(p)
		for _, n := range []int{1, 2, 3, 4, 7, len(from)} {
			for _, r.shift = range []int{0, 4} {
				to := r.alloc(n * p.OperandSize())
				part := from[len(from)-n:]
				r.do(step.Convert(r.stream, upload(r, part), to, n))
				want := make([]float32, n)
				for i, x := range part {
					if want[i] = asOperand(x, p); x == 0 {
						want[i] = x
					}
				}
				r.same(fmt.Sprintf("%s of %d numbers", p, n), r.download(to, n, p.OperandSize()), want)
			}
		}
		r.shift = 0
	}
}

// vectors are P [2n, k] with every kind of pair that a cosine treats apart.
func (r *rig) vectors(n, k int) []float32 {
	p := r.random(2 * n * k)
	left := func(i int) []float32 { return p[i*k : (i+1)*k] }
	right := func(i int) []float32 { return left(n + i) }
	kinds := []func(i int){
		func(i int) { clear(left(i)) },
		func(i int) { clear(right(i)) },
		func(i int) { copy(right(i), left(i)) },
		func(i int) { left(i)[r.rng.IntN(k)] = nan() },
		func(i int) { clear(left(i)); right(i)[0] = nan() },
		func(i int) { scaleBy(left(i), 1e-25); scaleBy(right(i), 1e-20) }, // squares that float32 does not hold
		func(i int) { scaleBy(left(i), 1e18); scaleBy(right(i), 1e19) },
		func(i int) { left(i)[k-1] = float32(math.Inf(1)) },
	}
	if n > len(kinds) {
		for i, change := range kinds {
			change(i)
		}
	}
	return p
}

func scaleBy(x []float32, by float32) {
	for i := range x {
		x[i] *= by
	}
}

func TestCosineOnDevice(t *testing.T) {
	r := device(t)
	step := r.step(FP32)
	check := func(n, k int) {
		p := r.vectors(n, k)
		s, inverses := r.alloc(4*n), r.alloc(8*n)
		r.do(step.Cosine(r.stream, upload(r, p), s, inverses, n, k))
		cosines, ones := make([]float64, n), make([]float64, 2*n)
		gotInverses := r.download(inverses, 2*n, 4)
		for i := range n {
			a, b := widen(p[i*k:(i+1)*k]), widen(p[(n+i)*k:(n+i+1)*k])
			cosines[i] = backendtest.Cosine(a, b)
			for row, v := range map[int][]float64{i: a, n + i: b} {
				length := norm(v)
				ones[row] = 1 // |p| times its inverse
				if norm(a)*norm(b) == 0 || cosines[i] != cosines[i] {
					ones[row], length = float64(gotInverses[row]), 1 // 0, or whatever NaN makes of it
					if cosines[i] == cosines[i] {
						ones[row] = 0
					}
				}
				gotInverses[row] = float32(float64(gotInverses[row]) * length)
			}
		}
		what := fmt.Sprintf("of %d pairs of %d", n, k)
		r.near("cosines "+what, r.download(s, n, 4), cosines, 1e-6)
		r.near("lengths "+what, gotInverses, ones, 1e-6)
	}
	r.shapes(check)
	check(20, 7)
	check(2, 4096)
}

func norm(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return math.Sqrt(sum)
}

func TestPullOnDevice(t *testing.T) {
	r := device(t)
	for _, precision := range precisions {
		step := r.step(precision)
		size := precision.OperandSize()
		check := func(n, k int) {
			p, ds := r.vectors(n, k), r.random(n)
			on, s, inverses, dp := upload(r, p), r.alloc(4*n), r.alloc(8*n), r.alloc(2*n*k*size)
			r.do(step.Cosine(r.stream, on, s, inverses, n, k), step.Pull(r.stream, on, s, inverses, upload(r, ds), dp, n, k))
			got := r.download(dp, 2*n*k, size)
			tolerance := map[Precision]float64{FP32: 1e-6, TF32: 6e-4, BF16: 5e-3}[precision]
			for i := range n {
				a, b := widen(p[i*k:(i+1)*k]), widen(p[(n+i)*k:(n+i+1)*k])
				da, db := gradient(a, b, float64(ds[i]))
				for side, want := range [][]float64{da, db} {
					// Relative to ds/|p|, the most that the gradient can be.
					most := norm([][]float64{a, b}[side])
					part := got[(side*n+i)*k : (side*n+i+1)*k]
					if most == 0 || most != most || math.IsInf(most, 0) {
						most = 1
					}
					relative := make([]float32, k)
					for j := range want {
						want[j] *= most
						relative[j] = float32(float64(part[j]) * most)
					}
					r.near(fmt.Sprintf("%s dP of pair %d of %d, side %d, %d wide", precision, i, n, side, k), relative, want, tolerance*math.Abs(float64(ds[i])))
				}
			}
		}
		r.shapes(check)
		check(20, 7)
	}
}

// gradient is by times that of the cosine of a and b, by formula.
func gradient(a, b []float64, by float64) (da, db []float64) {
	da, db = make([]float64, len(a)), make([]float64, len(b))
	s, m, n := backendtest.Cosine(a, b), norm(a), norm(b)
	for j := range a {
		switch {
		case s != s:
			da[j], db[j] = math.NaN(), math.NaN()
		case m > 0 && n > 0:
			da[j] = by * (b[j]/n - s*a[j]/m) / m
			db[j] = by * (a[j]/m - s*b[j]/n) / n
		}
	}
	return da, db
}

func TestNormalizeOnDevice(t *testing.T) {
	r := device(t)
	step := r.step(FP32)
	check := func(n, k int) {
		p := r.vectors(n, k)
		rows := r.rows(n, 2*n)
		rows[0] = int32(2*n - 1)
		out := r.alloc(4 * n * k)
		r.do(step.Normalize(r.stream, upload(r, p), r.words(rows), out, n, k))
		want := make([]float64, 0, n*k)
		for _, row := range rows {
			v := widen(p[int(row)*k : int(row+1)*k])
			length := norm(v)
			if length == 0 {
				length = 1
			}
			for _, x := range v {
				want = append(want, x/length)
			}
		}
		r.near(fmt.Sprintf("%d unit rows of %d", n, k), r.download(out, n*k, 4), want, 1e-6)
	}
	r.shapes(check)
	check(30, 5)
}

func TestPairCosinesOnDevice(t *testing.T) {
	r := device(t)
	step := r.step(FP32)
	check := func(n, k int) {
		p := r.vectors(n, k)
		left, right := r.rows(n, 2*n), r.rows(n, 2*n)
		left[0], right[n-1] = int32(2*n-1), int32(2*n-1)
		s := r.alloc(4 * n)
		r.do(step.PairCosines(r.stream, upload(r, p), r.words(left), r.words(right), s, n, k))
		want := make([]float64, n)
		for i := range want {
			want[i] = backendtest.Cosine(widen(p[int(left[i])*k:int(left[i]+1)*k]), widen(p[int(right[i])*k:int(right[i]+1)*k]))
		}
		r.near(fmt.Sprintf("cosines of %d pairs of %d", n, k), r.download(s, n, 4), want, 1e-6)
	}
	r.shapes(check)
	check(30, 5)
}

func TestSimilaritiesOnDevice(t *testing.T) {
	r := device(t)
	step := r.step(FP32)
	sizes := [][3]int{{1, 1, 1}, {1, 3, 2}, {5, 4, 33}, {130, 131, 17}, {3, 260, 5}, {129, 1, 48}, {1 + r.rng.IntN(70), 1 + r.rng.IntN(70), 1 + r.rng.IntN(130)}}
	if r.small() {
		sizes = [][3]int{{1, 1, 1}, {3, 131, 17}, {130, 4, 36}}
	}
	for i, size := range sizes {
		m, n, k := size[0], size[1], size[2]
		if r.shift = 0; i%3 == 2 {
			r.shift = 4
		}
		a, b := r.random(m*k), r.random(n*k)
		onA, onB := upload(r, a), upload(r, b)
		out := r.alloc(4 * m * n)
		r.do(step.Similarities(r.stream, onA, onB, out, m, n, k))
		got := r.download(out, m*n, 4)
		var want []float64
		for i := range m {
			for j := range n {
				sum := 0.0
				for c := range k {
					sum += float64(a[i*k+c]) * float64(b[j*k+c])
				}
				want = append(want, sum)
			}
		}
		r.near(fmt.Sprintf("products of %d by %d of %d", m, n, k), got, want, 1e-5*math.Sqrt(float64(k)))

		// The last of each by itself: the same bits.
		one := r.alloc(4)
		r.do(step.Similarities(r.stream, onA+nvidia.Pointer(4*(m-1)*k), onB+nvidia.Pointer(4*(n-1)*k), one, 1, 1, k))
		r.same("a product by itself", r.download(one, 1, 4), got[m*n-1:])
	}
	r.shift = 0
}

// Two launches in a row, with a short batch after a long one, give what each
// gives alone, and the same bits again.
func TestRepeatOnDevice(t *testing.T) {
	r := device(t)
	step := r.step(FP32)
	const n, k = 33, 300
	p := r.random(2 * n * k)
	on := upload(r, p)
	first, second, short := r.alloc(4*n), r.alloc(4*n), r.alloc(4*n)
	inverses := r.alloc(8 * n)
	r.do(step.Cosine(r.stream, on, first, inverses, n, k), step.Cosine(r.stream, on, second, inverses, n, k))
	r.same("cosines again", r.download(second, n, 4), r.download(first, n, 4))
	r.do(step.PairCosines(r.stream, on, r.words([]int32{4, 5}), r.words([]int32{n + 4, n + 5}), short, 2, k))
	got := r.download(short, n, 4)
	r.same("cosines of two pairs among others", got[:2], r.download(first, n, 4)[4:6])
	if i := slices.IndexFunc(got[2:], func(x float32) bool { return x == x }); i >= 0 {
		t.Errorf("number %d behind the end has been written", i)
	}
}
