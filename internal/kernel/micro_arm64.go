package kernel

//go:noescape
func microNEON(k int, a, b, c *float32, stride int, add int)

// simd needs no detection: every 64-bit Arm processor that Go runs on has NEON.
func simd() []micro {
	return []micro{{"neon", 12, 8, microNEON, nil, masksGeneric, dropGeneric, weaveGeneric, nil, nil}}
}
