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
	p.rows(len(s), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			a, b := l[i*k:(i+1)*k], r[i*k:(i+1)*k]
			if gl != nil {
				s[i] = cosinePair(a, b, gl[i*k:(i+1)*k], gr[i*k:(i+1)*k])
				continue
			}
			cosine, _ := cosineOf(products(a, b))
			s[i] = float32(cosine)
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
// [2·len(s), k], and takes the gradient of each by its two rows, as
// Pool.Cosines has them. It overwrites p.
func (g *Gradient) Cosines(p, s []float32) {
	g.resize(2 * len(s))
	g.from, g.by = p, s
	g.pool.Run(blocksOf(len(s)), g.cosines)
	g.from, g.by = nil, nil
	for r := g.n; r < g.padded(); r++ {
		g.put(r, nil)
	}
}

func (g *Gradient) cosinePairs(block int) {
	n := len(g.by)
	for i := block * rowBlock; i < min((block+1)*rowBlock, n); i++ {
		l, r := g.from[i*g.k:(i+1)*g.k], g.from[(n+i)*g.k:(n+i+1)*g.k]
		g.by[i] = cosinePair(l, r, l, r)
		g.put(i, l)
		g.put(n+i, r)
	}
}

// cosinePair returns the cosine of l and r, and writes its gradient by both.
func cosinePair(l, r, gl, gr []float32) float32 {
	dot, aa, bb := products(l, r)
	cosine, inverse := cosineOf(dot, aa, bb)
	cosineGradient(l, r, cosine, inverse, aa, bb, gl, gr)
	return float32(cosine)
}

func cosineGradient(a, b []float32, cosine, inverse, aa, bb float64, ga, gb []float32) {
	if inverse == 0 {
		aa, bb = 1, 1 // a zero vector: every term below becomes 0
	}
	pullA, pullB := cosine/aa, cosine/bb
	for j := range a {
		x, y := float64(a[j]), float64(b[j])
		ga[j] = float32(y*inverse - x*pullA)
		gb[j] = float32(x*inverse - y*pullB)
	}
}

// products returns a·b, a·a and b·b, summed in float64.
func products(a, b []float32) (ab, aa, bb float64) {
	b = b[:len(a)]
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
	p.rows(len(s), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			cosine, _ := cosineOf(products(row(left[i]), row(right[i])))
			s[i] = float32(cosine)
		}
	})
}

// Normalize divides each row of x [n, k] by its Euclidean norm; rows of zeros
// stay as they are.
func (p *Pool) Normalize(n, k int, x []float32) {
	p.rows(n, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			row := x[i*k : (i+1)*k]
			_, square, _ := products(row, row)
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
