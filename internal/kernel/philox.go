package kernel

// Philox returns the block of four random words that Philox4x32-10 assigns to
// a counter and a key: the same on every machine and device, whoever asks and
// in whatever order. Source: Salmon, Moraes, Dror and Shaw, "Parallel random
// numbers: as easy as 1, 2, 3" (SC 2011).
func Philox(counter [4]uint32, key [2]uint32) [4]uint32 {
	a, b, c, d := philox(counter[0], counter[1], counter[2], counter[3], key[0], key[1])
	return [4]uint32{a, b, c, d}
}

// What the keys grow by with each round.
const weyl0, weyl1 = 0x9E3779B9, 0xBB67AE85

// philox is Philox in registers, which an array would leave.
func philox(c0, c1, c2, c3, k0, k1 uint32) (uint32, uint32, uint32, uint32) {
	const (
		multiplier0, multiplier1 = 0xD2511F53, 0xCD9E8D57
		rounds                   = 10
	)
	for range rounds {
		p0, p1 := multiplier0*uint64(c0), multiplier1*uint64(c2)
		c0, c1, c2, c3 = uint32(p1>>32)^c1^k0, uint32(p1), uint32(p0>>32)^c3^k1, uint32(p0)
		k0 += weyl0
		k1 += weyl1
	}
	return c0, c1, c2, c3
}
