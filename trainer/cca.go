package trainer

import (
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/cosfit/cosfit/loader"
)

// CCA whitens each side of the similar pairs by itself and then rotates one onto
// the other: canonical correlation analysis with all canonical directions. The
// matrices are for a side each. Directions in which the pairs are hardly related
// are left where they are. Source: Hotelling 1936, with shrinkage.
type CCA struct {
	Shrinkage float64 `json:"shrinkage,omitempty"` // as in Whitening
}

var _ ClosedForm = CCA{}

// unrelated is the canonical correlation up to which a direction is rather left
// where it is.
const unrelated = 0.1

// Name returns "cca".
func (CCA) Name() string { return "cca" }

// Fits wants k = d.
func (CCA) Fits(d, k int) error { return square("cca", d, k) }

// Solve returns the matrix of the left side above that of the right one. Both
// share an offset, the mean of all similar pairs' vectors.
func (f CCA) Solve(data *loader.Dataset, _ int) (Beginning, error) {
	table := data.Vectors
	left, right, err := positives(data)
	if err != nil {
		return Beginning{}, err
	}
	mean, err := centre(tableRows(table, slices.Concat(left, right)), table.Dim)
	if err != nil {
		return Beginning{}, err
	}
	l, err := f.root(table, left, mean)
	if err != nil {
		return Beginning{}, err
	}
	r, err := f.root(table, right, mean)
	if err != nil {
		return Beginning{}, err
	}
	ab, err := cross(table, left, right, mean, mean)
	if err != nil {
		return Beginning{}, err
	}
	var half, whole mat.Dense // of L·AᵀB·R for the whitened sides A·L and B·R
	half.Mul(l.T(), ab)
	whole.Mul(&half, r)
	whole.Scale(1/float64(len(left)), &whole) // its singular values are the canonical correlations, as far as the covariances were not shrunk
	for i := range table.Dim {
		whole.Set(i, i, whole.At(i, i)+unrelated)
	}
	q, err := rotation(floats(&whole), table.Dim)
	if err != nil {
		return Beginning{}, err
	}
	var turned mat.Dense
	turned.Mul(l, mat.NewDense(table.Dim, table.Dim, wide(q)))
	return Beginning{slices.Concat(floats(&turned), floats(r)), narrow(mean)}, nil
}

func (f CCA) root(table *loader.Table, rows []int32, mean []float64) (*mat.TriDense, error) {
	s, err := scatterOf(tableRows(table, rows), table.Dim, mean)
	if err != nil {
		return nil, err
	}
	c, err := s.shrunk(f.Shrinkage)
	if err != nil {
		return nil, err
	}
	return inverseRoot(c)
}
