package graph

import "fmt"

// Pairwise is the logistic loss of ranking a group's pairs by their cosines:
//
//	L = mean log(1 + exp(−scale·(s_i − s_j)))   over i, j of one group with y_i > y_j
//
// Source: Burges et al. 2005 (RankNet).
type Pairwise struct {
	Scale float64 `json:"scale"`
}

var (
	_ DeviceLoss = Pairwise{}
	_ GroupLoss  = Pairwise{}
)

// Name returns "pairwise".
func (Pairwise) Name() string { return "pairwise" }

// ComparesGroups marks a GroupLoss.
func (Pairwise) ComparesGroups() {}

// Evaluate is the formula.
func (l Pairwise) Evaluate(b Scored, gradient []float32) float64 {
	return rankedLoss(func(x float64) (value, derivative float64) {
		return softplus(-l.Scale * x), -l.Scale * sigmoid(-l.Scale*x)
	}).evaluate(b, gradient)
}

// CUDA is Evaluate for a GPU.
func (l Pairwise) CUDA() string {
	scale := cudaFloat(l.Scale)
	return rankedCUDA(cudaSoftplus, fmt.Sprintf("softplus(-%s * x)", scale), fmt.Sprintf("-%s * sigmoid(-%[1]s * x)", scale))
}
