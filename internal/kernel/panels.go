package kernel

// A panels is an operand of a product, packed as the micro-kernels read it. K
// is cut into blocks; a block holds the operand's panels [entries of K][width]
// one behind the other, so that what a worker has at hand at a time lies
// together, whatever the length of K.
type panels struct {
	data     []float32
	length   int // entries of K in a block, a divisor of blockK
	width    int // rows of C in a panel of A, columns in one of B
	outer, k int // rows or columns of C, a multiple of width; length of K
	halves   int // half numbers of memory for each: 2, or for a matrix engine its planes
}

// resize makes room, and spare numbers behind the panels.
func (p *panels) resize(m micro, length, width, outer, k, spare int) {
	p.length, p.width, p.k, p.halves = length, width, k, 2
	if m.tiling != nil {
		p.k, p.halves = (k+side-1)/side*side, int(m.tiling.planes)
		spare = m.tiling.stepSize()
	}
	p.outer = (outer + width - 1) / width * width
	p.data = grow(p.data, p.outer*p.k*p.halves/2+spare)
}

// at is the place of entry k in the panel that starts with row or column outer
// of C.
func (p *panels) at(outer, k int) int {
	first := k / p.length * p.length
	return (first*p.outer + outer*p.entries(k) + (k-first)*p.width) * p.halves / 2
}

// entries is how many entries of K the block has that holds entry k.
func (p *panels) entries(k int) int { return min(p.length, p.k-k/p.length*p.length) }

// step is the distance between a panel's entry k and the next panel's.
func (p *panels) step(k int) int { return p.width * p.entries(k) * p.halves / 2 }

// block is the part of the block of K with entry k, its first, for rows or
// columns of C from lo to hi.
func (p *panels) block(lo, hi, k int) []float32 {
	return p.data[p.at(lo, k):][:(hi-lo)*p.entries(k)*p.halves/2]
}

// A packing is the filling of panels from a view.
type packing struct {
	micro    micro
	from     view
	outer, k int // rows or columns that the view has, and its length of K
	to       *panels
	together int // panels in a piece of the work
	parts    int // pieces that the entries of K are divided into
	rooms    *rooms
}

// packedTogether is how many panels are packed together where each takes a
// stretch of the same rows, so that every row's memory is visited once for all.
const packedTogether = 4

// pack copies a view of outer × k numbers into panels, padded with zeros, so
// that the micro-kernel reads both operands with stride one. width is its rows
// for A, its columns for B.
func (p *Pool) pack(m micro, to *panels, v view, outer, k, width int) {
	p.Run(p.beginPacking(m, to, v, outer, k, width), p.tasks.pack)
}

// beginPacking settles what pack does, and returns how many pieces it has, which
// are those of p.packing.
func (p *Pool) beginPacking(m micro, to *panels, v view, outer, k, width int) (pieces int) {
	to.resize(m, blockK, width, outer, k, 0)
	p.packing = packing{micro: m, from: v, outer: outer, k: k, to: to, together: 1, rooms: &p.rooms}
	if v.outer == 1 {
		p.packing.together = packedTogether
	}
	p.packing.parts = (k + packedEntries - 1) / packedEntries
	each := p.packing.together * width
	return (outer + each - 1) / each * p.packing.parts
}

// packedEntries is how many entries of K a piece of the work has: few enough
// that what is written lane by lane stays in the nearest cache. It divides
// blockK.
const packedEntries = 192

// piece packs piece i.
func (p *packing) piece(i int) {
	if p.micro.tiling != nil {
		p.splitPanels(i)
		return
	}
	first, k := i/p.parts*p.together*p.to.width, i%p.parts*packedEntries
	last, n := min(first+p.together*p.to.width, p.outer), min(packedEntries, p.to.k-k)
	if partial := last / p.to.width * p.to.width; partial < last {
		clear(p.to.data[p.to.at(partial, k):][:n*p.to.width])
	}
	if p.from.outer == 1 {
		p.spread(first, last, k, n)
		return
	}
	to, from := p.to.data[p.to.at(first, k):], p.from.data[first*p.from.outer+k:]
	weaveLanes(p.micro, to, p.to.width, from, p.from.outer, last-first, n)
}

// spread packs n entries of K, of which each has its numbers together.
func (p *packing) spread(first, last, k, n int) {
	w, size := p.to.width, p.to.step(k)
	to, from := p.to.data[p.to.at(first, k):], p.from.data[first+k*p.from.inner:]
	if whole := p.micro.spreadOf(w); whole != nil && last-first == packedTogether*w {
		whole(&to[0], &from[0], n, p.from.inner, size)
		return
	}
	for e := range n {
		row := from[e*p.from.inner:][:last-first]
		for at := e * w; len(row) > 0; at += size {
			row = row[copy(to[at:at+w], row):]
		}
	}
}

// spreadOf returns what copies to panels of a width, if anything does.
func (m micro) spreadOf(width int) func(dst, src *float32, k, stride, size int) {
	switch width {
	case m.rows:
		return m.spreadRows
	case m.columns:
		return m.spreadColumns
	}
	return nil
}

// weaveLanes copies n numbers of each of some rows, stride apart, into the lanes
// of a panel: to[e·width+lane] = from[lane·stride+e].
func weaveLanes(m micro, to []float32, width int, from []float32, stride, lanes, n int) {
	woven := 0
	if lanes >= 4 && n >= 4 {
		woven = n / 4 * 4
		for lane := 0; lane < lanes; lane += 4 {
			lane := min(lane, lanes-4) // the last four may have been there before
			m.weave(&to[lane], &from[lane*stride], stride, n/4, width)
		}
	}
	for lane := range lanes {
		row := from[lane*stride:][:n]
		for e := woven; e < n; e++ {
			to[e*width+lane] = row[e]
		}
	}
}
