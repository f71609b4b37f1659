package trainer

import (
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/cosfit/cosfit/loader"
)

// Whitened starts from the embeddings less their mean over the training texts,
// times a power of their covariance:
//
//	M = Σ^(−Power/2), symmetric; with fewer columns, of the leading directions U alone: M = U·Λ^(−Power/2)
//
// A power of 1 lets them vary alike in all directions, 0 leaves them as they are,
// and what lies between is softer. M is scaled to the length of the identity, which
// cosines do not see, but learning rates do. Sources: Su et al. 2021, with shrinkage;
// Caron 2001 for the power, there of singular values.
type Whitened struct {
	Shrinkage float64 `json:"shrinkage,omitempty"` // as in Whitening
	Power     float64 `json:"power"`               // in (0, 1]
}

// Name returns "whitening".
func (Whitened) Name() string { return "whitening" }

// Fits wants k ≤ d.
func (Whitened) Fits(d, k int) error { return notWider("whitening", d, k, orRandom) }

// Begin computes the power; the offset is the mean.
func (s Whitened) Begin(data *loader.Dataset, k int, _ uint64) (Beginning, error) {
	d := data.Vectors.Dim
	if err := s.Fits(d, k); err != nil {
		return Beginning{}, err
	}
	c, mean, err := covariance(data, s.Shrinkage)
	if err != nil {
		return Beginning{}, err
	}
	var m *mat.Dense
	if k == d {
		m, err = inversePower(c, s.Power/2)
	} else {
		m, err = scaledDirections(c, k, -s.Power/2)
	}
	if err != nil {
		return Beginning{}, err
	}
	m.Scale(math.Sqrt(float64(k))/mat.Norm(m, 2), m)
	return Beginning{floats(m), narrow(mean)}, nil
}
