package kernel

import "unsafe"

// Blocks of C are handed to the workers, and K is walked in steps of blockK,
// so that the panels in use stay in the caches: blocks of A and B take
// (blockRows+blockColumns)·blockK numbers, half a megabyte of the second-level
// cache, which a virtual processor may have to share. The sizes are fixed, so
// that the sums, and with them the bits, do not depend on the machine's load
// or the number of threads.
const (
	blockRows    = 48  // a multiple of every micro-kernel's rows
	blockColumns = 128 // a multiple of every micro-kernel's columns
	blockK       = 768 // a multiple of blockRows
	tallest      = 8   // blocks of rows that are computed together, so that a block of B serves them all; a power of 2
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

// clip makes the data end where the operand does, and panics where they are too
// short.
func (v view) clip(outer, inner int) view {
	v.data = v.data[:(outer-1)*v.outer+(inner-1)*v.inner+1]
	return v
}

// slabRows is how many rows of C are computed at a time, so that the packed
// copy of A stays small; a multiple of blockRows.
const slabRows = 48 * blockRows

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
	a, b = a.clip(m, k), b.clip(n, k)
	p.pack(micro, &p.packed.b, b, n, k, micro.columns)
	if micro.tiling != nil {
		p.viewed = viewed{micro.tiling, a, m, k}
		p.compute(product{micro: micro, m: m, n: n, k: k, fill: p.fillView, b: &p.packed.b, c: c})
		return
	}
	for first := 0; first < m; first += slabRows {
		last := min(first+slabRows, m)
		p.pack(micro, &p.packed.a, a.from(first), last-first, k, micro.rows)
		p.compute(product{micro: micro, m: last - first, n: n, k: k, a: &p.packed.a, b: &p.packed.b, c: c[first*n : last*n]})
	}
}

// compute runs a product whose operands are packed.
func (p *Pool) compute(c product) {
	c.rooms = &p.rooms
	c.divide(p.threads)
	if c.tiling != nil {
		c.narrow(p.threads)
	}
	if blocks := c.rowBlocks * c.beside; c.tiling == nil && len(p.edges) < blocks {
		p.edges = make([][maxTile]float32, blocks)
	}
	c.edges = p.edges
	p.product = c
	p.Run(c.rowBlocks*c.beside, p.tasks.block)
}

// divide chooses the height of the blocks: the tallest that make some pieces of
// work for each thread, beside as many columns as there are.
func (p *product) divide(threads int) {
	p.columnBlock = blockColumns
	if p.tiling != nil {
		p.columnBlock = mostColumns
	}
	p.beside = (p.n + p.columnBlock - 1) / p.columnBlock
	if p.tiling != nil {
		p.divideTiles(threads)
		return
	}
	for p.rowBlock = tallest * blockRows; ; p.rowBlock /= 2 {
		p.rowBlocks = (p.m + p.rowBlock - 1) / p.rowBlock
		if p.rowBlock == blockRows || p.rowBlocks*p.beside >= 4*threads {
			return
		}
	}
}

// from is the view without its first rows.
func (v view) from(first int) view { return view{v.data[first*v.outer:], v.outer, v.inner} }

// A product is C = A·B under way, with packed operands.
type product struct {
	micro
	m, n, k int
	a, b    *panels
	c       []float32
	// across says that a holds Aᵀ instead of A, for the turned micro-kernel. Then
	// k is a multiple of rows, and rows² numbers behind the panels may be read.
	across bool
	fill   filling // makes blocks of A, in the place of a, for a matrix engine
	rooms  *rooms

	rowBlock, rowBlocks int                // rows of a block of C, and blocks one below the other
	columnBlock, beside int                // columns of a block, and blocks side by side
	edges               [][maxTile]float32 // of each block: a tile that C has no room for
}

// A window is where a part of C stands: entry (r, col) of C is number
// (r−row)·stride + col−column of c.
type window struct {
	c                   []float32
	row, column, stride int
}

func (w *window) at(r, col int) int { return (r-w.row)*w.stride + col - w.column }

// block computes block i of C.
func (p *product) block(i int) {
	r, c := p.place(i)
	rNext, cNext := p.place(min(i+1, p.rowBlocks*p.beside-1)) // often this thread's next
	var edge *[maxTile]float32
	if p.tiling == nil {
		edge = &p.edges[i]
	}
	p.region(r, c, rNext, cNext, window{c: p.c, stride: p.n}, edge)
}

// region computes the block of C at (r0, c0). A block of B is in the second-level
// cache while blocks of A pass by. The block at (rNext, cNext) is fetched for
// later. edge holds a tile that C has no room for.
func (p *product) region(r0, c0, rNext, cNext int, to window, edge *[maxTile]float32) {
	if p.tiling != nil {
		p.tileRegion(r0, c0, &to)
		return
	}
	r1, c1 := min(r0+p.rowBlock, p.m), min(c0+blockColumns, p.n)
	for k := 0; k < p.k; k += blockK {
		var next coming
		if k+blockK < p.k {
			next.b = p.b.block(c0, min(c0+blockColumns, p.b.outer), k+blockK)
		} else {
			next.b = p.b.block(cNext, min(cNext+blockColumns, p.b.outer), 0)
		}
		for r := r0; r < r1; r += blockRows {
			switch {
			case r+blockRows < r1:
				next.rows(p, r+blockRows, k)
			case k+blockK < p.k:
				next.rows(p, r0, k+blockK)
			default:
				next.rows(p, rNext, 0)
			}
			p.part(r, min(r+blockRows, r1), c0, c1, k, &next, &to, edge)
		}
	}
}

// place returns the first row and column of block i. Blocks of the same columns
// follow each other.
func (p *product) place(i int) (row, column int) {
	return i % p.rowBlocks * p.rowBlock, i / p.rowBlocks * p.columnBlock
}

// A coming is what is going to be read after the part of C at hand. The
// micro-kernels bring it into the cache meanwhile.
type coming struct {
	a, b   []float32
	run    int // numbers of a that lie together
	stride int // from the start of a run to the next
	left   int // of the run
}

// rows sets the block of A at row r and entry k.
func (n *coming) rows(p *product, r, k int) {
	if p.across { // rows of C are K to the panels
		n.a = p.a.block(k, min(k+blockK, p.a.outer), r)
		n.run, n.stride = len(n.a), len(n.a)
	} else {
		last := min(r+blockRows, p.a.outer)
		n.a, n.run, n.stride = p.a.data[p.a.at(r, k):], (last-r)*p.a.entries(k), p.a.length*p.a.outer
	}
	n.left = n.run
}

// take returns where the next tile looks ahead, who reads size numbers there.
func (n *coming) take(size int) (a, b *float32) {
	a, b = &n.a[0], &n.b[0]
	step := size
	if size >= n.left {
		step, n.left = n.stride-(n.run-n.left), n.run+size
	}
	n.left -= size
	n.a, n.b = n.a[min(step, len(n.a)-1):], n.b[min(size, len(n.b)-1):]
	return a, b
}

// part adds a block of K to rows r0 … r1−1 and columns c0 … c1−1 of C.
func (p *product) part(r0, r1, c0, c1, k int, next *coming, to *window, edge *[maxTile]float32) {
	entries, add := p.b.entries(k), min(k, 1)
	for col := c0; col < c1; col += p.columns {
		b := &p.b.data[p.b.at(col, k)]
		for r := r0; r < r1; r += p.rows {
			if r+p.rows <= r1 && col+p.columns <= c1 {
				p.tile(r, k, entries, b, &to.c[to.at(r, col)], to.stride, add, next)
				continue
			}
			// What is there is added to as it would be in C, so that an entry is summed in
			// the same order wherever it stands.
			rLast, cLast := min(r+p.rows, r1), min(col+p.columns, c1)
			if add == 1 {
				p.load(edge[:], r, rLast, col, cLast, to)
			}
			p.tile(r, k, entries, b, &edge[0], p.columns, add, next)
			p.store(edge[:], r, rLast, col, cLast, to)
		}
	}
}

// tile computes the tile of C at row r from some entries of K, from k on.
func (p *product) tile(r, k, entries int, b, c *float32, stride, add int, next *coming) {
	const ahead = 16 / 4 // numbers for each entry: a line for four
	nextA, nextB := next.take(ahead * entries)
	if p.across {
		p.turned(entries/p.rows, &p.a.data[p.a.at(k, r)], p.a.step(r), b, c, stride, add, nextA, nextB)
		return
	}
	// The rest behind whole blocks has a call of its own however A is packed, so
	// that the same product has the same bits.
	if whole := entries / blockRows * blockRows; whole > 0 {
		chunk := min(whole, p.a.length)
		p.run(whole/chunk, chunk, &p.a.data[p.a.at(r, k)], chunk*p.a.outer, b, c, stride, add, nextA, nextB)
		if entries -= whole; entries == 0 {
			return
		}
		k, add = k+whole, 1
		b = (*float32)(unsafe.Add(unsafe.Pointer(b), 4*whole*p.columns))
	}
	p.run(1, entries, &p.a.data[p.a.at(r, k)], 0, b, c, stride, add, nextA, nextB)
}

// load reads the part of a tile that lies inside C.
func (p *product) load(tile []float32, r0, r1, c0, c1 int, from *window) {
	for r := r0; r < r1; r++ {
		copy(tile[(r-r0)*p.columns:], from.c[from.at(r, c0):from.at(r, c1)])
	}
}

// store writes the part of a tile that lies inside C.
func (p *product) store(tile []float32, r0, r1, c0, c1 int, to *window) {
	for r := r0; r < r1; r++ {
		copy(to.c[to.at(r, c0):to.at(r, c1)], tile[(r-r0)*p.columns:])
	}
}
