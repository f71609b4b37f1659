package graph

import "math"

// Diagonal weighs the dimensions of the start S, each by one number:
//
//	M = S·diag(1 + √k·θ)
//
// θ begins as zeros. A row of a full matrix moves by √k times what its elements move
// by, and so does one of this, whose only number that is: rates and decays mean the
// same.
type Diagonal struct{}

var _ DeviceShape = Diagonal{}

// Name returns "diagonal".
func (Diagonal) Name() string { return "diagonal" }

// Fits takes any shape.
func (Diagonal) Fits(_, _ int) error { return nil }

// Size is a number for each column, for each side.
func (Diagonal) Size(f *Form) int { return f.Sides * f.K }

// Terms are those that a GPU computes.
func (Diagonal) Terms(f *Form) Terms { return Terms{Weight: diagonalUnit(f)} }

// Begin returns zeros.
func (s Diagonal) Begin(f *Form, _ uint64) []float32 { return make([]float32, s.Size(f)) }

// Matrix multiplies each column by its weight.
func (Diagonal) Matrix(f *Form, theta, m []float32) {
	unit := diagonalUnit(f)
	f.eachRow(func(row int) {
		of, at := f.side(row/f.D, theta), row*f.K
		out := m[at:][:f.K]
		for j, x := range f.Start[at:][:f.K] {
			out[j] = x * (1 + float32(unit*of[j])) // float32 keeps Go from fusing
		}
	})
}

// Gradient is dθ_j = √k·Σ_i S_ij·dM_ij.
func (Diagonal) Gradient(f *Form, _, dm, dtheta []float32) {
	const block = 64 // columns of a piece of the work
	unit, pieces := float64(diagonalUnit(f)), (f.K+block-1)/block
	f.Pool.Run(f.Sides*pieces, func(i int) {
		side, first := i/pieces, i%pieces*block
		n := min(block, f.K-first)
		var sum [block]float64
		s, d := f.side(side, f.Start), f.side(side, dm)
		for at := first; at < len(s); at += f.K {
			y := d[at:][:n]
			for j, x := range s[at:][:n] {
				sum[j] += float64(x) * float64(y[j])
			}
		}
		for j := range n {
			dtheta[side*f.K+first+j] = float32(unit * sum[j])
		}
	})
}

func diagonalUnit(f *Form) float32 { return float32(math.Sqrt(float64(f.K))) }
