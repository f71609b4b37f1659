package kernel

//go:noescape
func microNEON(chunks, k int, a *float32, step int, b, c *float32, stride int, add int, nextA, nextB *float32)

// simd needs no detection: every 64-bit Arm processor that Go runs on has NEON.
func simd(bool) []micro {
	return []micro{{name: "neon", rows: 12, columns: 8, run: microNEON, masks: masksGeneric, drop: dropGeneric, weave: weaveGeneric, reach: reachGeneric}}
}
