package trainer

import "github.com/cosfit/cosfit/loader"

// Centred starts from the embeddings less their mean over the training texts, cut
// to their first k dimensions: the mean is what all texts have in common, and it
// makes all cosines alike. Source: Mu and Viswanath 2018, without removing
// directions.
type Centred struct{}

// Name returns "centred".
func (Centred) Name() string { return "centred" }

// Fits wants k ≤ d, as Identity does.
func (Centred) Fits(d, k int) error { return notWider("centred", d, k, orRandom) }

// Begin returns eye(d, k) and the mean.
func (s Centred) Begin(data *loader.Dataset, k int, _ uint64) (Beginning, error) {
	d := data.Vectors.Dim
	if err := s.Fits(d, k); err != nil {
		return Beginning{}, err
	}
	mean, err := centre(tableRows(data.Vectors, trainingRows(data)), d)
	return Beginning{Matrix: eye(d, k), Offset: narrow(mean)}, err
}

func wide(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

func narrow(x []float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}
