package graph

import "errors"

// AnglE is CoSENT on another likeness of two vectors than the cosine. Their
// halves are taken for the real and the imaginary parts of k/2 complex numbers,
// and the likeness is
//
//	s = |Σ Re + Im of a·conj(b)| / (|a|·|b|)
//
// whose derivative does not vanish where the cosine's does. Source: Li and Li
// 2023, "AnglE", as in sentence-transformers.
type AnglE struct {
	Scale float64 `json:"scale"`
}

var (
	_ VectorLoss = AnglE{}
	_ EvenLoss   = AnglE{}
)

// Name returns "angle".
func (AnglE) Name() string { return "angle" }

// WantsEven marks an EvenLoss.
func (AnglE) WantsEven() {}

// Evaluate is the formula: with b = c + i·d, the sum is a·(c − d, c + d).
func (l AnglE) Evaluate(v *Vectors, dp []float32) (float64, error) {
	if v.K%2 != 0 {
		return 0, errors.New("the loss angle takes vectors for complex numbers: choose an even number of --dims")
	}
	n, k := v.Pairs(), v.K
	u, inverse := v.Unit()
	turned, s, ds := v.Scratch(n*k), v.Scratch(n), v.Scratch(n)
	sign := v.Scratch(n)
	v.eachRow(n, func(i int) {
		turn(turned[i*k:(i+1)*k], u[(n+i)*k:(n+i+1)*k], 1)
		x := dot(u[i*k:(i+1)*k], turned[i*k:(i+1)*k])
		sign[i] = 1
		if x < 0 {
			x, sign[i] = -x, -1
		}
		s[i] = float32(x)
	})
	loss := CoSENT(l).Evaluate(v.Scored(s), ds)
	du := v.Scratch(2 * n * k)
	v.eachRow(n, func(i int) {
		left, right := du[i*k:(i+1)*k], du[(n+i)*k:(n+i+1)*k]
		by := ds[i] * sign[i]
		for j, x := range turned[i*k : (i+1)*k] {
			left[j] = by * x
		}
		turn(right, u[i*k:(i+1)*k], -1)
		for j := range right {
			right[j] *= by
		}
	})
	v.ThroughUnit(u, inverse, du, dp)
	return loss, nil
}

// turn writes (c − d, c + d) for b = (c, d), and with sign −1 the transpose of
// that, (c + d, d − c).
func turn(to, b []float32, sign float32) {
	half := len(b) / 2
	for j := range half {
		c, d := b[j], b[half+j]
		to[j], to[half+j] = c-sign*d, d+sign*c
	}
}
