package kernel

import (
	"cmp"
	"slices"
	"unsafe"
)

// An Operand is embeddings X [n, d] of a training step. Gathering, dropout and
// packing are one pass: the panels are the only copy, and both products read
// them. For a matrix engine there is none: each product gathers, block by block.
type Operand struct {
	pool  *Pool
	micro micro
	d, n  int
	// x has the rows of X as rows of C and its columns as K, with rows² numbers
	// behind it, which turned may read.
	x panels

	from        Source
	left, right []int32
	drop        dropper
	dropping    bool
	masks       []rowMask                         // of the padded rows
	parts       [][mostRows * partColumns]float32 // columns of the rows on their way into a panel, one for each panel
	gather      func(panel int)
	m           panels
	packed      int // pieces of m, which come before the panels in a piece of work that has both
	both        func(piece int)
	turned      panels // of Xᵀ, where no micro-kernel reads those of X so
	turnOne     func(panel int)

	fillRows, fillColumns filling // for a matrix engine: of X and of Xᵀ, of which there are no panels
}

// NewOperand prepares for embeddings of d dimensions, and products with so many parts.
func (p *Pool) NewOperand(d int, parts Parts) *Operand {
	x := &Operand{pool: p, micro: current().inParts(parts), d: d}
	x.gather, x.turnOne, x.both = x.gatherPanel, x.turnPanel, x.gatherOrPack
	x.fillRows, x.fillColumns = x.splitRows, x.splitColumns
	return x
}

// Rows returns n.
func (x *Operand) Rows() int { return x.n }

// A Source is where an operand's embeddings come from.
type Source struct {
	Table  []float32 // [_, Width], row-major
	Width  int       // of which the first d numbers are taken; 0 means d
	Offset []float32 // [d], which is taken off each row, before dropout; nil: none
}

// Gather takes rows of a source, the left ones and then the right ones,
// with dropout as Pool.Gather has it: the sides' masks are those of side 0 and 1.
// None of the arguments may change before the products are done: a matrix engine's
// gather anew.
func (x *Operand) Gather(from Source, left, right []int32, drop Dropout) {
	x.pool.Run(x.beginGathering(from, left, right, drop), x.gather)
	x.endGathering()
}

// GatherTimes is Gather and then Times, which packs m while others gather.
func (x *Operand) GatherTimes(from Source, left, right []int32, drop Dropout, m []float32, k int, out []float32) {
	panels := x.beginGathering(from, left, right, drop)
	x.packed = x.pool.beginPacking(x.micro, &x.m, view{m[:x.d*k], 1, k}, k, x.d, x.micro.columns)
	x.pool.Run(x.packed+panels, x.both)
	x.endGathering()
	x.project(k, out)
}

// endGathering lets go of what belongs to the caller, but where it is read again.
func (x *Operand) endGathering() {
	if x.micro.tiling == nil {
		x.from = Source{}
	}
}

// beginGathering settles what Gather does, and returns how many panels it fills.
func (x *Operand) beginGathering(from Source, left, right []int32, drop Dropout) (panels int) {
	from.Table = slices.Clip(from.Table) // a row that is not there panics
	from.Width = cmp.Or(from.Width, x.d)
	x.from, x.left, x.right = from, left, right
	x.drop, x.dropping = newDropper(x.micro, drop), drop.Rate > 0
	x.n = len(left) + len(right)
	rows := x.micro.rows
	if x.micro.tiling == nil {
		x.x.resize(x.micro, x.length(), rows, x.n, x.d, rows*rows)
		if len(x.parts) < x.padded()/rows {
			x.parts = make([][mostRows * partColumns]float32, x.padded()/rows)
		}
	}
	if x.masks = x.masks[:cap(x.masks)]; len(x.masks) < x.padded() {
		x.masks = append(x.masks, make([]rowMask, x.padded()-len(x.masks))...)
	}
	return x.padded() / rows
}

func (x *Operand) gatherOrPack(piece int) {
	if piece < x.packed {
		x.pool.packing.piece(piece)
	} else {
		x.gatherPanel(piece - x.packed)
	}
}

// padded is n as a multiple of the micro-kernel's rows.
func (x *Operand) padded() int {
	return (x.n + x.micro.rows - 1) / x.micro.rows * x.micro.rows
}

// length is how many columns lie together: as many as Xᵀ·dP has rows in the part
// of C that is computed at a time, so that these are one stretch of memory.
func (x *Operand) length() int {
	if x.micro.turned == nil {
		return blockK
	}
	return blockRows
}

// gatherPanel draws the masks of a panel's rows and fills it, some columns at a
// time, so that what is written lane by lane stays in the nearest cache. For a matrix
// engine, whose products gather, the masks are all.
func (x *Operand) gatherPanel(i int) {
	rows := x.micro.rows
	x.drawMasks(i*rows, rows)
	if x.micro.tiling != nil {
		return
	}
	part := &x.parts[i]
	for c0 := 0; c0 < x.d; c0 += partColumns {
		n := min(partColumns, x.d-c0)
		for lane := range rows {
			x.gatherPart(i*rows+lane, c0, part[lane*partColumns:][:n])
		}
		for from := 0; from < n; { // a block of columns may end in between
			m := min(n-from, x.x.length-(c0+from)%x.x.length)
			weaveLanes(x.micro, x.x.data[x.x.at(i*rows, c0+from):], rows, part[from:], partColumns, rows, m)
			from += m
		}
	}
}

// drawMasks draws the masks of n rows.
func (x *Operand) drawMasks(first, n int) {
	if !x.dropping {
		return
	}
	for r := first; r < min(first+n, x.n); r++ {
		side, _, row := x.place(r)
		x.drop.draw(&x.masks[r], side, uint32(row), x.d)
	}
}

// place is the side of a row of X, the rows that are gathered for that, and which
// of them it is.
func (x *Operand) place(r int) (side uint32, of []int32, row int) {
	if r >= len(x.left) {
		return 1, x.right, r - len(x.left)
	}
	return 0, x.left, r
}

// partColumns is how many columns are gathered at a time: as many as a word of
// a mask has.
const partColumns = 64

// weaveGeneric is weave for any machine.
func weaveGeneric(dst, src *float32, stride, fours, rows int) {
	from, to := unsafe.Slice(src, 3*stride+4*fours), unsafe.Slice(dst, 4*fours*rows-rows+4)
	for c := range 4 * fours {
		lanes := to[c*rows : c*rows+4]
		lanes[0], lanes[1], lanes[2], lanes[3] = from[c], from[stride+c], from[2*stride+c], from[3*stride+c]
	}
}

// gatherPart copies a row's columns from c0 on, with dropout; a row of padding
// is zeros.
func (x *Operand) gatherPart(row, c0 int, dst []float32) {
	mask := &x.masks[row]
	_, of, row := x.place(row)
	if row >= len(of) {
		clear(dst)
		return
	}
	at := int(of[row])*x.from.Width + c0
	src := x.from.Table[at : at+len(dst)]
	if x.from.Offset != nil {
		offset := x.from.Offset[c0:][:len(dst)]
		for i, v := range src {
			dst[i] = v - offset[i]
		}
		src = dst
	}
	if !x.dropping {
		copy(dst, src)
		return
	}
	x.drop.copy(dst, src, mask, c0/64)
}

// Times computes out [n, k] = X·M for m [d, k].
func (x *Operand) Times(m []float32, k int, out []float32) {
	x.pool.pack(x.micro, &x.m, view{m[:x.d*k], 1, k}, k, x.d, x.micro.columns)
	x.project(k, out)
}

// project is Times once m is packed.
func (x *Operand) project(k int, out []float32) {
	x.pool.compute(product{micro: x.micro, m: x.n, n: k, k: x.d, a: &x.x, fill: x.fillRows, b: &x.m, c: out[:x.n*k]})
}

// TransposedTimes computes out [d, k] = Xᵀ·G.
func (x *Operand) TransposedTimes(g *Gradient, out []float32) {
	p := product{micro: x.micro, m: x.d, n: g.k, k: x.padded(), a: &x.x, fill: x.fillColumns, b: &g.g, c: out[:x.d*g.k], across: true}
	if x.n == 0 {
		clear(p.c)
		return
	}
	if p.micro.turned == nil && p.micro.tiling == nil {
		x.turn()
		p.a, p.across = &x.turned, false
	}
	x.pool.compute(p)
}

// turn packs Xᵀ from the panels of X, into panels of as many lanes.
func (x *Operand) turn() {
	x.turned.resize(x.micro, blockK, x.micro.rows, x.d, x.padded(), 0)
	x.pool.Run(x.turned.outer/x.micro.rows, x.turnOne)
}

func (x *Operand) turnPanel(i int) {
	rows, t := x.micro.rows, &x.turned
	for r := range t.k {
		to := t.data[t.at(i*rows, r):][:rows]
		from := x.x.data[x.x.at(r/rows*rows, i*rows)+r%rows:]
		for lane := range to {
			to[lane] = from[lane*rows]
		}
	}
}

// A Gradient is dP [n, k], by which the rows of X are multiplied, in the panels
// that the product reads.
type Gradient struct {
	pool  *Pool
	micro micro
	k, n  int
	g     panels // its columns are columns of C, its rows K, padded with zeros

	p, s, ds   []float32
	pulls      []pull // of each cosine
	pack, pull func(block int)
	pullStep   func(step int) // in the place of pull, for a matrix engine
	cosines    func(block int)
}

// NewGradient prepares for k columns.
func (p *Pool) NewGradient(k int, parts Parts) *Gradient {
	g := &Gradient{pool: p, micro: current().inParts(parts), k: k}
	g.pack, g.pull, g.cosines = g.packRows, g.pullPairs, g.cosinePairs
	g.pullStep = g.splitPulls
	return g
}

// resize makes room for n rows, and clears what pads them.
func (g *Gradient) resize(n int) {
	g.n = n
	padded := (n + g.micro.rows - 1) / g.micro.rows * g.micro.rows
	g.g.resize(g.micro, blockK, g.micro.columns, g.k, padded, 0)
	if g.micro.tiling != nil {
		return // what fills them does that
	}
	for r := n; r < padded; r++ {
		g.put(r, 0, nil)
	}
}

// Pack takes rows from memory: from is [n, k].
func (g *Gradient) Pack(from []float32) {
	g.n = len(from) / g.k
	if g.micro.tiling != nil {
		g.pool.pack(g.micro, &g.g, view{from, 1, g.k}, g.k, g.n, g.micro.columns)
		return
	}
	g.resize(g.n)
	g.p = from
	g.pool.Run(blocksOf(g.n), g.pack)
	g.p = nil // it belongs to the caller
}

func blocksOf(rows int) int { return (rows + rowBlock - 1) / rowBlock }

func (g *Gradient) packRows(block int) {
	for r := block * rowBlock; r < min((block+1)*rowBlock, g.n); r++ {
		g.put(r, 0, g.p[r*g.k:(r+1)*g.k])
	}
}

// put writes a row into the panels from column first on, zeros where it ends
// before them.
func (g *Gradient) put(r, first int, row []float32) {
	c := g.micro.columns
	for ; first < g.g.outer; first += c {
		to := g.g.data[g.g.at(first, r):][:c]
		n := copy(to, row)
		clear(to[n:])
		row = row[n:]
	}
}
