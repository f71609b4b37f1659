package trainer

import "github.com/cosfit/cosfit/loader"

// WCCN makes similar pairs differ alike in all directions: the matrix is a root of
// the inverse of the covariance of their differences, so that directions in which
// similar texts differ count less. Source: Hatch, Kajarekar and Stolcke 2006
// (within-class covariance normalisation), with shrinkage.
type WCCN struct {
	Shrinkage float64 `json:"shrinkage,omitempty"` // as in Whitening
}

var _ ClosedForm = WCCN{}

// Name returns "wccn".
func (WCCN) Name() string { return "wccn" }

// Fits wants k = d.
func (WCCN) Fits(d, k int) error { return square("wccn", d, k) }

// Solve computes the inverse root; the offset is the training texts' mean.
func (f WCCN) Solve(data *loader.Dataset, _ int) (Beginning, error) {
	table := data.Vectors
	left, right, err := positives(data)
	if err != nil {
		return Beginning{}, err
	}
	mean, err := centre(tableRows(table, trainingRows(data)), table.Dim)
	if err != nil {
		return Beginning{}, err
	}
	s, err := scatterOf(differences(table, left, right), table.Dim, nil)
	if err != nil {
		return Beginning{}, err
	}
	c, err := s.shrunk(f.Shrinkage)
	if err != nil {
		return Beginning{}, err
	}
	root, err := inverseRoot(c)
	if err != nil {
		return Beginning{}, err
	}
	return Beginning{floats(root), narrow(mean)}, nil
}

// square wants k = d of what has no directions to leave out.
func square(name string, d, k int) error {
	if k != d {
		return setting("dims", "is %d, but %s makes as many columns as the embeddings have dimensions, %d: leave it out", k, name, d)
	}
	return nil
}
