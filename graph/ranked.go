package graph

import (
	"cmp"
	"fmt"
	"slices"
)

// A rankedLoss is a mean over all two pairs of a group of which one, i, has a
// higher label than the other, j: a function of s_i − s_j. It is 0 where there
// are no such two.
type rankedLoss func(difference float64) (value, derivative float64)

// evaluate is Loss.Evaluate.
func (f rankedLoss) evaluate(b Scored, gradient []float32) float64 {
	clear(gradient)
	if len(b.Groups) == 0 {
		return 0
	}
	push := make([]float64, len(gradient))
	sum, count := 0.0, 0
	for _, members := range byGroup(b.Groups) {
		for at, i := range members {
			for _, j := range members[at+1:] {
				if b.Labels[i] == b.Labels[j] {
					continue
				}
				high, low := i, j
				if b.Labels[i] < b.Labels[j] {
					high, low = j, i
				}
				value, derivative := f(float64(b.Cosines[high]) - float64(b.Cosines[low]))
				sum += value
				push[high] += derivative
				push[low] -= derivative
				count++
			}
		}
	}
	if count == 0 {
		return 0
	}
	for i, p := range push {
		gradient[i] = float32(p / float64(count))
	}
	return sum / float64(count)
}

// byGroup lists the pairs of each group, in the order of their numbers.
func byGroup(groups []int32) (members [][]int32) {
	order := make([]int32, len(groups))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(groups[a], groups[b]) })
	for len(order) > 0 {
		n := 1
		for n < len(order) && groups[order[n]] == groups[order[0]] {
			n++
		}
		members = append(members, order[:n])
		order = order[n:]
	}
	return members
}

// rankedCUDA is the same for a GPU. value and derivative are expressions of the
// difference x.
func rankedCUDA(helpers, value, derivative string) string {
	return helpers + fmt.Sprintf(`
__device__ void loss(scored b, float *ds, float *mean) {
	float sum = 0, count = 0;
	each(i, b.n) {
		float push = 0;
		for (int j = 0; j < b.n; j++) {
			if (b.y[i] == b.y[j] || !alike(b, i, j)) continue;
			bool higher = b.y[i] > b.y[j];
			float x = higher ? b.s[i] - b.s[j] : b.s[j] - b.s[i];
			float slope = %s;
			if (higher) {
				sum += %s;
				count += 1;
			}
			push += higher ? slope : -slope;
		}
		ds[i] = push;
	}
	sum = block_sum(sum);
	count = block_sum(count);
	each(i, b.n) ds[i] = count > 0 ? ds[i] / count : 0;
	*mean = count > 0 ? sum / count : 0;
}`, derivative, value)
}
