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
	c, mean, err := covariance(data, f.Shrinkage)
	if err != nil {
		return Beginning{}, err
	}
	var root mat.Matrix
	if k == data.Vectors.Dim {
		root, err = inverseRoot(c)
	} else {
		root, err = scaledDirections(c, k, -0.5)
	}
	if err != nil {
		return Beginning{}, err
	}
	return Beginning{floats(root), narrow(mean)}, nil
}

// covariance is that of the training texts, shrunk, and their mean.
func covariance(data *loader.Dataset, shrinkage float64) (*mat.SymDense, []float64, error) {
	s, mean, err := scatterOfTexts(data)
	if err != nil {
		return nil, nil, err
	}
	c, err := s.shrunk(shrinkage)
	return c, mean, err
}

// scaledDirections returns the k leading eigenvectors of c as columns [d, k], each
// times a power of its eigenvalue.
func scaledDirections(c *mat.SymDense, k int, power float64) (*mat.Dense, error) {
	directions, err := principalDirections(c, k)
	if err != nil {
		return nil, err
	}
	var turned mat.Dense
	turned.Mul(c, directions)
	for j := range k {
		variance := mat.Dot(directions.ColView(j), turned.ColView(j))
		if !(variance > 0) {
			return nil, errNoInverse
		}
		scale(directions, j, math.Pow(variance, power))
	}
	return directions, nil
}

// scale multiplies a column.
func scale(m *mat.Dense, column int, by float64) {
	rows, _ := m.Dims()
	for i := range rows {
		m.Set(i, column, by*m.At(i, column))
	}
}
