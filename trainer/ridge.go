package trainer

import (
	"errors"

	"gonum.org/v1/gonum/mat"

	"github.com/cosfit/cosfit/loader"
)

// Ridge is the matrix that brings queries nearest to the passages that answer
// them, and stays near the identity where they say nothing:
//
//	minimise |A·M − B|² + λ·|M − I|²,   M = (AᵀA + λI)⁻¹·(AᵀB + λI)
//
// for the similar pairs' left vectors A and right ones B. λ is Penalty times the
// mean eigenvalue of AᵀA. It is for queries alone. Source: Hoerl and Kennard
// 1970, with the identity in place of zero.
type Ridge struct {
	Penalty float64 `json:"penalty"`
}

var _ ClosedForm = Ridge{}

// Name returns "ridge".
func (Ridge) Name() string { return "ridge" }

// Fits wants k = d.
func (Ridge) Fits(d, k int) error { return square("ridge", d, k) }

// Solve solves the linear equations.
func (f Ridge) Solve(data *loader.Dataset, _ int) (Beginning, error) {
	table := data.Vectors
	left, right, err := positives(data)
	if err != nil {
		return Beginning{}, err
	}
	s, err := scatterOf(tableRows(table, left), table.Dim, nil)
	if err != nil {
		return Beginning{}, err
	}
	ab, err := cross(table, left, right, nil, nil)
	if err != nil {
		return Beginning{}, err
	}
	penalty := f.Penalty * mat.Trace(s.matrix) / float64(table.Dim) // of the mean over pairs
	ab.Scale(1/float64(s.n), ab)
	for i := range table.Dim {
		s.matrix.SetSym(i, i, s.matrix.At(i, i)+penalty)
		ab.Set(i, i, ab.At(i, i)+penalty)
	}
	var c mat.Cholesky
	var m mat.Dense
	if !c.Factorize(s.matrix) {
		return Beginning{}, errors.New("the equations of ridge have no single solution: use a larger --penalty")
	}
	if err := c.SolveTo(&m, ab); err != nil {
		return Beginning{}, err
	}
	return Beginning{Matrix: floats(&m)}, nil
}
