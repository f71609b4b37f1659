package graph

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// LowRank is the start S and a matrix of few columns and rows:
//
//	M = S + U·Vᵀ   for U [d, Rank] and V [k, Rank]
//
// U begins as zeros, so that M is S, and V as draws of N(0, 1/Rank), so that a row of
// M moves as far as that of a full matrix whose elements move as far as those of U.
// Source: Hu et al. 2022, "LoRA", § 4.1.
type LowRank struct {
	Rank int `json:"rank"`
}

var _ DeviceShape = LowRank{}

// Name returns "low-rank".
func (LowRank) Name() string { return "low-rank" }

// Fits wants a rank that such a matrix can have.
func (s LowRank) Fits(d, k int) error {
	if most := min(d, k); s.Rank < 1 || s.Rank > most {
		return fmt.Errorf("a rank of %d, want one from 1 to %d, which a full matrix has", s.Rank, most)
	}
	return nil
}

// Size is that of U and V, for each side.
func (s LowRank) Size(f *Form) int { return f.Sides * (f.D + f.K) * s.Rank }

// Terms are those that a GPU computes.
func (s LowRank) Terms(*Form) Terms { return Terms{Rank: s.Rank} }

// split finds U and V of one side's θ.
func (s LowRank) split(f *Form, theta []float32) (u, v []float32) {
	return theta[:f.D*s.Rank], theta[f.D*s.Rank:]
}

// Begin returns zeros and draws.
func (s LowRank) Begin(f *Form, seed uint64) []float32 {
	const stream = math.MaxUint64 - 1 // apart from those of shuffles and of a random start
	rng := rand.New(rand.NewPCG(seed, stream))
	theta := make([]float32, s.Size(f))
	for side := range f.Sides {
		_, v := s.split(f, f.side(side, theta))
		for i := range v {
			v[i] = float32(rng.NormFloat64() / math.Sqrt(float64(s.Rank)))
		}
	}
	return theta
}

// Matrix multiplies out.
func (s LowRank) Matrix(f *Form, theta, m []float32) {
	for side := range f.Sides {
		u, v := s.split(f, f.side(side, theta))
		f.Pool.GemmNT(f.D, f.K, s.Rank, u, v, f.side(side, m))
	}
	f.eachRow(func(row int) {
		at := row * f.K
		sum := m[at:][:f.K]
		for j, x := range f.Start[at:][:f.K] {
			sum[j] += x
		}
	})
}

// Gradient is dU = dM·V and dV = dMᵀ·U.
func (s LowRank) Gradient(f *Form, theta, dm, dtheta []float32) {
	for side := range f.Sides {
		u, v := s.split(f, f.side(side, theta))
		du, dv := s.split(f, f.side(side, dtheta))
		d := f.side(side, dm)
		f.Pool.Gemm(f.D, s.Rank, f.K, d, v, du)
		f.Pool.GemmTN(f.K, s.Rank, f.D, d, u, dv)
	}
}
