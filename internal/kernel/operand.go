package kernel

import (
	"slices"
	"unsafe"
)

// An Operand is embeddings X [n, d] of a training step. Gathering, dropout and
// packing are one pass: the panels are the only copy, and both products read
// them.
type Operand struct {
	pool  *Pool
	micro micro
	d, n  int
	// panels are [⌈n/rows⌉][d][rows], padded with zeros, and rows² numbers
	// behind them, which turned may read.
	panels []float32

	table       []float32
	left, right []int32
	drop        dropper
	dropping    bool
	masks       []rowMask                 // of the padded rows
	parts       [][4][partColumns]float32 // columns of four rows on their way into a panel, one for each panel
	gather      func(panel int)
	packedM     []float32
	turned      []float32 // panels of Xᵀ, where no micro-kernel reads those of X so
	turnOne     func(panel int)
}

// NewOperand prepares for embeddings of d dimensions.
func (p *Pool) NewOperand(d int) *Operand {
	x := &Operand{pool: p, micro: current(), d: d}
	x.gather, x.turnOne = x.gatherPanel, x.turnPanel
	return x
}

// Rows returns n.
func (x *Operand) Rows() int { return x.n }

// Gather takes rows of table [_, d], the left ones and then the right ones,
// with dropout as Pool.Gather has it: the sides' masks are those of side 0 and 1.
func (x *Operand) Gather(table []float32, left, right []int32, drop Dropout) {
	x.table, x.left, x.right = slices.Clip(table), left, right // clipped: a row that is not there panics
	x.drop, x.dropping = newDropper(x.micro, drop), drop.Rate > 0
	x.n = len(left) + len(right)
	rows := x.micro.rows
	x.panels = grow(x.panels, x.padded()*x.d+rows*rows)
	if x.masks = x.masks[:cap(x.masks)]; len(x.masks) < x.padded() {
		x.masks = append(x.masks, make([]rowMask, x.padded()-len(x.masks))...)
	}
	if len(x.parts) < x.padded()/rows {
		x.parts = make([][4][partColumns]float32, x.padded()/rows)
	}
	x.pool.Run(x.padded()/rows, x.gather)
	x.table = nil // it belongs to the caller
}

// padded is n as a multiple of the micro-kernel's rows.
func (x *Operand) padded() int {
	return (x.n + x.micro.rows - 1) / x.micro.rows * x.micro.rows
}

// gatherPanel fills a panel, some columns at a time, so that what is written
// lane by lane stays in the nearest cache.
func (x *Operand) gatherPanel(i int) {
	rows := x.micro.rows
	part := &x.parts[i]
	for c0 := 0; c0 < x.d; c0 += partColumns {
		n := min(partColumns, x.d-c0)
		dst := x.panels[(i*x.d+c0)*rows : (i*x.d+c0+n)*rows]
		for lane := 0; lane < rows; lane += len(part) {
			lanes := min(len(part), rows-lane)
			for j := range lanes {
				x.gatherPart(i*rows+lane+j, c0, part[j][:n])
			}
			woven := 0
			if lanes == len(part) && n >= 4 {
				woven = n / 4 * 4
				x.micro.weave(&dst[lane], &part[0][0], n/4, rows)
			}
			for c := woven; c < n; c++ {
				for j := range lanes {
					dst[c*rows+lane+j] = part[j][c]
				}
			}
		}
	}
}

// partColumns is how many columns are gathered at a time: as many as a word of
// a mask has.
const partColumns = 64

// weaveGeneric is weave for any machine.
func weaveGeneric(dst, src *float32, fours, rows int) {
	from, to := unsafe.Slice(src, 4*partColumns), unsafe.Slice(dst, 4*fours*rows-rows+4)
	for c := range 4 * fours {
		lanes := to[c*rows : c*rows+4]
		lanes[0], lanes[1], lanes[2], lanes[3] = from[c], from[partColumns+c], from[2*partColumns+c], from[3*partColumns+c]
	}
}

// gatherPart copies a row's columns from c0 on, with dropout; a row of padding
// is zeros.
func (x *Operand) gatherPart(row, c0 int, dst []float32) {
	mask, side, of := &x.masks[row], uint32(0), x.left
	if row >= len(x.left) {
		side, of, row = 1, x.right, row-len(x.left)
	}
	if row >= len(of) {
		clear(dst)
		return
	}
	at := int(of[row])*x.d + c0
	src := x.table[at : at+len(dst)]
	if !x.dropping {
		copy(dst, src)
		return
	}
	if c0 == 0 {
		x.drop.draw(mask, side, uint32(row), x.d)
	}
	x.drop.copy(dst, src, mask, c0/64)
}

// Times computes out [n, k] = X·M for m [d, k].
func (x *Operand) Times(m []float32, k int, out []float32) {
	x.packedM = x.pool.pack(x.packedM, view{m, 1, k}, k, x.d, x.micro.columns)
	x.pool.compute(product{micro: x.micro, m: x.n, n: k, k: x.d, a: x.panels, b: x.packedM, c: out[:x.n*k]})
}

// TransposedTimes computes out [d, k] = Xᵀ·G.
func (x *Operand) TransposedTimes(g *Gradient, out []float32) {
	p := product{micro: x.micro, m: x.d, n: g.k, k: x.padded(), a: x.panels, b: g.panels, c: out[:x.d*g.k], lanes: x.d}
	if x.n == 0 {
		clear(p.c)
		return
	}
	if p.turned == nil {
		x.turn()
		p.a, p.lanes = x.turned, 0
	}
	x.pool.compute(p)
}

// turn packs Xᵀ from the panels of X, into panels of as many lanes.
func (x *Operand) turn() {
	rows := x.micro.rows
	panels := (x.d + rows - 1) / rows
	x.turned = grow(x.turned, panels*rows*x.padded())
	x.pool.Run(panels, x.turnOne)
}

func (x *Operand) turnPanel(i int) {
	rows, k := x.micro.rows, x.padded()
	for r := range k {
		square := x.panels[(r/rows*x.d+i*rows)*rows+r%rows:]
		for lane := range rows {
			x.turned[(i*k+r)*rows+lane] = square[lane*rows]
		}
	}
}

// A Gradient is G [n, k], by which the rows of X are multiplied, in the panels
// that the product reads.
type Gradient struct {
	pool   *Pool
	micro  micro
	k, n   int
	panels []float32 // [⌈k/columns⌉][padded n][columns], padded with zeros

	from, s []float32
	by      []float32 // factors of the rows, zeros for padding
	source  *Gradient
	pack    func(block int)
	scale   func(block int)
	cosines func(block int)
}

// NewGradient prepares for k columns.
func (p *Pool) NewGradient(k int) *Gradient {
	g := &Gradient{pool: p, micro: current(), k: k}
	g.pack, g.scale, g.cosines = g.packRows, g.scaleRows, g.cosinePairs
	return g
}

func (g *Gradient) padded() int {
	return (g.n + g.micro.rows - 1) / g.micro.rows * g.micro.rows
}

// resize makes room for n rows.
func (g *Gradient) resize(n int) {
	g.n = n
	c := g.micro.columns
	g.panels = grow(g.panels, (g.k+c-1)/c*c*g.padded())
}

// Pack takes rows from memory: from is [n, k].
func (g *Gradient) Pack(from []float32) {
	g.resize(len(from) / g.k)
	g.from = from
	g.pool.Run(blocksOf(g.padded()), g.pack)
	g.from = nil
}

func blocksOf(rows int) int { return (rows + rowBlock - 1) / rowBlock }

func (g *Gradient) packRows(block int) {
	for r := block * rowBlock; r < min((block+1)*rowBlock, g.padded()); r++ {
		if r < g.n {
			g.put(r, 0, g.from[r*g.k:(r+1)*g.k])
		} else {
			g.put(r, 0, nil)
		}
	}
}

// put writes a row into the panels from the given one on, zeros where it ends
// before them.
func (g *Gradient) put(r, panel int, row []float32) {
	c, step := g.micro.columns, g.padded()*g.micro.columns
	for at := r*c + panel*step; at < len(g.panels); at += step {
		n := copy(g.panels[at:at+c], row)
		clear(g.panels[at+n : at+c])
		row = row[n:]
	}
}

// Scaled takes diag(by)·G of another gradient.
func (g *Gradient) Scaled(source *Gradient, by []float32) {
	g.resize(source.n)
	g.by = grow(g.by, g.padded())
	clear(g.by[copy(g.by, by[:g.n]):])
	g.source = source
	g.pool.Run(blocksOf(g.padded()), g.scale)
	g.source = nil
}

func (g *Gradient) scaleRows(block int) {
	c := g.micro.columns
	lo, hi := block*rowBlock, min((block+1)*rowBlock, g.padded())
	for at := 0; at < len(g.panels); at += g.padded() * c {
		src, dst := g.source.panels[at+lo*c:at+hi*c], g.panels[at+lo*c:at+hi*c]
		if g.micro.scale != nil {
			g.micro.scale(&dst[0], &src[0], &g.by[lo], hi-lo)
			continue
		}
		for i, v := range src {
			dst[i] = v * g.by[lo+i/c]
		}
	}
}
