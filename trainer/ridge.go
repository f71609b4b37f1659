package trainer

import (
	"cmp"
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
// 1970, with the identity in place of zero. Where the sides' vectors come from two
// models there is no identity to stay near, and zero takes its place again.
//
// It is a start as well as a closed form.
type Ridge struct {
	Penalty float64 `json:"penalty,omitempty"` // 0 means 1, or 0.1 between two models
}

var (
	_ ClosedForm = Ridge{}
	_ Start      = Ridge{}
)

// Name returns "ridge".
func (Ridge) Name() string { return "ridge" }

// Fits takes any shape: that k is the dimensions of the right vectors follows from
// the side, which is the queries'.
func (Ridge) Fits(_, _ int) error { return nil }

func (Ridge) mapsAcross() {}

// Begin is Solve.
func (f Ridge) Begin(data *loader.Dataset, k int, _ uint64) (Beginning, error) {
	return f.Solve(data, k)
}

// Solve solves the linear equations.
func (f Ridge) Solve(data *loader.Dataset, _ int) (Beginning, error) {
	m, err := momentsOf(data)
	if err != nil {
		return Beginning{}, err
	}
	if m.across() {
		m.hold(cmp.Or(f.Penalty, 0.1), 0)
	} else {
		penalty := cmp.Or(f.Penalty, 1)
		m.hold(penalty, penalty)
	}
	var c mat.Cholesky
	var solved mat.Dense
	if !c.Factorize(m.aa) {
		return Beginning{}, errors.New("the equations of ridge have no single solution: use a larger --penalty")
	}
	if err := c.SolveTo(&solved, m.ab); err != nil {
		return Beginning{}, err
	}
	return Beginning{Matrix: floats(&solved)}, nil
}

// pairMoments are AᵀA [d, d] and AᵀB [d, k], both over the number of pairs, for
// the left vectors A and the right ones B of pairs that should be alike.
type pairMoments struct {
	aa *mat.SymDense
	ab *mat.Dense
}

// momentsOf are those of the training vectors that should be alike.
func momentsOf(data *loader.Dataset) (pairMoments, error) {
	table := data.Vectors
	d, k := table.Dims()
	left, right, err := alike(data)
	if err != nil {
		return pairMoments{}, err
	}
	s, err := scatterOf(tableRows(table, left), table.Dim, nil)
	if err != nil {
		return pairMoments{}, err
	}
	ab, err := cross(table, left, right, nil, nil)
	if err != nil {
		return pairMoments{}, err
	}
	ab.Scale(1/float64(s.n), ab)
	// A shorter side's rows end with zeros, and so do its moments.
	return pairMoments{s.matrix.SliceSym(0, d).(*mat.SymDense), ab.Slice(0, d, 0, k).(*mat.Dense)}, nil
}

// alike lists the training vectors that should be alike, as rows: the similar
// pairs, or, between two models, the texts that both have embedded, each with
// itself. Where these are too few to settle a matrix it lists both.
func alike(data *loader.Dataset) (left, right []int32, err error) {
	d, k := data.Vectors.Dims()
	if d != k {
		left, right = data.InBothSpaces()
		if len(left) >= min(d, k) {
			return left, right, nil
		}
	}
	l, r, err := positives(data)
	return append(left, l...), append(right, r...), err
}

// across reports whether A and B are of different dimensions.
func (m pairMoments) across() bool {
	d, k := m.ab.Dims()
	return d != k
}

// hold adds multiples of the identity to both: penalties times the mean eigenvalue
// of AᵀA.
func (m pairMoments) hold(aa, ab float64) {
	d, k := m.ab.Dims()
	mean := mat.Trace(m.aa) / float64(d)
	for i := range d {
		m.aa.SetSym(i, i, m.aa.At(i, i)+aa*mean)
		if i < k {
			m.ab.Set(i, i, m.ab.At(i, i)+ab*mean)
		}
	}
}
