package kernel

import (
	"math"
	"sync"
)

// Matrix engines (AMX) multiply tiles of bfloat16, sixteen times as many
// numbers at a time as vectors of single precision. A float32 x is the sum of
// three bfloat16, rounded to nearest, the second from what the first leaves:
//
//	x = x₁ + x₂ + x₃,  |x₂| ≤ 2⁻⁸|x|,  |x₃| ≤ 2⁻¹⁷|x|
//
// so x·y is the sum of nine products, of which all but x₁y₁, x₁y₂, x₂y₁, x₂y₂,
// x₁y₃ and x₃y₁ together are below about 2⁻²⁴|x·y|, which rounding x·y to single
// precision costs as well; the sums are in single precision. Henry, Tang and Heinecke
// 2019, Leveraging the bfloat16 Artificial Intelligence Datatype For
// Higher-Precision Computations, measure how close this comes. Three things
// differ from arithmetic in single precision: the engine takes parts and products
// below 2⁻¹²⁶ for 0, so that factors below about 10⁻³¹ and products below about
// 10⁻³² lose digits; infinity times a number is NaN; and so is what has a factor
// from 3.39·10³⁸ up, which rounds to infinity.

// Parts is how many bfloat16 a matrix engine takes a number for the sum of. Two leave
// 16 of 24 bits, and three products; one leaves 8, and one product. Micro-kernels of
// vectors take numbers as they are.
type Parts int

// Single is the parts that products in single precision take.
const Single Parts = 3

// side is how many rows and columns of C are computed at a time, and how many
// entries of K are multiplied in a step.
const side = 32

// A tiling is what a matrix engine offers for numbers of some parts.
type tiling struct {
	planes Parts // of a number, each with a part
	// multiply computes n tiles of side × side entries of C, one below the other:
	// C = A·B, or C += A·B where add is 1. a has as many panels of steps of K, b has
	// one, next is where the next one lies; a step behind each is read.
	multiply func(n, steps int, a, b, c *float32, stride, add int, next *float32)
	// split divides 16 pairs of each of some rows, stride apart, over the planes of a
	// tile. The second of a pair lies half numbers behind the first.
	split func(dst, src *float32, rows, stride, half int)
	// transpose swaps rows and columns of a tile of 16 × 16 pairs, in each plane.
	transpose func(tile *float32, planes Parts)
	// busy does n times the multiplications of a step of three planes, with zeros. It
	// is nil where there are fewer.
	busy func(n int)

	fewer *tiling // with one part less; nil where there is one
}

// stepSize is how many float32s of memory a step takes in a panel: side × side
// entries in each plane.
func (t *tiling) stepSize() int { return int(t.planes) * side * side / 2 }

// tileSize is how many float32s of memory a tile takes in a plane.
const tileSize = side * side / 4

// A room is memory for one worker.
type room struct {
	*desk
	a    []float32 // a block of A, split
	rows []float32 // on their way into panels
}

// A desk is memory apart, because Go places what has no pointers on lines of the
// caches.
type desk struct {
	part  [side * partColumns]float32 // of a batch
	stage [16 * side]float32          // of a view's edge
	edge  [side * side]float32        // a tile that C has no room for
}

func newRoom() *room { return &room{desk: new(desk)} }

// rooms are those that nobody is in, the one that was left last on top: its
// memory is the nearest.
type rooms struct {
	lock sync.Mutex
	free []*room
}

// enter takes a room. The caller leaves it.
func (r *rooms) enter() *room {
	r.lock.Lock()
	defer r.lock.Unlock()
	last := len(r.free) - 1
	if last < 0 {
		return newRoom()
	}
	one := r.free[last]
	r.free = r.free[:last]
	return one
}

func (r *rooms) leave(one *room) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.free = append(r.free, one)
}

// splitStep writes a step of a panel: entries of K from k on, of rows of C
// (columns, for a panel of B) from outer on, zeros where there are fewer than
// side of either. A panel of A has pairs of entries of K in a row of C, one of B
// rows of C's columns in a pair.
func (t *tiling) splitStep(to []float32, from view, outer, outers, k, entries int, b bool, r *room) {
	along := from.inner == 1 // entries of K lie together
	for i := range 2 {
		dst := &to[i*tileSize]
		n, at := min(max(outers-16*i, 0), 16), (outer+16*i)*from.outer+k*from.inner
		switch {
		case n == 16 && entries == side && along:
			t.split(dst, &from.data[at], 16, from.outer, 16)
		case n == 16 && entries == side:
			t.split(dst, &from.data[at], 16, from.inner, 16*from.inner)
		case along:
			clear(r.stage[:])
			for o := range n {
				copy(r.stage[o*side:], from.data[at+o*from.outer:][:entries])
			}
			t.split(dst, &r.stage[0], 16, side, 16)
		default:
			clear(r.stage[:])
			for e := 0; e < entries && n > 0; e++ {
				copy(r.stage[e*16:], from.data[at+e*from.inner:][:n])
			}
			t.split(dst, &r.stage[0], 16, 16, 16*16)
		}
		if along == b {
			t.transpose(dst, t.planes)
		}
	}
}

// splitPanels packs a piece of B.
func (p *packing) splitPanels(i int) {
	r := p.rooms.enter()
	defer p.rooms.leave(r)
	first, k := i/p.parts*p.together*side, i%p.parts*packedEntries
	for outer := first; outer < min(first+p.together*side, p.outer); outer += side {
		to := p.to.data[p.to.at(outer, k):]
		for e := k; e < min(k+packedEntries, p.k); e += side {
			p.micro.tiling.splitStep(to, p.from, outer, p.outer-outer, e, min(side, p.k-e), true, r)
			to = to[p.micro.tiling.stepSize():]
		}
	}
}

// A filling splits a block of A: rows r0 … r1−1 of C, entries of K from k on, in
// panels of side rows.
type filling func(to []float32, r0, r1, k, entries int, r *room)

// A viewed is an A that is a view of outer rows of C and k entries of K.
type viewed struct {
	tiling   *tiling
	from     view
	outer, k int
}

// fill is the filling of a product of matrices.
func (v *viewed) fill(to []float32, r0, r1, k, entries int, r *room) {
	for row := r0; row < r1; row += side {
		for e := k; e < k+entries; e += side {
			v.tiling.splitStep(to, v.from, row, v.outer-row, e, min(side, v.k-e), false, r)
			to = to[v.tiling.stepSize():]
		}
	}
}

// withTiles is a micro-kernel whose products a matrix engine computes.
func (m micro) withTiles(name string, t *tiling) micro {
	m.name, m.tiling, m.rows, m.columns = name, t, side, side
	m.run, m.turned, m.spreadRows, m.spreadColumns = nil, nil, nil, nil
	return m
}

// inParts is the micro-kernel with a matrix engine that takes numbers for the sum of so
// many parts.
func (m micro) inParts(n Parts) micro {
	for m.tiling != nil && m.tiling.planes > n {
		m.tiling = m.tiling.fewer
	}
	return m
}

// A block of A for a matrix engine takes lowest to highest rows and blockK entries
// of K, a third of a megabyte to almost one, which the second-level cache holds
// beside the panels of B that pass by.
const (
	lowest      = partColumns // divides what gatherSquare gathers
	highest     = 3 * lowest
	mostColumns = 1024
)

// divideTiles chooses the height of the blocks so that the threads end together.
func (p *product) divideTiles(threads int) {
	// For each of its blocks a thread has the panels of B come from afar, which
	// takes about as long as some rows.
	const fetching = 32
	least := math.MaxInt
	for high := highest; high >= lowest; high -= lowest {
		blocks := (p.m + high - 1) / high
		if time := (blocks + threads - 1) / threads * (high + fetching); time < least {
			least, p.rowBlock, p.rowBlocks = time, high, blocks
		}
	}
}

// narrow makes several blocks of columns, for each of which a block of A is split
// anew, where threads would be idle without.
func (p *product) narrow(threads int) {
	for p.rowBlocks*p.beside < threads && p.columnBlock > blockColumns {
		p.columnBlock /= 2
		p.beside = (p.n + p.columnBlock - 1) / p.columnBlock
	}
}

// tileRegion is region by tiles: a block of A stays in the second-level cache
// while the panels of B pass by.
func (p *product) tileRegion(r0, c0 int, to *window) {
	r := p.rooms.enter()
	defer p.rooms.leave(r)
	r1, c1 := min(r0+p.rowBlock, p.m), min(c0+p.columnBlock, p.n)
	panels, whole := (r1-r0+side-1)/side, (r1-r0)/side
	for k := 0; k < p.b.k; k += blockK {
		entries, add := p.b.entries(k), min(k, 1)
		size := p.tiling.stepSize() * entries / side
		r.a = grow(r.a, panels*size+p.tiling.stepSize())
		p.fill(r.a, r0, r1, k, entries, r)
		for col := c0; col < c1; col += side {
			b := &p.b.data[p.b.at(col, k)]
			next := b
			if col+side < c1 {
				next = &p.b.data[p.b.at(col+side, k)]
			} else if k+blockK < p.b.k {
				next = &p.b.data[p.b.at(c0, k+blockK)]
			}
			cLast, done := min(col+side, c1), 0
			if col+side <= c1 && whole > 0 {
				p.tiling.multiply(whole, entries/side, &r.a[0], b, &to.c[to.at(r0, col)], to.stride, add, next)
				done = whole
			}
			for ; done < panels; done++ {
				row := r0 + done*side
				rLast := min(row+side, r1)
				if add == 1 {
					p.load(r.edge[:], row, rLast, col, cLast, to)
				}
				p.tiling.multiply(1, entries/side, &r.a[done*size], b, &r.edge[0], side, add, next)
				p.store(r.edge[:], row, rLast, col, cLast, to)
			}
		}
	}
}

// splitRows is the filling of X, gathered anew.
func (x *Operand) splitRows(to []float32, r0, r1, k, entries int, r *room) {
	for row := r0; row < r1; row += side {
		for e := k; e < min(k+entries, x.d); e += partColumns {
			n := x.gatherSquare(row, e, r)
			from := view{r.part[:], partColumns, 1}
			for at := 0; at < n; at += side {
				x.micro.tiling.splitStep(to, from, 0, side, at, min(side, n-at), false, r)
				to = to[x.micro.tiling.stepSize():]
			}
		}
	}
}

// splitColumns is the filling of Xᵀ, gathered anew: rows r0 … r1−1 of C are
// columns of X, entries of K its rows.
func (x *Operand) splitColumns(to []float32, r0, r1, k, entries int, r *room) {
	step := x.micro.tiling.stepSize()
	size := step * entries / side // of a panel
	for e := k; e < k+entries; e += side {
		for c := r0; c < r1; c += partColumns {
			n := x.gatherSquare(e, c, r)
			from := view{r.part[:], 1, partColumns}
			for at := 0; at < n && c+at < r1; at += side {
				panel := to[(c+at-r0)/side*size+(e-k)/side*step:]
				x.micro.tiling.splitStep(panel, from, at, n-at, 0, side, false, r)
			}
		}
	}
}

// gatherSquare gathers columns from c on of side rows, and says how many there
// are.
func (x *Operand) gatherSquare(row, c int, r *room) (columns int) {
	columns = min(partColumns, x.d-c)
	for lane := range side {
		x.gatherPart(row+lane, c, r.part[lane*partColumns:][:columns])
	}
	return columns
}

// splitPulls makes side rows of dP.
func (g *Gradient) splitPulls(step int) {
	r := g.pool.rooms.enter()
	defer g.pool.rooms.leave(r)
	const size = side * side
	r.rows = grow(r.rows, g.g.outer/side*size)
	n := len(g.pulls)
	if (step+1)*side > 2*n {
		clear(r.rows) // what pads the last rows
	}
	for row := step * side; row < min((step+1)*side, 2*n); row++ {
		left, right := g.pair(row % n)
		by, to := g.pulls[row%n].times(float64(g.ds[row%n])), r.rows[row%side*side:]
		if row < n {
			g.pullRow(to, size, left, right, -by.a, by.both)
		} else {
			g.pullRow(to, size, right, left, -by.b, by.both)
		}
	}
	for panel := 0; panel < g.g.outer; panel += side {
		g.micro.tiling.splitStep(g.g.data[g.g.at(panel, step*side):], view{r.rows[panel*side:], 1, side}, 0, side, 0, side, true, r)
	}
}
