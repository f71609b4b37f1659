package kernel

import "golang.org/x/sys/cpu"

//go:noescape
func microAVX512(chunks, k int, a *float32, step int, b, c *float32, stride int, add int, nextA, nextB *float32)

//go:noescape
func microAVX512Turned(squares int, a *float32, step int, b, c *float32, stride int, add int, nextA, nextB *float32)

//go:noescape
func microAVX2(chunks, k int, a *float32, step int, b, c *float32, stride int, add int, nextA, nextB *float32)

//go:noescape
func microAVX2Turned(squares int, a *float32, step int, b, c *float32, stride int, add int, nextA, nextB *float32)

//go:noescape
func masksAVX512(counter *[4]uint32, keys *[20]uint32, lanes *[16]uint32, bound uint32, masks *uint64, n int)

//go:noescape
func masksAVX2(counter *[4]uint32, keys *[20]uint32, lanes *[16]uint32, bound uint32, masks *uint64, n int)

//go:noescape
func dropAVX512(dst, src *float32, masks *uint64, n int, scale float32, bits *[8]uint32)

//go:noescape
func dropAVX2(dst, src *float32, masks *uint64, n int, scale float32, bits *[8]uint32)

//go:noescape
func weaveAVX(dst, src *float32, stride, fours, rows int)

//go:noescape
func adamAVX512(step *AdamStep, n int, w, grad, m, v, start *float32)

//go:noescape
func adamAVX2(step *AdamStep, n int, w, grad, m, v, start *float32)

//go:noescape
func spreadRowsAVX512(dst, src *float32, k, stride, size int)

//go:noescape
func spreadColumnsAVX512(dst, src *float32, k, stride, size int)

//go:noescape
func spreadRowsAVX2(dst, src *float32, k, stride, size int)

//go:noescape
func spreadColumnsAVX2(dst, src *float32, k, stride, size int)

//go:noescape
func momentumAVX512(n int, w, grad, v *float32, momentum, rate float32)

//go:noescape
func productsAVX512(a, b *float32, n int) (ab, aa, bb float64)

//go:noescape
func pullAVX512(dst, own, other *float32, panels, size int, x, y float64)

//go:noescape
func momentumAVX2(n int, w, grad, v *float32, momentum, rate float32)

//go:noescape
func productsAVX2(a, b *float32, n int) (ab, aa, bb float64)

//go:noescape
func pullAVX2(dst, own, other *float32, panels, size int, x, y float64)

//go:noescape
func reachAVX512(scores *float32, n int, bound float32, masks *uint64)

//go:noescape
func reachAVX2(scores *float32, n int, bound float32, masks *uint64)

//go:noescape
func tilesAMX3(tiles, steps int, a, b, c *float32, stride, add int, next *float32)

//go:noescape
func tilesAMX2(tiles, steps int, a, b, c *float32, stride, add int, next *float32)

//go:noescape
func tilesAMX1(tiles, steps int, a, b, c *float32, stride, add int, next *float32)

//go:noescape
func busyAMX(n int)

//go:noescape
func splitAMX3(dst, src *float32, rows, stride, half int)

//go:noescape
func splitAMX2(dst, src *float32, rows, stride, half int)

//go:noescape
func splitAMX1(dst, src *float32, rows, stride, half int)

//go:noescape
func transposeAMX(tile *float32, planes Parts)

//go:noescape
func dotAVX512(a *float64, x *float32, n int) float64

//go:noescape
func dotAVX2(a *float64, x *float32, n int) float64

//go:noescape
func addTimesAVX512(y *float64, by float64, x *float32, n int)

//go:noescape
func addTimesAVX2(y *float64, by float64, x *float32, n int)

// tilesOfAMX are AMX's, with fewer parts behind those with more.
var tilesOfAMX = tiling{
	planes: 3, multiply: tilesAMX3, split: splitAMX3, transpose: transposeAMX, busy: busyAMX,
	fewer: &tiling{
		planes: 2, multiply: tilesAMX2, split: splitAMX2, transpose: transposeAMX,
		fewer: &tiling{planes: 1, multiply: tilesAMX1, split: splitAMX1, transpose: transposeAMX},
	},
}

// simd lists the vector extensions that there are, and the matrix engine before them.
func simd(engine bool) (list []micro) {
	if cpu.X86.HasAVX512F && cpu.X86.HasBMI2 {
		avx512 := micro{
			name: "avx512", rows: 12, columns: 32, lanes: 16, run: microAVX512, turned: microAVX512Turned,
			spreadRows: spreadRowsAVX512, spreadColumns: spreadColumnsAVX512,
			masks: masksAVX512, drop: dropAVX512, weave: weaveAVX, adam: adamAVX512,
			momentum: momentumAVX512, products: productsAVX512, pull: pullAVX512, reach: reachAVX512, dot: dotAVX512, addTimes: addTimesAVX512,
		}
		if engine && cpu.X86.HasAMXTile && cpu.X86.HasAMXBF16 && permitTiles() {
			list = append(list, avx512.withTiles("amx", &tilesOfAMX))
		}
		list = append(list, avx512)
	}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA && cpu.X86.HasBMI2 {
		list = append(list, micro{
			name: "avx2", rows: 6, columns: 16, lanes: 8, run: microAVX2, turned: microAVX2Turned,
			spreadRows: spreadRowsAVX2, spreadColumns: spreadColumnsAVX2,
			masks: masksAVX2, drop: dropAVX2, weave: weaveAVX, adam: adamAVX2,
			momentum: momentumAVX2, products: productsAVX2, pull: pullAVX2, reach: reachAVX2, dot: dotAVX2, addTimes: addTimesAVX2,
		})
	}
	return list
}
