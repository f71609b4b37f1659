package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Each micro-kernel's masks are what Philox says, block by block.
func TestMasks(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 1))
	for _, m := range micros() {
		for range 20 {
			d := newDropper(m, Dropout{Rate: rng.Float64(), Seed: rng.Uint64(), Step: rng.Uint32(), Row: rng.Uint32N(1000)})
			side, row := rng.Uint32N(2), rng.Uint32N(1000)
			dim := 1 + rng.IntN(700)
			var mask rowMask
			d.draw(&mask, side, row, dim)
			for column := range dim {
				word := Philox([4]uint32{d.step, side, d.row + row, uint32(column / 4)}, [2]uint32{d.keys[0], d.keys[1]})[column%4]
				if kept := mask.bits[column/64]>>(column%64)&1 == 1; kept != (word >= d.bound) {
					t.Fatalf("%s: element %d is kept: %v, its word is %d of %d", m.name, column, kept, word, d.bound)
				}
			}
		}
	}
}

// operandOf is an operand of one micro-kernel.
func operandOf(p *Pool, m micro, d int) *Operand {
	x := p.NewOperand(d, Single)
	x.micro = m
	return x
}

func gradientOf(p *Pool, m micro, k int) *Gradient {
	g := p.NewGradient(k, Single)
	g.micro = m
	return g
}

// Both products of an operand agree with float64 on sizes that fill no panel,
// the second time with the memory of a larger batch, and have the same bits for
// any number of threads.
func TestOperand(t *testing.T) {
	sizes := [][3]int{{1, 1, 1}, {130, 70, 90}, {400, blockK + 37, 33}, {blockK/2 + 8, 21, 40}, {3, 5, 7}, {13, 64, 33}, {67, 129, 31}, {800, 13, 5}, {24, 97, 257}, {1, 200, 3}}
	for _, m := range append(everybody(), coarse()...) {
		most := coarseness(m)
		first := map[string][]float32{}
		for _, threads := range []int{1, 2, 3, 8} {
			for _, size := range sizes {
				pairs, d, k := size[0], size[1], size[2]
				rng := rand.New(rand.NewPCG(uint64(pairs), uint64(d)))
				table, matrix := random(rng, 50*d), random(rng, d*k)
				left, right := rowsOf(rng, pairs, 50), rowsOf(rng, pairs+pairs%2, 50)
				drop := Dropout{Rate: 0.2, Seed: 3, Step: uint32(k)}
				p := NewPool(threads)
				x, g := operandOf(p, m, d), gradientOf(p, m, k)
				x.Gather(Source{Table: random(rng, d)}, make([]int32, pairs+17), nil, Dropout{}) // a larger batch before
				from, less := Source{Table: table}, table
				if d%2 == 1 { // of the other sizes, rows hold nothing else
					from = Source{Table: poisoned(50 * (d + 3)), Width: d + 3}
					for i := range 50 {
						copy(from.Table[i*from.Width:], table[i*d:(i+1)*d])
					}
				}
				if k%2 == 1 { // the other sizes go without an offset
					from.Offset = random(rng, d)
					less = slices.Clone(table)
					for i := range less {
						less[i] -= from.Offset[i%d]
					}
				}
				x.Gather(from, left, right, drop)

				n := len(left) + len(right)
				want := make([]float32, n*d)
				p.Gather(d, less, left, 0, drop, want)
				p.Gather(d, less, right, 1, drop, want[len(left)*d:])
				projected := poisoned(n * k)
				x.Times(matrix, k, projected)
				together := poisoned(n * k)
				if x.GatherTimes(from, left, right, drop, matrix, k, together); !slices.Equal(together, projected) {
					t.Errorf("%s, %d pairs, %d → %d: other bits where gathering and packing are one", m.name, pairs, d, k)
				}
				dp := random(rng, n*k)
				g.Pack(dp)
				dm := poisoned(d * k)
				x.TransposedTimes(g, dm)

				name := fmt.Sprintf("%s, %d pairs, %d → %d", m.name, pairs, d, k)
				again := poisoned(n * k)
				p.multiply(m, n, k, d, view{want, d, 1}, view{matrix, 1, k}, again)
				if !slices.Equal(projected, again) {
					t.Errorf("%s: Gemm gives other bits than the operand", name)
				}
				if e := relativeError(projected, product64(n, k, d, func(i, j int) float32 { return want[i*d+j] }, func(i, j int) float32 { return matrix[i*k+j] })); !(e <= most) {
					t.Errorf("%s: X·M is off by %g", name, e)
				}
				if e := relativeError(dm, product64(d, k, n, func(i, j int) float32 { return want[j*d+i] }, func(i, j int) float32 { return dp[i*k+j] })); !(e <= most) {
					t.Errorf("%s: Xᵀ·G is off by %g", name, e)
				}
				both := slices.Concat(projected, dm)
				if threads == 1 {
					first[name] = both
				} else if !slices.Equal(both, first[name]) {
					t.Errorf("%s: %d threads give other bits", name, threads)
				}
			}
		}
	}
}

func rowsOf(rng *rand.Rand, n, of int) []int32 {
	rows := make([]int32, n)
	for i := range rows {
		rows[i] = int32(rng.IntN(of))
	}
	return rows
}

// The gradient of the cosines arrives in panels as Pool.Cosines has it, times ds.
func TestGradientPull(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 1))
	for _, m := range micros() {
		if m.tiling != nil {
			continue // TestSplitPulls reads its panels
		}
		for _, size := range [][2]int{{1, 1}, {5, 33}, {40, 70}, {33, 31}, {blockK/2 + 7, 35}} {
			pairs, k := size[0], size[1]
			p := NewPool(2)
			rows, ds := random(rng, 2*pairs*k), random(rng, pairs)
			want, s := slices.Clone(rows), make([]float32, pairs)
			p.Cosines(k, want[:pairs*k], want[pairs*k:], s, want[:pairs*k], want[pairs*k:])
			for i := range want {
				want[i] *= ds[i/k%pairs]
			}
			a, b, got := gradientOf(p, m, k), gradientOf(p, m, k), make([]float32, pairs)
			a.Pack(want)
			b.g.data = poisoned(len(a.g.data) + 3)
			b.Cosines(rows, got)
			b.Pull(ds)
			b.Pull(ds) // from what Cosines kept
			// Rounded once more or less, and what cancels to nothing.
			same := func(x, y float32) bool {
				return math.Abs(float64(x)-float64(y)) <= 2.4e-7*math.Abs(float64(y))+1e-14
			}
			for i, of := range [][2][]float32{{got, s}, {b.g.data, a.g.data}} {
				if !slices.EqualFunc(of[0], of[1], same) {
					t.Errorf("%s, %d pairs of %d: other %s", m.name, pairs, k, [2]string{"cosines", "panels"}[i])
				}
			}
		}
	}
}

// A step that has run once allocates nothing but what Run's callers close over.
func TestStepAllocatesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 1))
	const pairs, d, k = 50, 70, 40
	table, matrix, rows := random(rng, 60*d), random(rng, d*k), rowsOf(rng, pairs, 60)
	p := NewPool(2)
	p.Keep()
	defer p.Close()
	x, g := p.NewOperand(d, Single), p.NewGradient(k, Single)
	projected, dm, s, ds := make([]float32, 2*pairs*k), make([]float32, d*k), make([]float32, pairs), random(rng, pairs)
	allocations := testing.AllocsPerRun(20, func() {
		x.Gather(Source{Table: table}, rows, rows, Dropout{Rate: 0.1})
		x.Times(matrix, k, projected)
		g.Cosines(projected, s)
		g.Pull(ds)
		x.TransposedTimes(g, dm)
	})
	if allocations > 0 {
		t.Errorf("%v allocations a step", allocations)
	}
}

// Every kernel's Adam rounds as the portable one does.
func TestAdam(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 1))
	for _, m := range micros() {
		for _, n := range []int{0, 1, 15, 16, 17, 64, 333} {
			for _, anchored := range []bool{false, true} {
				s := AdamStep{0.01, 0.9, 1 - 0.9, 0.999, 1 - 0.999, 0.003, 1.7, 1e-8, 0.99}
				w, g, mean, square := random(rng, n), random(rng, n), random(rng, n), random(rng, n)
				for i := range square {
					square[i] *= square[i]
				}
				var start []float32
				if anchored {
					start = random(rng, n)
				}
				want := [][]float32{slices.Clone(w), slices.Clone(mean), slices.Clone(square)}
				s.generic(want[0], g, want[1], want[2], start)
				s.with(m, w, g, mean, square, start)
				if !slices.Equal(w, want[0]) || !slices.Equal(mean, want[1]) || !slices.Equal(square, want[2]) {
					t.Errorf("%s, %d elements, anchored %v: other bits", m.name, n, anchored)
				}
			}
		}
	}
}

// Every kernel's gradient descent rounds as the portable one does.
func TestMomentum(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 2))
	for _, m := range micros() {
		for _, n := range []int{0, 1, 15, 16, 17, 64, 333} {
			s := MomentumStep{0.9, 0.003}
			w, g, v := random(rng, n), random(rng, n), random(rng, n)
			want := [][]float32{slices.Clone(w), slices.Clone(v)}
			s.generic(want[0], g, want[1])
			s.with(m, w, g, v)
			if !slices.Equal(w, want[0]) || !slices.Equal(v, want[1]) {
				t.Errorf("%s, %d elements: other bits", m.name, n)
			}
		}
	}
}
