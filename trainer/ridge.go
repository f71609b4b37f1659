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
	aa, ab, err := anchored(data, f.Penalty)
	if err != nil {
		return Beginning{}, err
	}
	var c mat.Cholesky
	var m mat.Dense
	if !c.Factorize(aa) {
		return Beginning{}, errors.New("the equations of ridge have no single solution: use a larger --penalty")
	}
	if err := c.SolveTo(&m, ab); err != nil {
		return Beginning{}, err
	}
	return Beginning{Matrix: floats(&m)}, nil
}

// anchored returns AᵀA + λI and AᵀB + λI [d, d], both over the number of pairs,
// for the similar pairs' left vectors A and right ones B. λ is the penalty times
// the mean eigenvalue of AᵀA.
func anchored(data *loader.Dataset, penalty float64) (aa *mat.SymDense, ab *mat.Dense, err error) {
	table := data.Vectors
	left, right, err := positives(data)
	if err != nil {
		return nil, nil, err
	}
	s, err := scatterOf(tableRows(table, left), table.Dim, nil)
	if err != nil {
		return nil, nil, err
	}
	if ab, err = cross(table, left, right, nil, nil); err != nil {
		return nil, nil, err
	}
	ab.Scale(1/float64(s.n), ab)
	lambda := penalty * mat.Trace(s.matrix) / float64(table.Dim)
	for i := range table.Dim {
		s.matrix.SetSym(i, i, s.matrix.At(i, i)+lambda)
		ab.Set(i, i, ab.At(i, i)+lambda)
	}
	return s.matrix, ab, nil
}
