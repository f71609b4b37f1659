package trainer

import "github.com/cosfit/cosfit/loader"

// MeanDifference moves queries by the difference between the mean of the passages
// that answer them and their own mean, and changes nothing else: questions and
// passages often lie apart as a whole. It is for queries alone.
type MeanDifference struct{}

var _ ClosedForm = MeanDifference{}

// Name returns "mean-difference".
func (MeanDifference) Name() string { return "mean-difference" }

// Fits wants k = d.
func (MeanDifference) Fits(d, k int) error { return square("mean-difference", d, k) }

// Solve returns eye(d, d) and the difference, the other way round, as the offset.
func (MeanDifference) Solve(data *loader.Dataset, _ int) (Beginning, error) {
	table := data.Vectors
	left, right, err := positives(data)
	if err != nil {
		return Beginning{}, err
	}
	difference, err := centre(differences(table, left, right), table.Dim)
	if err != nil {
		return Beginning{}, err
	}
	return Beginning{eye(table.Dim, table.Dim), narrow(difference)}, nil
}
