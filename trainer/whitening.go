package trainer

import (
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/cosfit/cosfit/loader"
)

// Whitening makes the training texts vary alike in all directions: the matrix is
// a root of the inverse of their covariance, and their mean is the offset. With
// fewer columns than dimensions it keeps the leading directions. It needs no
// labels. Source: Su et al. 2021, with shrinkage.
type Whitening struct {
	Shrinkage float64 `json:"shrinkage,omitempty"` // share of a multiple of the identity in the covariance, up to 1; 0 means Ledoit and Wolf's
}

var _ ClosedForm = Whitening{}

// Name returns "whitening".
func (Whitening) Name() string { return "whitening" }

// Fits wants k ≤ d.
func (Whitening) Fits(d, k int) error { return notWider("whitening", d, k, "") }

// Solve computes the covariance's inverse root.
func (f Whitening) Solve(data *loader.Dataset, k int) (Beginning, error) {
	texts, d := tableRows(data.Vectors, trainingRows(data)), data.Vectors.Dim
	mean, err := centre(texts, d)
	if err != nil {
		return Beginning{}, err
	}
	s, err := scatterOf(texts, d, mean)
	if err != nil {
		return Beginning{}, err
	}
	c, err := s.shrunk(f.Shrinkage)
	if err != nil {
		return Beginning{}, err
	}
	if k == d {
		root, err := inverseRoot(c)
		return Beginning{floats(root), narrow(mean)}, err
	}
	directions, err := principalDirections(c, k)
	if err != nil {
		return Beginning{}, err
	}
	var turned mat.Dense
	turned.Mul(c, directions)
	for j := range k {
		u := mat.Col(nil, j, directions)
		variance := mat.Dot(mat.NewVecDense(d, u), turned.ColView(j))
		for i, v := range u {
			directions.Set(i, j, v/math.Sqrt(variance))
		}
	}
	return Beginning{floats(directions), narrow(mean)}, nil
}
