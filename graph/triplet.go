package graph

import "fmt"

// Triplet asks that a pair of a group has a cosine higher by a margin than one
// of the same group with a lower label:
//
//	L = mean max(0, margin − (s_i − s_j))   over i, j of one group with y_i > y_j
//
// With a query, a passage that answers it and one that does not, it is the
// triplet loss on the cosine distance. Source: Schroff, Kalenichenko and Philbin
// 2015 (FaceNet), over all triplets of the batch.
type Triplet struct {
	Margin float64 `json:"margin"`
}

var (
	_ DeviceLoss = Triplet{}
	_ GroupLoss  = Triplet{}
)

// Name returns "triplet".
func (Triplet) Name() string { return "triplet" }

// ComparesGroups marks a GroupLoss.
func (Triplet) ComparesGroups() {}

// Evaluate is the formula.
func (l Triplet) Evaluate(b Scored, gradient []float32) float64 {
	return rankedLoss(func(x float64) (value, derivative float64) {
		if x >= l.Margin {
			return 0, 0
		}
		return l.Margin - x, -1 // also where x is not a number
	}).evaluate(b, gradient)
}

// CUDA is Evaluate for a GPU.
func (l Triplet) CUDA() string {
	margin := cudaFloat(l.Margin)
	return rankedCUDA("", fmt.Sprintf("(x >= %s ? 0 : %[1]s - x)", margin), fmt.Sprintf("(x >= %s ? 0.0f : -1.0f)", margin))
}
