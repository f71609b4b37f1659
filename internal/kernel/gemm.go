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
func Gemm(threads, m, n, k int, a, b, c []float32) {
	multiply(current(), threads, m, n, k, view{a, k, 1}, view{b, 1, n}, c)
}

// GemmTN computes C = Aᵀ·B for A [k, m], B [k, n] and C [m, n].
func GemmTN(threads, m, n, k int, a, b, c []float32) {
	multiply(current(), threads, m, n, k, view{a, 1, m}, view{b, 1, n}, c)
}

// GemmNT computes C = A·Bᵀ for A [m, k], B [n, k] and C [m, n].
func GemmNT(threads, m, n, k int, a, b, c []float32) {
	multiply(current(), threads, m, n, k, view{a, k, 1}, view{b, k, 1}, c)
}

// A view reads an operand by (outer, inner) index, where outer runs over rows
// of C (for A) or columns of C (for B) and inner over K. The strides hide
// whether the operand is transposed.
type view struct {
	data         []float32
	outer, inner int
}

// multiply packs both operands into panels, then computes C block by block.
func multiply(micro micro, threads, m, n, k int, a, b view, c []float32) {
	if m == 0 || n == 0 {
		return
	}
	c = c[:m*n]
	if k == 0 {
		clear(c)
		return
	}
	p := product{micro, n, k, pack(threads, a, m, k, micro.rows), pack(threads, b, n, k, micro.columns), c}
	columns := (n + blockColumns - 1) / blockColumns
	rows := (m + blockRows - 1) / blockRows
	Parallel(threads, rows*columns, func(i int) {
		r, col := i/columns*blockRows, i%columns*blockColumns
		p.block(r, min(r+blockRows, m), col, min(col+blockColumns, n))
	})
}

// pack copies a view into panels [outer/width][k][width], padded with zeros,
// so that the micro-kernel reads both operands with stride one.
func pack(threads int, v view, outer, k, width int) []float32 {
	panels := (outer + width - 1) / width
	packed := make([]float32, panels*k*width)
	Parallel(threads, panels, func(p int) {
		dst := packed[p*k*width : (p+1)*k*width]
		lanes := min(width, outer-p*width)
		from := p * width * v.outer
		if v.outer == 1 {
			for i := range k {
				copy(dst[i*width:i*width+lanes], v.data[from+i*v.inner:])
			}
			return
		}
		for lane := range lanes {
			src := v.data[from+lane*v.outer:]
			for i := range k {
				dst[i*width+lane] = src[i*v.inner]
			}
		}
	})
	return packed
}

// A product is C = A·B under way, with packed operands.
type product struct {
	micro
	n, k    int
	a, b, c []float32
}

// block computes rows [r0, r1) and columns [c0, c1) of C.
func (p *product) block(r0, r1, c0, c1 int) {
	var edge [maxTile]float32
	for k0 := 0; k0 < p.k; k0 += blockK {
		kb, add := min(blockK, p.k-k0), min(k0, 1)
		for col := c0; col < c1; col += p.columns {
			b := &p.b[(col/p.columns*p.k+k0)*p.columns]
			for r := r0; r < r1; r += p.rows {
				a := &p.a[(r/p.rows*p.k+k0)*p.rows]
				if r+p.rows <= r1 && col+p.columns <= c1 {
					p.run(kb, a, b, &p.c[r*p.n+col], p.n, add)
					continue
				}
				p.run(kb, a, b, &edge[0], p.columns, 0)
				p.store(edge[:], r, min(r+p.rows, r1), col, min(col+p.columns, c1), add == 1)
			}
		}
	}
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
