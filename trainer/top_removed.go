package trainer

import (
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/cosfit/cosfit/loader"
)

// TopRemoved starts from the embeddings less their mean over the training texts and
// less the leading principal directions U of those, cut to their first k dimensions:
// M = I − U·Uᵀ. What most texts have in common says little about which are alike.
// Source: Mu and Viswanath 2018, "All-but-the-top".
type TopRemoved struct {
	Components int `json:"components,omitempty"` // how many directions; 0 means d/100, rounded, but one at least, as in the source
}

// Name returns "top-removed".
func (TopRemoved) Name() string { return "top-removed" }

// Fits wants k ≤ d, and something left.
func (s TopRemoved) Fits(d, k int) error {
	if s.Components >= d {
		return setting("components", "is %d, want fewer than the embeddings' %d dimensions", s.Components, d)
	}
	return notWider("top-removed", d, k, orRandom)
}

// Begin finds the directions; the offset is the mean.
func (s TopRemoved) Begin(data *loader.Dataset, k int, _ uint64) (Beginning, error) {
	d := data.Vectors.Dim
	if err := s.Fits(d, k); err != nil {
		return Beginning{}, err
	}
	components := s.Components
	if components == 0 {
		components = max(1, int(math.Round(float64(d)/100)))
	}
	texts, mean, err := scatterOfTexts(data)
	if err != nil {
		return Beginning{}, err
	}
	u, err := principalDirections(texts.matrix, components)
	if err != nil {
		return Beginning{}, err
	}
	var m mat.Dense
	m.Mul(u, u.Slice(0, k, 0, components).T())
	m.Apply(func(i, j int, v float64) float64 {
		if i == j {
			return 1 - v
		}
		return -v
	}, &m)
	return Beginning{floats(&m), narrow(mean)}, nil
}
