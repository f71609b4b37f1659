package kernel

// Blocks of C are handed to the workers, and K is walked in steps of blockK,
// so that the panels in use stay in the caches: a block of A takes
// blockRows·blockK numbers of the second-level cache. The sizes are fixed, so
// that the sums, and with them the bits, do not depend on the machine's load
// or the number of threads.
const (
	blockRows    = 96  // a multiple of every micro-kernel's rows
	blockColumns = 256 // a multiple of every micro-kernel's columns
	blockK       = 768
)

// Gemm computes C = A·B for A [m, k], B [k, n] and C [m, n].
func (p *Pool) Gemm(m, n, k int, a, b, c []float32) {
	p.multiply(current(), m, n, k, view{a, k, 1}, view{b, 1, n}, c)
}

// GemmTN computes C = Aᵀ·B for A [k, m], B [k, n] and C [m, n].
func (p *Pool) GemmTN(m, n, k int, a, b, c []float32) {
	p.multiply(current(), m, n, k, view{a, 1, m}, view{b, 1, n}, c)
}

// GemmNT computes C = A·Bᵀ for A [m, k], B [n, k] and C [m, n].
func (p *Pool) GemmNT(m, n, k int, a, b, c []float32) {
	p.multiply(current(), m, n, k, view{a, k, 1}, view{b, k, 1}, c)
}

// A view reads an operand by (outer, inner) index, where outer runs over rows
// of C (for A) or columns of C (for B) and inner over K. The strides hide
// whether the operand is transposed.
type view struct {
	data         []float32
	outer, inner int
}

// slabRows is how many rows of C are computed at a time, so that the packed
// copy of A stays small; a multiple of blockRows.
const slabRows = 24 * blockRows

// multiply packs B and a slab of A after the other into panels, and computes C
// block by block.
func (p *Pool) multiply(micro micro, m, n, k int, a, b view, c []float32) {
	if m == 0 || n == 0 {
		return
	}
	c = c[:m*n]
	if k == 0 {
		clear(c)
		return
	}
	p.packed.b = p.pack(p.packed.b, b, n, k, micro.columns)
	for first := 0; first < m; first += slabRows {
		last := min(first+slabRows, m)
		p.packed.a = p.pack(p.packed.a, a.from(first), last-first, k, micro.rows)
		p.compute(product{micro: micro, m: last - first, n: n, k: k, a: p.packed.a, b: p.packed.b, c: c[first*n : last*n]})
	}
}

// compute runs a product whose operands are packed.
func (p *Pool) compute(c product) {
	c.columnBlocks = (c.n + blockColumns - 1) / blockColumns
	blocks := (c.m + blockRows - 1) / blockRows * c.columnBlocks
	if len(p.edges) < blocks {
		p.edges = make([][maxTile]float32, blocks)
	}
	c.edges = p.edges
	p.product = c
	p.Run(blocks, p.tasks.block)
}

// from is the view without its first rows.
func (v view) from(first int) view { return view{v.data[first*v.outer:], v.outer, v.inner} }

// pack copies a view into panels [outer/width][k][width], padded with zeros,
// so that the micro-kernel reads both operands with stride one. It reuses the
// memory of packed.
func (p *Pool) pack(packed []float32, v view, outer, k, width int) []float32 {
	panels := (outer + width - 1) / width
	packed = grow(packed, panels*k*width)
	p.packing = packing{from: v, outer: outer, k: k, width: width, to: packed, together: 1}
	if v.outer == 1 {
		p.packing.together = packedTogether
	}
	p.Run((panels+p.packing.together-1)/p.packing.together, p.tasks.pack)
	return packed
}

// grow returns memory for n numbers, s where it is large enough.
func grow(s []float32, n int) []float32 {
	if cap(s) < n {
		return make([]float32, n)
	}
	return s[:n]
}

// A packing is the work of pack.
type packing struct {
	from            view
	outer, k, width int
	to              []float32
	together        int // panels in a piece of the work
}

// packedTogether is how many panels are packed together where each takes a
// stretch of the same rows, so that every row's memory is visited once for all.
const packedTogether = 4

// panels packs piece i.
func (p *packing) panels(i int) {
	first := i * p.together * p.width
	last := min(first+p.together*p.width, p.outer)
	size := p.k * p.width
	if (last-first)%p.width > 0 {
		clear(p.to[last/p.width*size:][:size])
	}
	if p.from.outer != 1 {
		for lane := first; lane < last; lane++ {
			p.lane(lane)
		}
		return
	}
	to := p.to[first*p.k:]
	if m := current(); last-first == packedTogether*m.columns && p.width == m.columns && m.spread != nil {
		m.spread(&to[0], &p.from.data[first], p.k, p.from.inner, size)
		return
	}
	for k := range p.k {
		row := p.from.data[first+k*p.from.inner:][:last-first]
		for at := k * p.width; len(row) > 0; at += size {
			row = row[copy(to[at:at+p.width], row):]
		}
	}
}

// lane packs what the inner stride scatters.
func (p *packing) lane(lane int) {
	src := p.from.data[lane*p.from.outer:]
	dst := p.to[lane/p.width*p.k*p.width+lane%p.width:]
	for k := range p.k {
		dst[k*p.width] = src[k*p.from.inner]
	}
}

// A product is C = A·B under way, with packed operands.
type product struct {
	micro
	m, n, k      int
	a, b, c      []float32
	columnBlocks int
	edges        [][maxTile]float32 // of each block: a tile that C has no room for
	// lanes is not 0 where a holds panels of Aᵀ [k, lanes] instead of A. Then k
	// is a multiple of rows, and rows² numbers behind the panels may be read.
	lanes int
}

// block computes block i of C.
func (p *product) block(i int) {
	r0, c0 := i/p.columnBlocks*blockRows, i%p.columnBlocks*blockColumns
	r1, c1 := min(r0+blockRows, p.m), min(c0+blockColumns, p.n)
	edge := &p.edges[i]
	for k0 := 0; k0 < p.k; k0 += blockK {
		kb, add := min(blockK, p.k-k0), min(k0, 1)
		for col := c0; col < c1; col += p.columns {
			b := &p.b[(col/p.columns*p.k+k0)*p.columns]
			for r := r0; r < r1; r += p.rows {
				if r+p.rows <= r1 && col+p.columns <= c1 {
					p.tile(r, k0, kb, b, &p.c[r*p.n+col], p.n, add)
					continue
				}
				p.tile(r, k0, kb, b, &edge[0], p.columns, 0)
				p.store(edge[:], r, min(r+p.rows, r1), col, min(col+p.columns, c1), add == 1)
			}
		}
	}
}

// tile computes the tile of C at row r from kb entries of K, from k0 on.
func (p *product) tile(r, k0, kb int, b, c *float32, stride, add int) {
	if p.lanes > 0 {
		p.turned(kb/p.rows, &p.a[(k0/p.rows*p.lanes+r)*p.rows], p.lanes*p.rows, b, c, stride, add)
		return
	}
	p.run(kb, &p.a[(r/p.rows*p.k+k0)*p.rows], b, c, stride, add)
}

// store writes the part of a tile that lies inside C, or adds it.
func (p *product) store(tile []float32, r0, r1, c0, c1 int, add bool) {
	for r := r0; r < r1; r++ {
		row, values := p.c[r*p.n+c0:r*p.n+c1], tile[(r-r0)*p.columns:]
		for i := range row {
			if add {
				row[i] += values[i]
			} else {
				row[i] = values[i]
			}
		}
	}
}
