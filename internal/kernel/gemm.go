package kernel

// The micro-kernel computes a tile of microRows × microCols entries of C and
// keeps it in registers. Rows and columns of C are handed out in blocks of
// blockRows × blockCols, and K is walked in steps of blockK so that the panels
// in use stay in the first-level cache.
const (
	microRows = 2
	microCols = 4
	blockRows = 64
	blockCols = 64
	blockK    = 512
)

// Gemm computes C = A·B for A [m, k], B [k, n] and C [m, n].
func Gemm(threads, m, n, k int, a, b, c []float32) {
	multiply(threads, m, n, k, view{a, k, 1}, view{b, 1, n}, c)
}

// GemmTN computes C = Aᵀ·B for A [k, m], B [k, n] and C [m, n].
func GemmTN(threads, m, n, k int, a, b, c []float32) {
	multiply(threads, m, n, k, view{a, 1, m}, view{b, 1, n}, c)
}

// GemmNT computes C = A·Bᵀ for A [m, k], B [n, k] and C [m, n].
func GemmNT(threads, m, n, k int, a, b, c []float32) {
	multiply(threads, m, n, k, view{a, k, 1}, view{b, k, 1}, c)
}

// A view reads an operand by (outer, inner) index, where outer runs over rows
// of C (for A) or columns of C (for B) and inner over K. The strides hide
// whether the operand is transposed.
type view struct {
	data         []float32
	outer, inner int
}

// multiply packs both operands into panels, then computes C block by block.
func multiply(threads, m, n, k int, a, b view, c []float32) {
	if m == 0 || n == 0 {
		return
	}
	_ = c[m*n-1]
	pa := pack(threads, a, m, k, microRows)
	pb := pack(threads, b, n, k, microCols)
	columns := (n + blockCols - 1) / blockCols
	rows := (m + blockRows - 1) / blockRows
	Parallel(threads, rows*columns, func(i int) {
		r, col := i/columns*blockRows, i%columns*blockCols
		block(r, min(r+blockRows, m), col, min(col+blockCols, n), n, k, pa, pb, c)
	})
}

// pack copies a view into panels [outer/width][k][width], padded with zeros,
// so that the micro-kernel reads both operands with stride one.
func pack(threads int, v view, outer, k, width int) []float32 {
	panels := (outer + width - 1) / width
	packed := make([]float32, panels*k*width)
	Parallel(threads, panels, func(p int) {
		dst := packed[p*k*width : (p+1)*k*width]
		for w := range min(width, outer-p*width) {
			from := (p*width + w) * v.outer
			for i := range k {
				dst[i*width+w] = v.data[from+i*v.inner]
			}
		}
	})
	return packed
}

// block computes rows [r0, r1) and columns [c0, c1) of C, whose row length is
// n, from packed operands.
func block(r0, r1, c0, c1, n, k int, pa, pb, c []float32) {
	var tile [microRows * microCols]float32
	for k0 := 0; k0 == 0 || k0 < k; k0 += blockK {
		kb := min(blockK, k-k0)
		for col := c0; col < c1; col += microCols {
			panelB := pb[(col/microCols*k+k0)*microCols:][:kb*microCols]
			for r := r0; r < r1; r += microRows {
				panelA := pa[(r/microRows*k+k0)*microRows:][:kb*microRows]
				micro(panelA, panelB, &tile)
				store(c, n, r, min(r+microRows, r1), col, min(col+microCols, c1), &tile, k0 > 0)
			}
		}
	}
}

// store writes the part of a tile that lies inside C, or adds it when an
// earlier step of K has been there.
func store(c []float32, n, r0, r1, c0, c1 int, tile *[microRows * microCols]float32, add bool) {
	for r := r0; r < r1; r++ {
		row := c[r*n+c0 : r*n+c1]
		values := tile[(r-r0)*microCols:]
		for i := range row {
			if add {
				row[i] += values[i]
			} else {
				row[i] = values[i]
			}
		}
	}
}

// micro computes tile = A·B for a panel of A [k][microRows] and one of B
// [k][microCols].
func micro(a, b []float32, tile *[microRows * microCols]float32) {
	var c00, c01, c02, c03, c10, c11, c12, c13 float32
	for len(a) >= 2 && len(b) >= 4 {
		a0, a1 := a[0], a[1]
		b0, b1, b2, b3 := b[0], b[1], b[2], b[3]
		c00 += a0 * b0
		c01 += a0 * b1
		c02 += a0 * b2
		c03 += a0 * b3
		c10 += a1 * b0
		c11 += a1 * b1
		c12 += a1 * b2
		c13 += a1 * b3
		a, b = a[2:], b[4:]
	}
	*tile = [...]float32{c00, c01, c02, c03, c10, c11, c12, c13}
}
