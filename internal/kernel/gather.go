package kernel

import "math"

// Dropout says which elements of a gathered batch are zeroed. The zero value
// drops nothing.
type Dropout struct {
	Rate float64 // probability of zeroing an element, in [0, 1); the others grow by 1/(1−Rate)
	Seed uint64  // key of the generator
	Step uint32  // number of the training step: each draws new masks
	Row  uint32  // row of the batch's first pair in the global batch
}

// Gather copies rows of table [_, d] into out [len(rows), d], zeroing elements
// as drop says (inverted dropout: Srivastava et al. 2014). Side distinguishes
// the masks of the two sides of a pair.
//
// The mask of element (row, column) is word column%4 of Philox4x32-10 with key
// Seed and counter (Step, side, row in the global batch, column/4), so that it
// depends neither on the device nor on how a batch is divided.
func (p *Pool) Gather(d int, table []float32, rows []int32, side uint32, drop Dropout, out []float32) {
	p.rows(len(rows), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			from := int(rows[i]) * d
			dst := out[i*d : (i+1)*d]
			copy(dst, table[from:from+d])
			if drop.Rate > 0 {
				drop.apply(dst, side, drop.Row+uint32(i), 0)
			}
		}
	})
}

// apply drops elements of a row in place, of which x is the part from column
// 4·block on.
func (p Dropout) apply(x []float32, side, row, block uint32) {
	k0, k1 := uint32(p.Seed), uint32(p.Seed>>32)
	bound := uint32(math.Min(p.Rate*(1<<32), math.MaxUint32))
	scale := float32(1 / (1 - p.Rate))
	for ; len(x) >= 4; x = x[4:] {
		w0, w1, w2, w3 := philox(p.Step, side, row, block, k0, k1)
		part := (*[4]float32)(x)
		part[0] *= keep(w0, bound, scale)
		part[1] *= keep(w1, bound, scale)
		part[2] *= keep(w2, bound, scale)
		part[3] *= keep(w3, bound, scale)
		block++
	}
	if len(x) > 0 {
		words := Philox([4]uint32{p.Step, side, row, block}, [2]uint32{k0, k1})
		for i := range x {
			x[i] *= keep(words[i], bound, scale)
		}
	}
}

// keep is the factor of an element: 0 or scale.
func keep(word, bound uint32, scale float32) float32 {
	if word < bound {
		return 0
	}
	return scale
}
