package kernel

import (
	"math"
	"slices"
	"unsafe"
)

// Dropout says which elements of a gathered batch are zeroed. The zero value
// drops nothing.
type Dropout struct {
	Rate float64 // probability of zeroing an element, in [0, 1); the others grow by 1/(1−Rate)
	Seed uint64  // key of the generator
	Step uint32  // number of the training step: each draws new masks
	Row  uint32  // row of the batch's first pair in the global batch
}

// Bound is what the random word of an element must reach to be kept.
func (d Dropout) Bound() uint32 { return uint32(math.Min(d.Rate*(1<<32), math.MaxUint32)) }

// Scale is what an element that is kept is multiplied by.
func (d Dropout) Scale() float32 { return float32(1 / (1 - d.Rate)) }

// Gather copies rows of table [_, d] into out [len(rows), d], zeroing elements
// as drop says (inverted dropout: Srivastava et al. 2014). Side distinguishes
// the masks of the two sides of a pair.
//
// The mask of element (row, column) is word column%4 of Philox4x32-10 with key
// Seed and counter (Step, side, row in the global batch, column/4), so that it
// depends neither on the device nor on how a batch is divided.
func (p *Pool) Gather(dim int, table []float32, rows []int32, side uint32, drop Dropout, out []float32) {
	d := newDropper(current(), drop)
	table = slices.Clip(table)
	p.rows(len(rows), func(lo, hi int) {
		var mask rowMask
		for i := lo; i < hi; i++ {
			from := int(rows[i]) * dim
			dst := out[i*dim : (i+1)*dim]
			if drop.Rate == 0 {
				copy(dst, table[from:from+dim])
				continue
			}
			d.draw(&mask, side, uint32(i), dim)
			d.copy(dst, table[from:from+dim], &mask, 0)
		}
	})
}

// A dropper draws the masks of a gathering and applies them.
type dropper struct {
	micro micro
	keys  [20]uint32 // of the ten rounds
	lanes [16]uint32 // 0, 1, 2, …
	bits  [8]uint32  // 1, 2, 4, …
	bound uint32     // of the words that are kept
	scale float32    // of an element that is kept
	step  uint32
	row   uint32
}

func newDropper(m micro, p Dropout) dropper {
	d := dropper{micro: m, bound: p.Bound(), scale: p.Scale(), step: p.Step, row: p.Row}
	k0, k1 := uint32(p.Seed), uint32(p.Seed>>32)
	for i := range d.lanes {
		d.lanes[i] = uint32(i)
	}
	for i := range d.bits {
		d.bits[i] = 1 << i
	}
	for round := range 10 {
		d.keys[2*round], d.keys[2*round+1] = k0, k1
		k0 += weyl0
		k1 += weyl1
	}
	return d
}

// A rowMask is the mask of a row: memory of its own, since what a function
// value gets is taken from the heap.
type rowMask struct {
	counter [4]uint32
	bits    []uint64 // 64 elements in each
}

// draw fills the mask of a row of d elements.
func (d *dropper) draw(m *rowMask, side, row uint32, dim int) {
	n := (dim + 63) / 64
	if cap(m.bits) < n {
		m.bits = make([]uint64, n)
	}
	m.bits = m.bits[:n]
	m.counter = [4]uint32{d.step, side, d.row + row, 0}
	d.micro.masks(&m.counter, &d.keys, &d.lanes, d.bound, &m.bits[0], n)
}

// copy copies elements of a row, from column 64·first on, and drops those
// whose bit is not set.
func (d *dropper) copy(dst, src []float32, m *rowMask, first int) {
	whole := len(dst) / 64
	if whole > 0 {
		d.micro.drop(&dst[0], &src[0], &m.bits[first], whole, d.scale, &d.bits)
	}
	for i := 64 * whole; i < len(dst); i++ {
		dst[i] = src[i] * d.factor(m.bits[first+whole]>>(i%64))
	}
}

// factor is what an element is multiplied by whose bit is the lowest.
func (d *dropper) factor(bits uint64) float32 {
	if bits&1 == 0 {
		return 0
	}
	return d.scale
}

// dropGeneric is drop for any machine.
func dropGeneric(dst, src *float32, masks *uint64, n int, scale float32, _ *[8]uint32) {
	factors := [2]float32{0, scale}
	to, from := unsafe.Slice(dst, 64*n), unsafe.Slice(src, 64*n)
	for i, mask := range unsafe.Slice(masks, n) {
		part := to[64*i : 64*i+64]
		for j, x := range from[64*i : 64*i+64] {
			part[j] = x * factors[mask&1]
			mask >>= 1
		}
	}
}

// masksGeneric is the masks of any machine.
func masksGeneric(counter *[4]uint32, keys *[20]uint32, _ *[16]uint32, bound uint32, masks *uint64, n int) {
	c := *counter
	for i := range unsafe.Slice(masks, n) {
		mask := uint64(0)
		for block := range 16 {
			w0, w1, w2, w3 := philox(c[0], c[1], c[2], c[3]+uint32(16*i+block), keys[0], keys[1])
			for j, word := range [4]uint32{w0, w1, w2, w3} {
				if word >= bound {
					mask |= 1 << (4*block + j)
				}
			}
		}
		unsafe.Slice(masks, n)[i] = mask
	}
}
