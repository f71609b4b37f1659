package trainer

import (
	"gonum.org/v1/gonum/mat"

	"github.com/cosfit/cosfit/loader"
)

// Orthogonal starts from a random rotation, which keeps every cosine where k = d;
// with fewer columns from the first k of one, and with more from orthonormal rows.
// It is uniformly distributed: the orthogonal factor of a matrix of normal draws,
// with signs such that the triangular one has a positive diagonal. Source: Mezzadri
// 2007, § 5.
type Orthogonal struct{}

// Name returns "orthogonal".
func (Orthogonal) Name() string { return "orthogonal" }

// Fits takes any shape.
func (Orthogonal) Fits(_, _ int) error { return nil }

// Begin returns a matrix that depends on the seed alone.
func (Orthogonal) Begin(data *loader.Dataset, k int, seed uint64) (Beginning, error) {
	d := data.Vectors.Dim
	drawn := mat.NewDense(d, k, wide(normal(d*k, seed)))
	if k > d {
		return Beginning{Matrix: floats(orthogonalFactor(drawn.T()).T())}, nil
	}
	return Beginning{Matrix: floats(orthogonalFactor(drawn))}, nil
}

// orthogonalFactor returns Q of x = Q·R [n, m], n ≥ m, with R's diagonal positive.
func orthogonalFactor(x mat.Matrix) *mat.Dense {
	n, m := x.Dims()
	var qr mat.QR
	var whole, r mat.Dense
	qr.Factorize(x)
	qr.QTo(&whole)
	qr.RTo(&r)
	q := mat.DenseCopyOf(whole.Slice(0, n, 0, m))
	for j := range m {
		if r.At(j, j) < 0 {
			scale(q, j, -1)
		}
	}
	return q
}
