//go:build unix

package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A fence is memory between two pages that nobody may touch, so that a read
// or a write beside an operand faults where the heap would let it pass.
type fence []float32

func newFence(t *testing.T, least int) fence {
	t.Helper()
	page := os.Getpagesize()
	inside := (least*4 + page - 1) / page * page
	mapped, err := unix.Mmap(-1, 0, inside+2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(mapped) })
	for _, guard := range [][]byte{mapped[:page], mapped[page+inside:]} {
		if err := unix.Mprotect(guard, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&mapped[page])), inside/4)
}

// place copies x to the end of the memory, or to its start.
func (f fence) place(x []float32, atEnd bool) []float32 {
	dst := f[:len(x):len(x)]
	if atEnd {
		dst = f[len(f)-len(x):]
	}
	copy(dst, x)
	return dst
}

// fault returns what f panics with when it touches forbidden memory. Only this
// goroutine's faults can be caught.
func fault(f func()) (caught any) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { caught = recover() }()
	f()
	return nil
}

func TestFenceFaults(t *testing.T) {
	f := newFence(t, 100)
	var read float32 // without it, the compiler drops the loads
	first, last := unsafe.Pointer(&f[0]), unsafe.Pointer(&f[len(f)-1])
	for name, touch := range map[string]func(){
		"read before":  func() { read += *(*float32)(unsafe.Add(first, -4)) },
		"write before": func() { *(*float32)(unsafe.Add(first, -4)) = 1 },
		"read behind":  func() { read += *(*float32)(unsafe.Add(last, 4)) },
		"write behind": func() { *(*float32)(unsafe.Add(last, 4)) = 1 },
	} {
		if fault(touch) == nil {
			t.Errorf("%s: no fault, so the tests of fenced operands see nothing", name)
		}
	}
	if read != 0 {
		t.Errorf("read %g from forbidden memory", read)
	}
}

// Values are TestGemm's business: here the products must not fault.
func TestFencedProducts(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 0))
	const most = 1 << 17 // numbers of an operand
	fenceA, fenceB, fenceC := newFence(t, most), newFence(t, most), newFence(t, most)
	sizes := [][3]int{{1, 1, 1}, {blockRows, blockColumns, 8}, {blockRows + 1, blockColumns + 1, 1}, {29, 37, blockK + 1}}
	for range 20 {
		sizes = append(sizes, [3]int{1 + rng.IntN(2*blockRows), 1 + rng.IntN(2*blockColumns), 1 + rng.IntN(40)})
	}
	for _, s := range sizes {
		m, n, k := s[0], s[1], s[2]
		x, y := random(rng, m*k), random(rng, k*n)
		for _, atEnd := range []bool{false, true} {
			a, b, c := fenceA.place(x, atEnd), fenceB.place(y, atEnd), fenceC.place(poisoned(m*n), atEnd)
			products := map[string]func(){
				"Gemm":   func() { NewPool(1).Gemm(m, n, k, a, b, c) },
				"GemmTN": func() { NewPool(1).GemmTN(m, n, k, a, b, c) },
				"GemmNT": func() { NewPool(1).GemmNT(m, n, k, a, b, c) },
			}
			for _, micro := range everybody() {
				products[micro.name+" A·B"] = func() { NewPool(1).multiply(micro, m, n, k, view{a, k, 1}, view{b, 1, n}, c) }
				products[micro.name+" Aᵀ·B"] = func() { NewPool(1).multiply(micro, m, n, k, view{a, 1, m}, view{b, 1, n}, c) }
				products[micro.name+" A·Bᵀ"] = func() { NewPool(1).multiply(micro, m, n, k, view{a, k, 1}, view{b, k, 1}, c) }
			}
			for name, run := range products {
				if caught := fault(run); caught != nil {
					t.Errorf("%s, %d × %d × %d, at the end %t: %v", name, m, n, k, atEnd, caught)
				}
			}
		}
	}
}

func TestFencedMicros(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 0))
	const most = 1 << 15 // numbers of an operand
	fenceA, fenceB, fenceC := newFence(t, most), newFence(t, most), newFence(t, most)
	for _, micro := range everybody() {
		if micro.tiling != nil {
			continue // TestFencedTiles
		}
		for i := range 100 {
			chunks, k, stride := 1+i%3, i, micro.columns+rng.IntN(40)
			if i > 20 {
				k = 1 + rng.IntN(blockK/chunks)
			}
			step := k*micro.rows + rng.IntN(30)
			x, y := random(rng, max(0, (chunks-1)*step+k*micro.rows)), random(rng, chunks*k*micro.columns)
			z := random(rng, (micro.rows-1)*stride+micro.columns)
			together := make([]float32, 0, chunks*k*micro.rows)
			for chunk := range chunks {
				together = append(together, x[chunk*step:][:k*micro.rows]...)
			}
			for _, add := range []int{0, 1} {
				for _, atEnd := range []bool{false, true} {
					a, b, c := fenceA.place(x, atEnd), fenceB.place(y, atEnd), fenceC.place(z, atEnd)
					name := fmt.Sprintf("%s, k = %d · %d, stride %d, add %d, at the end %t", micro.name, chunks, k, stride, add, atEnd)
					run := func() {
						micro.run(chunks, k, unsafe.SliceData(a), step, unsafe.SliceData(b), &c[0], stride, add, &c[0], &c[0])
					}
					if caught := fault(run); caught != nil {
						t.Errorf("%s: %v", name, caught)
						continue
					}
					checkTile(t, name, micro, stride, together, y, z, c, add)
				}
			}
		}
	}
}

// A matrix engine's products read a step behind A and B, and touch nothing else.
func TestFencedTiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(14, 0))
	const most = 12 * 3 * side * side / 2 // numbers of an operand
	fenceA, fenceB, fenceC := newFence(t, most), newFence(t, most), newFence(t, most)
	for _, m := range append(engines(), coarse()...) {
		stepSize := m.tiling.stepSize()
		for i := range 60 {
			n, steps, stride := 1+i%3, 1+rng.IntN(3), side+rng.IntN(40)
			size := steps * stepSize
			x, y, z := poisoned(n*size+stepSize), poisoned(size+stepSize), random(rng, (n*side-1)*stride+side)
			// The product in single precision of what the planes hold, entry by entry.
			left, right := random(rng, n*side*steps*side), random(rng, steps*side*side)
			k := steps * side
			for row := range n {
				for step := range steps {
					m.tiling.splitStep(x[row*size+step*stepSize:], view{left, k, 1}, row*side, side, step*side, side, false, newRoom())
				}
			}
			for step := range steps {
				m.tiling.splitStep(y[step*stepSize:], view{right, 1, side}, 0, side, step*side, side, true, newRoom())
			}
			for _, add := range []int{0, 1} {
				for _, atEnd := range []bool{false, true} {
					a, b, c := fenceA.place(x, atEnd), fenceB.place(y, atEnd), fenceC.place(z, atEnd)
					name := fmt.Sprintf("%s, %d tiles, %d steps, stride %d, add %d, at the end %t", m.name, n, steps, stride, add, atEnd)
					run := func() { m.tiling.multiply(n, steps, &a[0], &b[0], &c[0], stride, add, &b[0]) }
					if caught := fault(run); caught != nil {
						t.Errorf("%s: %v", name, caught)
						continue
					}
					for row := range n * side {
						one := m
						one.rows, one.columns = 1, side
						last := min((row+1)*stride, len(z))
						checkTile(t, name, one, stride, held(left[row*k:][:k], m), held(right, m), z[row*stride:last], c[row*stride:last], add)
					}
				}
			}
		}
	}
}

// Packing for a matrix engine must not fault either.
func TestFencedSplit(t *testing.T) {
	rng := rand.New(rand.NewPCG(15, 0))
	fenceX := newFence(t, 40*40)
	for _, m := range append(engines(), coarse()...) {
		stepSize := m.tiling.stepSize()
		fenceStep := newFence(t, stepSize)
		for range 300 {
			outers, entries := 1+rng.IntN(40), 1+rng.IntN(side)
			for _, from := range []view{{outer: entries, inner: 1}, {outer: 1, inner: outers}} {
				for _, atEnd := range []bool{false, true} {
					from.data = fenceX.place(random(rng, outers*entries), atEnd)
					step := fenceStep.place(poisoned(stepSize), true)
					for _, b := range []bool{false, true} {
						if caught := fault(func() { m.tiling.splitStep(step, from, 0, outers, 0, entries, b, newRoom()) }); caught != nil {
							t.Errorf("%s: %d × %d, at the end %t: %v", m.name, outers, entries, atEnd, caught)
						}
					}
				}
			}
		}
	}
}

// Passes over vectors that fill their memory must not fault either.
func TestFencedPasses(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 0))
	const most = 1 << 15 // numbers of an operand
	fences := [4]fence{newFence(t, most), newFence(t, most), newFence(t, most), newFence(t, most)}
	x := random(rng, most)
	var masks [5]uint64
	for _, m := range everybody() {
		for _, atEnd := range []bool{false, true} {
			for n := range 70 {
				place := func(fence, n int) []float32 { return fences[fence].place(x[:n], atEnd) }
				double := func(n int) []float64 {
					return unsafe.Slice((*float64)(unsafe.Pointer(unsafe.SliceData(place(1, 2*n)))), n)
				}
				g := gradientOf(NewPool(1), m, n+1)
				g.resize(2)
				g.g.data = place(3, len(g.g.data))
				for name, run := range map[string]func(){
					"momentum": func() { MomentumStep{}.with(m, place(0, n), place(1, n), place(2, n)) },
					"adam":     func() { AdamStep{}.with(m, place(0, n), place(1, n), place(2, n), place(3, n), nil) },
					"reach":    func() { m.reach(&place(0, 64*(n%5+1))[0], n%5+1, 0, &masks[0]) },
					"dot":      func() { m.dotOf(double(n), place(0, n)) },
					"addTimes": func() { m.addTimesTo(double(n), 1, place(0, n)) },
					"sums":     func() { m.sums(place(0, n), place(1, n)) },
					"cosines":  func() { g.Cosines(place(0, 2*(n+1)), place(1, 1)) },
					"pull":     func() { g.Cosines(place(0, 2*(n+1)), place(1, 1)); g.Pull(place(2, 1)) },
				} {
					if caught := fault(run); caught != nil {
						t.Errorf("%s of %s, %d numbers, at the end %t: %v", name, m.name, n, atEnd, caught)
					}
				}
			}
		}
	}
}

// checkTile compares a tile with float64, and what lies between its rows with
// what lay there before.
func checkTile(t *testing.T, name string, micro micro, stride int, a, b, before, c []float32, add int) {
	t.Helper()
	k := len(a) / micro.rows
	leftOut := 0.0 // the product of both second parts
	if micro.tiling != nil && micro.tiling.planes == 2 {
		leftOut = coarseness(micro)
	}
	for row := range micro.rows {
		at := row * stride
		if end := min(at+stride, len(c)); !slices.Equal(c[at+micro.columns:end], before[at+micro.columns:end]) {
			t.Errorf("%s: wrote between row %d and the next", name, row)
		}
		for j := range micro.columns {
			want := float64(add) * float64(before[at+j])
			size := math.Abs(want)
			for p := range k {
				term := float64(a[p*micro.rows+row]) * float64(b[p*micro.columns+j])
				want += term
				size += math.Abs(term)
			}
			// What k+1 additions can round. Source: Higham, "Accuracy and stability of
			// numerical algorithms", section 3.1.
			if bound := float64(k+1)*size/(1<<24) + leftOut*size; !(math.Abs(float64(c[at+j])-want) <= bound) {
				t.Errorf("%s: entry (%d, %d) is %g, want %g ± %g", name, row, j, c[at+j], want, bound)
				return
			}
		}
	}
}
