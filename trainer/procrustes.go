package trainer

import (
	"cmp"
	"errors"
	"math"
	"runtime"

	"github.com/cosfit/cosfit/internal/kernel"
	"github.com/cosfit/cosfit/loader"
)

// Procrustes is the rotation that brings queries nearest to the passages that
// answer them, and stays near the identity where they say nothing:
//
//	minimise |A·Q − B|² + λ·|Q − I|² over orthogonal Q,   Q = the orthogonal factor of AᵀB + λI
//
// for the similar pairs' left vectors A and right ones B, of which λ is Penalty
// times the mean eigenvalue of AᵀA. It is for queries alone, whose cosines among
// each other it keeps. Source: Schönemann 1966, with the identity beside it.
//
// Where the sides' vectors come from two models, Q has orthogonal rows or, where
// the right ones have fewer dimensions, columns, and the identity, cut to that
// shape, only settles what the pairs do not.
//
// It is a start as well as a closed form.
type Procrustes struct {
	Penalty float64 `json:"penalty,omitempty"` // 0 means 1, or 0.001 between two models
}

var (
	_ ClosedForm = Procrustes{}
	_ Start      = Procrustes{}
)

// Name returns "procrustes".
func (Procrustes) Name() string { return "procrustes" }

// Fits takes any shape, as Ridge does.
func (Procrustes) Fits(_, _ int) error { return nil }

func (Procrustes) mapsAcross() {}

// Begin is Solve.
func (f Procrustes) Begin(data *loader.Dataset, k int, _ uint64) (Beginning, error) {
	return f.Solve(data, k)
}

// Solve finds the rotation.
func (f Procrustes) Solve(data *loader.Dataset, _ int) (Beginning, error) {
	m, err := momentsOf(data)
	if err != nil {
		return Beginning{}, err
	}
	penalty := cmp.Or(f.Penalty, 1)
	if m.across() {
		penalty = cmp.Or(f.Penalty, 0.001)
	}
	m.hold(0, penalty)
	d, k := m.ab.Dims()
	if d >= k {
		q, err := rotation(floats(m.ab), d, k)
		return Beginning{Matrix: q}, err
	}
	q, err := rotation(floats(m.ab.T()), k, d)
	if err != nil {
		return Beginning{}, err
	}
	turned := make([]float32, len(q))
	for i := range k {
		for j := range d {
			turned[j*k+i] = q[i*d+j]
		}
	}
	return Beginning{Matrix: turned}, nil
}

// rotation returns the orthogonal factor of x [rows, d], rows ≥ d, U·Vᵀ for
// x = U·S·Vᵀ, by the iteration x ← x·(1.5·I − 0.5·xᵀx), which drives all singular
// values to 1; larger steps are taken while they are small. Source: Higham 2008,
// § 8.3; the steps as in Chen and Chow 2014.
func rotation(x []float32, rows, d int) ([]float32, error) {
	const iterations, tolerance = 100, 1e-6
	pool := kernel.NewPool(runtime.GOMAXPROCS(0))
	norm := 0.0
	for _, v := range x {
		norm += float64(v) * float64(v)
	}
	if !(norm > 0) || math.IsInf(norm, 1) {
		return nil, errors.New("the similar pairs' vectors have no products to rotate by")
	}
	for i := range x { // no singular value exceeds the Frobenius norm
		x[i] = float32(float64(x[i]) / math.Sqrt(norm))
	}
	gram, next := make([]float32, d*d), make([]float32, rows*d)
	for range iterations {
		pool.GemmTN(d, d, rows, x, x, gram)
		most, off := 0.0, 0.0
		for i := range d { // a bound of the largest eigenvalue: the largest row sum
			row := 0.0
			for j, v := range gram[i*d : (i+1)*d] {
				row += math.Abs(float64(v))
				if i == j {
					v--
				}
				off = max(off, math.Abs(float64(v)))
			}
			most = max(most, row)
		}
		if off <= tolerance*math.Sqrt(float64(d)) {
			return x, nil
		}
		scale := 1.0
		if most < 1 { // all singular values are below √most, so they may grow
			scale = 1 / math.Sqrt(most)
		}
		for i, v := range gram {
			gram[i] = float32(-0.5 * float64(v) * scale * scale * scale)
		}
		for i := range d {
			gram[i*d+i] += float32(1.5 * scale)
		}
		pool.Gemm(rows, d, d, x, gram, next)
		x, next = next, x
	}
	return nil, errors.New("the similar pairs leave some directions without a rotation: use a larger --penalty")
}
