package graph

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// CoSENT asks that whichever of two pairs of the batch has the higher label has
// the higher cosine too:
//
//	L = log(1 + Σ exp(scale·(s_j − s_i)))   over all i, j with y_i > y_j
//
// Only the order of the labels counts, so graded ones are what it is for.
// Source: Su 2022, "CoSENT", as in sentence-transformers.
type CoSENT struct {
	Scale float64 `json:"scale"` // at most 40: a GPU sums in single precision
}

var _ DeviceLoss = CoSENT{}

// Name returns "cosent".
func (CoSENT) Name() string { return "cosent" }

// Evaluate takes the sums over i and j apart: a pair meets all pairs of lower
// labels at once, and then all of higher ones.
func (l CoSENT) Evaluate(b Scored, gradient []float32) float64 {
	order := byLabel(b.Labels)
	sum, below := 0.0, 0.0 // below: Σ exp(scale·s_j) of the labels that are lower
	push := make([]float64, len(order))
	eachLabel(order, b.Labels, func(same []int32) {
		for _, i := range same {
			push[i] = -math.Exp(-l.Scale*float64(b.Cosines[i])) * below
			sum -= push[i]
		}
		for _, j := range same {
			below += math.Exp(l.Scale * float64(b.Cosines[j]))
		}
	})
	slices.Reverse(order)
	above := 0.0 // Σ exp(−scale·s_i) of the labels that are higher
	eachLabel(order, b.Labels, func(same []int32) {
		for _, j := range same {
			push[j] += math.Exp(l.Scale*float64(b.Cosines[j])) * above
		}
		for _, i := range same {
			above += math.Exp(-l.Scale * float64(b.Cosines[i]))
		}
	})
	for i, p := range push {
		gradient[i] = float32(l.Scale * p / (1 + sum))
	}
	return math.Log1p(sum)
}

// byLabel is the numbers of pairs in ascending order of their labels.
func byLabel(labels []float32) []int32 {
	order := make([]int32, len(labels))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(labels[a], labels[b]) })
	return order
}

// eachLabel visits the pairs of each label together.
func eachLabel(order []int32, labels []float32, visit func(same []int32)) {
	for len(order) > 0 {
		n := 1
		for n < len(order) && labels[order[n]] == labels[order[0]] {
			n++
		}
		visit(order[:n])
		order = order[n:]
	}
}

// CUDA is the formula for a GPU, pair by pair.
func (l CoSENT) CUDA() string {
	return fmt.Sprintf(`
__device__ void loss(scored b, float *ds, float *mean) {
	float sum = 0;
	each(i, b.n) {
		float push = 0;
		for (int j = 0; j < b.n; j++) {
			if (b.y[i] == b.y[j]) continue;
			float e = expf(%s * (b.y[i] > b.y[j] ? b.s[j] - b.s[i] : b.s[i] - b.s[j]));
			if (b.y[i] > b.y[j]) {
				sum += e;
				push -= e;
			} else {
				push += e;
			}
		}
		ds[i] = push;
	}
	sum = block_sum(sum);
	each(i, b.n) ds[i] = %[1]s * ds[i] / (1 + sum);
	*mean = log1pf(sum);
}`, cudaFloat(l.Scale))
}
