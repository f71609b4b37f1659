package trainer

import "math"

// pearson returns the linear correlation of x and y, [pairs] both, computed in float64. It is NaN when a side is
// constant or has fewer than two values.
func pearson(x, y []float32) float64 {
	return correlate(x, y)
}

// spearman returns Pearson's correlation of the ranks of x and y, [pairs] both, equal values sharing the mean of
// their ranks (Kendall and Gibbons, Rank Correlation Methods, 1990). It is NaN when a side is constant, holds a
// NaN, or has fewer than two values.
func spearman(x, y []float32) float64 {
	return correlate(averageRanks(x), averageRanks(y))
}

// correlate takes the means out first, as sums of raw products would cancel.
func correlate[T float32 | float64](x, y []T) float64 {
	if isConstant(x) || isConstant(y) {
		return math.NaN()
	}
	meanX, meanY := meanOf(x), meanOf(y)
	var xx, yy, xy float64
	for i := range x {
		dx, dy := float64(x[i])-meanX, float64(y[i])-meanY
		xx += dx * dx
		yy += dy * dy
		xy += dx * dy
	}
	r := xy / (math.Sqrt(xx) * math.Sqrt(yy))
	return max(-1, min(1, r)) // rounding can carry it past an end
}

// isConstant compares the values themselves: the rounded mean of equal values may differ from them.
func isConstant[T float32 | float64](values []T) bool {
	for _, value := range values {
		if value != values[0] {
			return false
		}
	}
	return true
}

func meanOf[T ~float32 | ~float64](values []T) float64 {
	var sum float64
	for _, value := range values {
		sum += float64(value)
	}
	return sum / float64(len(values))
}

// averageRanks returns the 1-based rank of each value from the highest down, ties sharing the mean of their
// ranks; NaN has the rank NaN.
func averageRanks(values []float32) []float64 {
	order := descendingOrder(values)
	ranks := make([]float64, len(values))
	for start, end := 0, 0; start < len(order); start = end {
		value := values[order[start]]
		for end = start + 1; end < len(order) && values[order[end]] == value; end++ {
		}
		rank := float64(start+1+end) / 2
		if value != value {
			rank = math.NaN()
		}
		for _, i := range order[start:end] {
			ranks[i] = rank
		}
	}
	return ranks
}
