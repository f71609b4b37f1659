package graph

import (
	"math"

	"github.com/cosfit/cosfit/internal/kernel"
)

// Unit returns the vectors at length 1, u [2B, k], and the inverses of their
// lengths, [2B]. Vectors of zeros stay zeros, and their inverse is 0.
func (v *Vectors) Unit() (u, inverse []float32) {
	n := 2 * v.Pairs()
	u, inverse = v.Scratch(n*v.K), v.Scratch(n)
	v.eachRow(n, func(r int) {
		from, to := v.P[r*v.K:(r+1)*v.K], u[r*v.K:(r+1)*v.K]
		length := math.Sqrt(dot(from, from))
		inverse[r] = 0
		if length != 0 {
			inverse[r] = float32(1 / length)
		}
		for j, x := range from {
			to[j] = x * inverse[r]
		}
	})
	return u, inverse
}

// ThroughUnit turns the derivative by u, which Unit returned, into that by the
// vectors: dp = (du − (du·u)·u) / length. dp and du may be the same memory.
func (v *Vectors) ThroughUnit(u, inverse, du, dp []float32) {
	v.eachRow(len(inverse), func(r int) {
		row, from, to := u[r*v.K:(r+1)*v.K], du[r*v.K:(r+1)*v.K], dp[r*v.K:(r+1)*v.K]
		along := float32(dot(from, row))
		for j, x := range from {
			to[j] = (x - along*row[j]) * inverse[r]
		}
	})
}

// eachRow calls f with 0 … n−1, on all threads.
func (v *Vectors) eachRow(n int, f func(r int)) { eachRow(v.Pool, n, f) }

func eachRow(pool *kernel.Pool, n int, f func(r int)) {
	const block = 16
	pool.Run((n+block-1)/block, func(b int) {
		for r := b * block; r < min((b+1)*block, n); r++ {
			f(r)
		}
	})
}

// dot is the inner product of two vectors.
func dot(a, b []float32) float64 {
	b = b[:len(a)]
	var even, odd float64 // two chains of additions
	i := 0
	for ; i+1 < len(a); i += 2 {
		even += float64(a[i]) * float64(b[i])
		odd += float64(a[i+1]) * float64(b[i+1])
	}
	if i < len(a) {
		even += float64(a[i]) * float64(b[i])
	}
	return even + odd
}
