package kernel

import "unsafe"

const genericRows, genericColumns = 2, 4

// microGeneric is the micro-kernel in Go: eight sums are what the registers of
// most machines hold beside their operands.
func microGeneric(chunks, k int, a *float32, step int, b, c *float32, stride int, add int, _, _ *float32) {
	var c00, c01, c02, c03, c10, c11, c12, c13 float32
	panel, y := unsafe.Slice(a, (chunks-1)*step+k*genericRows), unsafe.Slice(b, chunks*k*genericColumns)
	for i := range chunks {
		x := panel[i*step:][:k*genericRows]
		for len(x) >= genericRows && len(y) >= genericColumns {
			a0, a1 := x[0], x[1]
			b0, b1, b2, b3 := y[0], y[1], y[2], y[3]
			c00 += a0 * b0
			c01 += a0 * b1
			c02 += a0 * b2
			c03 += a0 * b3
			c10 += a1 * b0
			c11 += a1 * b1
			c12 += a1 * b2
			c13 += a1 * b3
			x, y = x[genericRows:], y[genericColumns:]
		}
	}
	out := unsafe.Slice(c, stride+genericColumns)
	top, bottom := out[:genericColumns], out[stride:stride+genericColumns]
	if add == 0 {
		copy(top, []float32{c00, c01, c02, c03})
		copy(bottom, []float32{c10, c11, c12, c13})
		return
	}
	top[0] += c00
	top[1] += c01
	top[2] += c02
	top[3] += c03
	bottom[0] += c10
	bottom[1] += c11
	bottom[2] += c12
	bottom[3] += c13
}
