package kernel

import "math"

// Cosines writes s[i] = cos(l[i], r[i]) for the rows of l and r, each
// [len(s), k]. The cosine with a vector of zeros is 0.
//
// Where gl and gr are not nil they receive the gradient of each cosine by its
// two vectors, row by row, and may be the same memory as l and r:
//
//	∂s/∂l = r/(|l||r|) − s·l/|l|²   and likewise for r.
//
// The gradient by a vector of zeros is set to 0, and so is that of its partner.
func (p *Pool) Cosines(k int, l, r, s, gl, gr []float32) {
	m := current()
	p.rows(len(s), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			a, b := l[i*k:(i+1)*k], r[i*k:(i+1)*k]
			cosine, by := cosinePair(m, a, b)
			s[i] = cosine
			if gl != nil {
				by.write(a, b, gl[i*k:(i+1)*k], gr[i*k:(i+1)*k])
			}
		}
	})
}

// cosineOf returns dot/√(aa·bb) and 1/√(aa·bb), both 0 where a vector is all
// zeros.
func cosineOf(dot, aa, bb float64) (cosine, inverse float64) {
	if aa > 0 && bb > 0 {
		inverse = 1 / (math.Sqrt(aa) * math.Sqrt(bb))
		return dot * inverse, inverse
	}
	if dot != dot || aa != aa || bb != bb {
		return math.NaN(), 0
	}
	return 0, 0
}

// Cosines writes s[i] = cos(p[i], p[len(s)+i]) for the rows of p
// [2·len(s), k]. Pull reads p again, so it must not change before.
func (g *Gradient) Cosines(p, s []float32) {
	g.p, g.s = p, s
	if cap(g.pulls) < len(s) {
		g.pulls = make([]pull, len(s))
	}
	g.pulls = g.pulls[:len(s)]
	g.pool.Run(blocksOf(len(s)), g.cosines)
	g.s = nil
}

func (g *Gradient) cosinePairs(block int) {
	for i := block * rowBlock; i < min((block+1)*rowBlock, len(g.s)); i++ {
		l, r := g.pair(i)
		g.s[i], g.pulls[i] = cosinePair(g.micro, l, r)
	}
}

// pair returns the two rows of pair i.
func (g *Gradient) pair(i int) (l, r []float32) {
	n := len(g.pulls)
	return g.p[i*g.k : (i+1)*g.k], g.p[(n+i)*g.k : (n+i+1)*g.k]
}

// Pull makes dP what follows for the rows of p from the derivatives ds by the
// last Cosines: row i of it is ds[i] times the gradient of that cosine, which
// Pool.Cosines has.
func (g *Gradient) Pull(ds []float32) {
	g.resize(2 * len(g.pulls))
	g.ds = ds[:len(g.pulls)]
	if g.micro.tiling != nil {
		g.pool.Run(g.g.k/side, g.pullStep)
	} else {
		g.pool.Run(blocksOf(len(g.pulls)), g.pull)
	}
	g.ds = nil
}

func (g *Gradient) pullPairs(block int) {
	for i := block * rowBlock; i < min((block+1)*rowBlock, len(g.pulls)); i++ {
		l, r := g.pair(i)
		by := g.pulls[i].times(float64(g.ds[i]))
		g.pullRow(g.g.data[g.g.at(0, i):], g.g.step(i), l, r, -by.a, by.both)
		j := len(g.pulls) + i
		g.pullRow(g.g.data[g.g.at(0, j):], g.g.step(j), r, l, -by.b, by.both)
	}
}

// pullRow makes a row of dP x·own + y·other, in panels that lie size numbers
// apart.
func (g *Gradient) pullRow(panels []float32, size int, own, other []float32, x, y float64) {
	c, whole := g.micro.columns, 0
	if n := g.k / c; n > 0 && g.micro.pull != nil {
		g.micro.pull(&panels[0], &own[0], &other[0], n, size, x, y)
		whole = n * c
	}
	for ; whole < g.k; whole += c {
		to := panels[whole/c*size:][:c]
		clear(to)
		for j := range min(c, g.k-whole) {
			to[j] = float32(y*float64(other[whole+j]) + x*float64(own[whole+j]))
		}
	}
}

// A pull is the gradient of a cosine s of a and b:
//
//	∂s/∂a = both·b − pull.a·a and ∂s/∂b = both·a − pull.b·b.
type pull struct{ both, a, b float64 }

func (p pull) times(ds float64) pull { return pull{ds * p.both, ds * p.a, ds * p.b} }

func (p pull) write(a, b, ga, gb []float32) {
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ga[i] = float32(y*p.both - x*p.a)
		gb[i] = float32(x*p.both - y*p.b)
	}
}

// cosinePair returns the cosine of a and b and its gradient.
func cosinePair(m micro, a, b []float32) (float32, pull) {
	dot, aa, bb := m.sums(a, b)
	cosine, inverse := cosineOf(dot, aa, bb)
	if inverse == 0 {
		aa, bb = 1, 1 // a zero vector: all factors become 0
	}
	return float32(cosine), pull{inverse, cosine / aa, cosine / bb}
}

// sums returns a·b, a·a and b·b, summed in float64.
func (m micro) sums(a, b []float32) (ab, aa, bb float64) {
	b = b[:len(a)]
	if n := len(a) / max(m.lanes, 1); m.products != nil && n > 0 {
		ab, aa, bb = m.products(&a[0], &b[0], n)
		a, b = a[n*m.lanes:], b[n*m.lanes:]
	}
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab += x * y
		aa += x * x
		bb += y * y
	}
	return ab, aa, bb
}

// PairCosines writes s[i] = cos(x[left[i]], x[right[i]]) for rows of x [_, k].
func (p *Pool) PairCosines(k int, x []float32, left, right []int32, s []float32) {
	row := func(i int32) []float32 { return x[int(i)*k : (int(i)+1)*k] }
	m := current()
	p.rows(len(s), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			s[i], _ = cosinePair(m, row(left[i]), row(right[i]))
		}
	})
}

// Normalize divides each row of x [n, k] by its Euclidean norm; rows of zeros
// stay as they are.
func (p *Pool) Normalize(n, k int, x []float32) {
	m := current()
	p.rows(n, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			row := x[i*k : (i+1)*k]
			_, square, _ := m.sums(row, row)
			if square == 0 {
				continue
			}
			inverse := 1 / math.Sqrt(square)
			for j := range row {
				row[j] = float32(float64(row[j]) * inverse)
			}
		}
	})
}
