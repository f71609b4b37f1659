package kernel

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
	drop        Dropout
	gather      func(panel int)
	packedM     []float32
	unturned    []float32 // panels of Xᵀ, where there is no micro-kernel for them
}

// NewOperand prepares for embeddings of d dimensions.
func (p *Pool) NewOperand(d int) *Operand {
	x := &Operand{pool: p, micro: current(), d: d}
	x.gather = x.gatherPanel
	return x
}

// Rows returns n.
func (x *Operand) Rows() int { return x.n }

// Gather takes rows of table [_, d], the left ones and then the right ones,
// with dropout as Pool.Gather has it: the sides' masks are those of side 0 and 1.
func (x *Operand) Gather(table []float32, left, right []int32, drop Dropout) {
	x.table, x.left, x.right, x.drop = table, left, right, drop
	x.n = len(left) + len(right)
	rows := x.micro.rows
	x.panels = grow(x.panels, x.padded()*x.d+rows*rows)
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
	const columns = 64 // a multiple of Philox' four
	rows := x.micro.rows
	var part [columns]float32
	for c0 := 0; c0 < x.d; c0 += columns {
		n := min(columns, x.d-c0)
		dst := x.panels[(i*x.d+c0)*rows : (i*x.d+c0+n)*rows]
		for lane := range rows {
			row := i*rows + lane
			if row >= x.n {
				clear(part[:])
			} else {
				x.gatherPart(row, c0, part[:n])
			}
			for c, v := range part[:n] {
				dst[c*rows+lane] = v
			}
		}
	}
}

// gatherPart copies a row's columns from c0 on, with dropout.
func (x *Operand) gatherPart(row, c0 int, dst []float32) {
	side, of := uint32(0), x.left
	if row >= len(x.left) {
		side, of, row = 1, x.right, row-len(x.left)
	}
	copy(dst, x.table[int(of[row])*x.d+c0:])
	if x.drop.Rate > 0 {
		x.drop.apply(dst, side, x.drop.Row+uint32(row), uint32(c0/4))
	}
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
		x.unturned = x.turn()
		p.a, p.lanes = x.unturned, 0
	}
	x.pool.compute(p)
}

// turn packs Xᵀ from the panels of X.
func (x *Operand) turn() []float32 {
	rows, k := x.micro.rows, x.padded()
	panels := (x.d + rows - 1) / rows
	out := grow(x.unturned, panels*rows*k)
	x.pool.Run(panels, func(i int) {
		for r := range k {
			square := x.panels[(r/rows*x.d+i*rows)*rows+r%rows:]
			for lane := range rows {
				out[(i*k+r)*rows+lane] = square[lane*rows]
			}
		}
	})
	return out
}

// A Gradient is G [n, k], by which the rows of X are multiplied, in the panels
// that the product reads.
type Gradient struct {
	pool   *Pool
	micro  micro
	k, n   int
	panels []float32 // [⌈k/columns⌉][padded n][columns], padded with zeros

	from, by []float32
	source   *Gradient
	pack     func(block int)
	scale    func(block int)
	cosines  func(block int)
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
			g.put(r, g.from[r*g.k:(r+1)*g.k])
		} else {
			g.put(r, nil)
		}
	}
}

// put writes a row, which may be shorter than k.
func (g *Gradient) put(r int, row []float32) {
	c, step := g.micro.columns, g.padded()*g.micro.columns
	for at := r * c; at < len(g.panels); at += step {
		n := copy(g.panels[at:at+c], row)
		clear(g.panels[at+n : at+c])
		row = row[n:]
	}
}

// Scaled takes diag(by)·G of another gradient.
func (g *Gradient) Scaled(source *Gradient, by []float32) {
	g.resize(source.n)
	g.source, g.by = source, by
	g.pool.Run(blocksOf(g.padded()), g.scale)
	g.source, g.by = nil, nil
}

func (g *Gradient) scaleRows(block int) {
	c := g.micro.columns
	lo, hi := block*rowBlock, min((block+1)*rowBlock, g.padded())
	for at := 0; at < len(g.panels); at += g.padded() * c {
		for r := lo; r < hi; r++ {
			by := float32(0)
			if r < g.n {
				by = g.by[r]
			}
			src, dst := g.source.panels[at+r*c:at+(r+1)*c], g.panels[at+r*c:at+(r+1)*c]
			for i, v := range src {
				dst[i] = v * by
			}
		}
	}
}
