package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// everybody is the micro-kernels of this machine, and one of a matrix engine that
// every machine has.
func everybody() []micro { return append(micros(), portableEngine()) }

// engines are those of matrix engines.
func engines() []micro {
	return slices.DeleteFunc(everybody(), func(m micro) bool { return m.tiling == nil })
}

// coarse are the same with fewer parts.
func coarse() (all []micro) {
	for _, m := range engines() {
		for parts := Single - 1; parts > 0; parts-- {
			one := m.inParts(parts)
			one.name += fmt.Sprintf(" in %d parts", parts)
			all = append(all, one)
		}
	}
	return all
}

// coarseness is by how much products of a micro-kernel may be off.
func coarseness(m micro) float64 {
	if m.tiling == nil {
		return 1e-6
	}
	return map[Parts]float64{1: 1.0 / (1 << 7), 2: 1.0 / (1 << 15), 3: 1e-6}[m.tiling.planes]
}

// held are numbers as a micro-kernel takes them.
func held(x []float32, m micro) []float32 {
	if m.tiling == nil || m.tiling.planes == Single {
		return x
	}
	out := make([]float32, len(x))
	for i, v := range x {
		for range m.tiling.planes {
			out[i] += float32(bfloat16(float64(v - out[i])))
		}
	}
	return out
}

// bfloat16 rounds to eight binary digits.
func bfloat16(x float64) float64 {
	fraction, exponent := math.Frexp(x)
	return math.Ldexp(math.Round(fraction*256)/256, exponent)
}

// portableEngine splits and transposes as AMX does, and multiplies what the parts
// add up to.
func portableEngine() micro {
	return generic().withTiles("portable engine", portableTiling(Single))
}

func portableTiling(planes Parts) *tiling {
	t := &tiling{planes: planes}
	if planes > 1 {
		t.fewer = portableTiling(planes - 1)
	}
	stepSize := t.stepSize()
	t.multiply = func(n, steps int, a, b, c *float32, stride, add int, _ *float32) {
		size := steps * stepSize
		left, right := unsafe.Slice(a, n*size), unsafe.Slice(b, size)
		out := unsafe.Slice(c, (n*side-1)*stride+side)
		for tile := range n {
			var sums [side][side]float32
			for step := range steps {
				x, y := numbersOf(left[tile*size+step*stepSize:], false, planes), numbersOf(right[step*stepSize:], true, planes)
				for row := range side {
					for e, factor := range x[row] {
						for column, v := range y[e] {
							sums[row][column] += factor * v
						}
					}
				}
			}
			for row := range side {
				for column, sum := range sums[row] {
					if to := &out[(tile*side+row)*stride+column]; add == 1 {
						*to += sum
					} else {
						*to = sum
					}
				}
			}
		}
	}
	t.split = func(dst, src *float32, rows, stride, half int) {
		from, to := unsafe.Slice(src, (rows-1)*stride+half+16), unsafe.Slice(dst, int(planes-1)*2*tileSize+16*rows)
		const keeps, rounds = 0xffff0000, 0x8000
		for row := range rows {
			for i := range 16 {
				first, second := from[row*stride+i], from[row*stride+half+i]
				for plane := range planes {
					a, b := math.Float32bits(first), math.Float32bits(second)
					for _, bits := range []*uint32{&a, &b} {
						if x := math.Float32frombits(*bits); plane < 2 && (plane < planes-1 || x == x) {
							*bits += rounds
						}
					}
					a, b = a&keeps, b&keeps
					to[int(plane)*2*tileSize+row*16+i] = math.Float32frombits(a>>16 | b)
					first, second = first-math.Float32frombits(a), second-math.Float32frombits(b)
				}
			}
		}
	}
	t.transpose = func(tile *float32, planes Parts) {
		all := unsafe.Slice(tile, int(2*planes-1)*tileSize)
		for plane := range planes {
			one := all[int(plane)*2*tileSize:][:tileSize]
			for i := range 16 {
				for j := range i {
					one[i*16+j], one[j*16+i] = one[j*16+i], one[i*16+j]
				}
			}
		}
	}
	return t
}

// numbersOf puts the numbers of a step together: [row][entry of K] of A,
// [entry][column] of B.
func numbersOf(step []float32, b bool, planes Parts) (x [side][side]float32) {
	for o := range side {
		for e := range side {
			if b {
				x[e][o] = float32(whole(step, planes, o/16, e%16, o%16, e/16))
			} else {
				x[o][e] = float32(whole(step, planes, o/16, o%16, e%16, e/16))
			}
		}
	}
	return x
}

// halfOf is a number of a tile: the first or the second of a pair in a row.
func halfOf(step []float32, plane, tile, row, pair, second int) float32 {
	word := math.Float32bits(step[plane*2*tileSize+tile*tileSize+row*16+pair])
	if second == 0 {
		word <<= 16
	}
	return math.Float32frombits(word & 0xffff0000)
}

// The processor splits and transposes as the portable engine does, to the last bit.
func TestEnginesAgree(t *testing.T) {
	if !Engine() {
		t.Skip("this machine has no matrix engine, or COSFIT_CPU forces another arithmetic")
	}
	rng := rand.New(rand.NewPCG(20, 1))
	for _, m := range append(engines(), coarse()...) {
		portable := portableTiling(m.tiling.planes)
		stepSize := portable.stepSize()
		for range 100 {
			x := make([]float32, 32*32)
			for i := range x {
				x[i] = math.Float32frombits(rng.Uint32())
				if x[i] != x[i] {
					x[i] = 1 // of what is no number, processors keep different bits
				}
			}
			for _, rows := range []int{1, 16} {
				got, want := make([]float32, stepSize), make([]float32, stepSize)
				m.tiling.split(&got[0], &x[0], rows, 32, 16)
				portable.split(&want[0], &x[0], rows, 32, 16)
				m.tiling.transpose(&got[0], m.tiling.planes)
				portable.transpose(&want[0], portable.planes)
				for i := range got {
					if a, b := math.Float32bits(got[i]), math.Float32bits(want[i]); a != b {
						t.Fatalf("%s, %d rows: number %d is %#x, want %#x", m.name, rows, i, a, b)
					}
				}
			}
		}
	}
}

// A worker's memory is aligned as the engine's loads are.
func TestDeskIsAligned(t *testing.T) {
	r := newRoom()
	for name, at := range map[string]*float32{"part": &r.part[0], "stage": &r.stage[0], "edge": &r.edge[0]} {
		if off := uintptr(unsafe.Pointer(at)) % 64; off != 0 {
			t.Errorf("%s begins %d bytes behind a line of the caches", name, off)
		}
	}
}

// whole is the number whose parts the planes have.
func whole(step []float32, planes Parts, tile, row, pair, second int) (x float64) {
	for plane := range planes {
		x += float64(halfOf(step, int(plane), tile, row, pair, second))
	}
	return x
}

// unpacked reads the panels of a matrix engine back: entry e of K in row or
// column o is number e·outer+o.
func unpacked(p *panels) []float64 {
	x := make([]float64, p.k*p.outer)
	for e := range p.k {
		for o := range p.outer {
			step := p.data[p.at(o/side*side, e/side*side):]
			x[e*p.outer+o] = whole(step, Single, o%side/16, e%16, o%16, e%side/16)
		}
	}
	return x
}

// Numbers come back from their parts, from three of them exactly, in panels of A and
// of B, from memory in either order, whatever their number.
func TestSplit(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 1))
	for _, m := range append(engines(), coarse()...) {
		for range 200 {
			outers, entries := 1+rng.IntN(40), 1+rng.IntN(side)
			x := random(rng, 50*50)
			for i := range x {
				x[i] *= float32(math.Pow(2, float64(rng.IntN(180)-90)))
			}
			x[0], x[1], x[2] = 0, math.MaxFloat32/2, float32(math.Copysign(0, -1))
			outer, k := rng.IntN(50-outers+1), rng.IntN(50-entries+1)
			as := held(x, m)
			for _, from := range []view{{x, 50, 1}, {x, 1, 50}} {
				for _, b := range []bool{false, true} {
					step := poisoned(m.tiling.stepSize())
					m.tiling.splitStep(step, from, outer, outers, k, entries, b, newRoom())
					for o := range side {
						for e := range side {
							want := 0.0
							if o < outers && e < entries {
								want = float64(as[(outer+o)*from.outer+(k+e)*from.inner])
							}
							row, pair := o%16, e%16
							if b {
								row, pair = pair, row
							}
							if got := whole(step, m.tiling.planes, o/16, row, pair, e/16); got != want {
								t.Fatalf("%s, %d × %d, strides %d and %d, B %t: entry (%d, %d) is %g, want %g", m.name, outers, entries, from.outer, from.inner, b, o, e, got, want)
							}
						}
					}
				}
			}
		}
	}
}

// A product by a matrix engine is nearer to float64 than those by arithmetic in
// single precision, on average, and about as near at its worst, whatever the
// numbers' range and signs. An error counts by what the products' sizes add up to.
func TestTilesPrecision(t *testing.T) {
	if !Engine() {
		t.Skip("this machine has no matrix engine, or COSFIT_CPU forces another arithmetic")
	}
	rng := rand.New(rand.NewPCG(22, 1))
	numbers := map[string]func() float64{
		"normal":    rng.NormFloat64,
		"positive":  rng.Float64,
		"far apart": func() float64 { return rng.NormFloat64() * math.Exp(4*rng.NormFloat64()) },
		"tiny":      func() float64 { return rng.NormFloat64() * 1e-15 },
		"huge":      func() float64 { return rng.NormFloat64() * 1e17 },
		"whole":     func() float64 { return float64(rng.IntN(1 << 12)) },
	}
	const m, n = 70, 90
	for _, engine := range []micro{current()} {
		for name, number := range numbers {
			for _, k := range []int{33, 384, 1536, 3072} {
				a, b := make([]float32, m*k), make([]float32, k*n)
				for _, x := range [][]float32{a, b} {
					for i := range x {
						x[i] = float32(number())
					}
				}
				want := product64(m, n, k, func(i, j int) float32 { return a[i*k+j] }, func(i, j int) float32 { return b[i*n+j] })
				size := product64(m, n, k, func(i, j int) float32 { return max(a[i*k+j], -a[i*k+j]) }, func(i, j int) float32 { return max(b[i*n+j], -b[i*n+j]) })
				errors := func(by micro) (mean, worst float64) {
					c := poisoned(m * n)
					NewPool(2).multiply(by, m, n, k, view{a, k, 1}, view{b, 1, n}, c)
					for i, x := range c {
						e := math.Abs(float64(x)-want[i]) / size[i]
						mean += e / float64(len(c))
						worst = max(worst, e)
					}
					return mean, worst
				}
				mean, worst := errors(engine)
				for _, other := range []micro{generic(), vectors()} {
					if m, w := errors(other); !(mean <= m) || !(worst <= 1.2*w) {
						t.Errorf("%s, %s numbers, K = %d: errors of %.2g, at worst %.2g; those of %s are %.2g, %.2g", engine.name, name, k, mean, worst, other.name, m, w)
					}
				}
			}
		}
	}
}

// What is no number shows in every entry that depends on it, and in no other;
// infinity shows as one or as no number.
func TestTilesNotFinite(t *testing.T) {
	rng := rand.New(rand.NewPCG(23, 1))
	const m, n, k = 37, 41, 100
	for _, engine := range append(engines(), coarse()...) {
		for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			for _, bits := range []uint32{0, 0x7fffffff, 0xffffffff, 0x7f800001, 0xff808000} { // 0: bad itself
				a, b := random(rng, m*k), random(rng, k*n)
				row, e := rng.IntN(m), rng.IntN(k)
				a[row*k+e] = float32(bad)
				if bits != 0 {
					a[row*k+e] = math.Float32frombits(bits)
				}
				c := make([]float32, m*n)
				NewPool(1).multiply(engine, m, n, k, view{a, k, 1}, view{b, 1, n}, c)
				for i, x := range c {
					finite := !math.IsNaN(float64(x)) && !math.IsInf(float64(x), 0)
					if finite == (i/n == row) {
						t.Fatalf("%s, %g (%#x) in row %d: entry (%d, %d) is %g", engine.name, bad, bits, row, i/n, i%n, x)
					}
				}
			}
		}
	}
}

// Products of numbers whose parts are below the smallest normal number lose those
// parts, and no more.
func TestTilesSubnormal(t *testing.T) {
	if !Engine() {
		t.Skip("this machine has no matrix engine, or COSFIT_CPU forces another arithmetic")
	}
	for _, engine := range []micro{current()} {
		const k = 40
		a, b := make([]float32, k), make([]float32, k)
		for i := range a {
			a[i], b[i] = 1.2345e-36, 1.7654321
		}
		a[0] = math.SmallestNonzeroFloat32
		c := make([]float32, 1)
		NewPool(1).multiply(engine, 1, 1, k, view{a, k, 1}, view{b, 1, 1}, c)
		if want := (k - 1) * float64(a[1]) * float64(b[1]); !(math.Abs(float64(c[0])-want) <= 0.01*want) {
			t.Errorf("%s: a product of tiny numbers is %g, want %g", engine.name, c[0], want)
		}
	}
}

// The engine's registers outlast signals and garbage collections, which interrupt
// a product anywhere: the system saves them.
func TestTilesInterrupted(t *testing.T) {
	if !Engine() {
		t.Skip("this machine has no matrix engine, or COSFIT_CPU forces another arithmetic")
	}
	rng := rand.New(rand.NewPCG(26, 1))
	const m, n, k = 200, 300, 700
	a, b := random(rng, m*k), random(rng, k*n)
	for _, engine := range []micro{current()} {
		want := make([]float32, m*n)
		NewPool(1).multiply(engine, m, n, k, view{a, k, 1}, view{b, 1, n}, want)
		var stop atomic.Bool
		var others sync.WaitGroup
		others.Go(func() {
			for !stop.Load() {
				runtime.GC() // stops each goroutine by a signal
			}
		})
		for range 8 { // more goroutines than processors, which take each other's threads
			others.Go(func() {
				p := NewPool(2)
				for range 20 {
					c := poisoned(m * n)
					if p.multiply(engine, m, n, k, view{a, k, 1}, view{b, 1, n}, c); !slices.Equal(c, want) {
						t.Errorf("%s: other bits when interrupted", engine.name)
						return
					}
				}
			})
		}
		time.AfterFunc(2*time.Second, func() { stop.Store(true) })
		others.Wait()
	}
}

// Blocks cover C whatever its size and the number of threads, and keep what
// gathering depends on.
func TestDivideTiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(24, 1))
	for range 2000 {
		m, n, threads := 1+rng.IntN(3000), 1+rng.IntN(5000), 1+rng.IntN(20)
		p := product{micro: micro{tiling: new(tiling)}, m: m, n: n}
		p.divide(threads)
		p.narrow(threads)
		name := fmt.Sprintf("%d × %d by %d threads: %d blocks of %d rows, %d of %d columns", m, n, threads, p.rowBlocks, p.rowBlock, p.beside, p.columnBlock)
		if p.rowBlock%partColumns != 0 || p.rowBlock > highest || p.columnBlock%side != 0 || p.columnBlock > mostColumns {
			t.Errorf("%s: no such blocks", name)
		}
		if p.rowBlocks*p.rowBlock < m || (p.rowBlocks-1)*p.rowBlock >= m || p.beside*p.columnBlock < n || (p.beside-1)*p.columnBlock >= n {
			t.Errorf("%s: they do not cover C, or one is empty", name)
		}
		if p.rowBlocks*p.beside < threads && p.rowBlock*p.rowBlocks > m+lowest && p.columnBlock > blockColumns {
			t.Errorf("%s: threads are idle", name)
		}
	}
}

// A batch of 2,000 rows, and a matrix of 1,536, give two threads equal work.
func TestDivideTilesEvenly(t *testing.T) {
	for m, want := range map[int]int{2000: 128, 1536: 192, 128: 64, 384: 192, 200: 128} {
		p := product{micro: micro{tiling: new(tiling)}, m: m, n: 1024}
		if p.divide(2); p.rowBlock != want {
			t.Errorf("%d rows are divided into blocks of %d, want %d", m, p.rowBlock, want)
		}
	}
}

// The panels of a gradient are what they would be from memory.
func TestSplitPulls(t *testing.T) {
	rng := rand.New(rand.NewPCG(25, 1))
	for _, m := range engines() {
		for _, size := range [][2]int{{1, 1}, {5, 33}, {40, 70}, {16, 32}, {blockK/2 + 7, 35}} {
			pairs, k := size[0], size[1]
			p := NewPool(2)
			g := gradientOf(p, m, k)
			rows, s, ds := random(rng, 2*pairs*k), make([]float32, pairs), random(rng, pairs)
			g.Cosines(rows, s)
			g.g.data = poisoned(1 << 20)
			g.Pull(ds)
			got := unpacked(&g.g)
			for row := range g.g.k {
				for c := range g.g.outer {
					want := 0.0
					if row < 2*pairs && c < k {
						pair := row % pairs
						own, other := rows[row*k:][:k], rows[(row+pairs)%(2*pairs)*k:][:k]
						_, ga, _ := cosineReference(own, other)
						want = float64(ds[pair]) * ga[c]
					}
					if e := math.Abs(got[row*g.g.outer+c] - want); !(e <= 1e-6*math.Abs(want)+1e-7) {
						t.Fatalf("%s, %d pairs of %d: entry (%d, %d) of dP is %g, want %g", m.name, pairs, k, row, c, got[row*g.g.outer+c], want)
					}
				}
			}
			before := slices.Clone(got)
			from := make([]float32, 2*pairs*k)
			for i := range from {
				from[i] = float32(got[i/k*g.g.outer+i%k])
			}
			g.Pack(from)
			if !slices.Equal(unpacked(&g.g), before) {
				t.Errorf("%s, %d pairs of %d: other panels from memory", m.name, pairs, k)
			}
		}
	}
}
