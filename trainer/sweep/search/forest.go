package search

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// A forest is regression trees, each grown on as many trials as there are,
// drawn with replacement. Source: Breiman, "Random Forests" (2001), with all
// parameters tried at each split.
type forest []*node

// A node divides trials by one parameter, or is a leaf.
type node struct {
	value        float64 // mean of the trials; a leaf's prediction
	left, right  *node   // nil at a leaf
	parameter    int
	threshold    float64 // of a range: the left has what is at most this
	leftOfChoice []bool  // of choices: which are the left's
}

// Where a parameter does not exist it is absent: below every range, whose
// numbers are those of its axis, 0 to 1, and one beyond the last choice.
const absent = -1

// A sample is what a forest learns from.
type sample struct {
	choices []int       // of each parameter, with the absent one; 0 for a range
	x       [][]float64 // [trial][parameter]
	y       []float64   // [trial]
}

// sampleOf takes the trials that have a value.
func sampleOf(s space.Space, history []Trial) sample {
	var z sample
	var axes []*axis
	for _, p := range s {
		a, choices := axisOf(p.Distribution), 0
		if a == nil {
			choices = p.Distribution.Count() + 1
		}
		axes, z.choices = append(axes, a), append(z.choices, choices)
	}
	for _, t := range history {
		if t.State != Complete && t.State != Pruned || math.IsNaN(t.Value) || math.IsInf(t.Value, 0) || s.Check(t.Point) != nil {
			continue
		}
		x := make([]float64, len(s))
		for i, p := range s {
			v, ok := t.Point[p.Name]
			switch {
			case axes[i] == nil && ok:
				x[i] = v
			case axes[i] == nil:
				x[i] = float64(z.choices[i] - 1)
			case ok:
				x[i] = axes[i].unit(v)
			default:
				x[i] = absent
			}
		}
		z.x, z.y = append(z.x, x), append(z.y, t.Value)
	}
	return z
}

// grow makes a forest.
func grow(z sample, trees int, rng *rand.Rand) forest {
	var f forest
	for range trees {
		rows := make([]int, len(z.y))
		for i := range rows {
			rows[i] = rng.IntN(len(rows))
		}
		f = append(f, z.node(rows))
	}
	return f
}

// leastLeaf is how many trials a leaf has at least. With one, trees would
// learn the noise of single trials; with many, miss what is narrow.
const leastLeaf = 2

// node divides rows until nothing is left to explain, or too few.
func (z sample) node(rows []int) *node {
	n := &node{value: z.mean(rows)}
	best := division{}
	for p := range z.choices {
		if d := z.divide(rows, p); d.gain > best.gain {
			best = d
		}
	}
	if best.gain <= 0 {
		return n
	}
	n.parameter, n.threshold, n.leftOfChoice = best.parameter, best.threshold, best.leftOfChoice
	var left, right []int
	for _, r := range rows {
		if n.goesLeft(z.x[r][n.parameter]) {
			left = append(left, r)
		} else {
			right = append(right, r)
		}
	}
	n.left, n.right = z.node(left), z.node(right)
	return n
}

func (z sample) mean(rows []int) float64 {
	sum := 0.0
	for _, r := range rows {
		sum += z.y[r]
	}
	return sum / float64(len(rows))
}

func (n *node) goesLeft(x float64) bool {
	if n.leftOfChoice != nil {
		return n.leftOfChoice[int(x)]
	}
	return x <= n.threshold
}

// A division is how a node may divide its trials. Its gain is how much less the
// squares of what is left to explain sum to.
type division struct {
	parameter    int
	threshold    float64
	leftOfChoice []bool
	gain         float64
}

// divide finds the best division by one parameter. Choices are put into the
// order of their means, among whose parts is the best of all subsets (Fisher
// 1958; Breiman et al. 1984, section 4.2).
func (z sample) divide(rows []int, p int) division {
	key := func(r int) float64 { return z.x[r][p] }
	if z.choices[p] > 0 {
		ranks := z.choiceRanks(rows, p)
		key = func(r int) float64 { return ranks[int(z.x[r][p])] }
	}
	sorted := slices.Clone(rows)
	slices.SortStableFunc(sorted, func(a, b int) int {
		switch {
		case key(a) < key(b):
			return -1
		case key(a) > key(b):
			return 1
		}
		return 0
	})
	mean, left := z.mean(rows), 0.0
	best, at := division{parameter: p, gain: 1e-12 * z.squares(rows, mean)}, 0
	for i := 1; i < len(sorted); i++ {
		left += z.y[sorted[i-1]] - mean
		if i < leastLeaf || len(sorted)-i < leastLeaf || key(sorted[i-1]) == key(sorted[i]) {
			continue
		}
		// With what is left and right of the mean, −left and left, the squares
		// fall by n·m_l² of each side.
		if gain := left * left * (1/float64(i) + 1/float64(len(sorted)-i)); gain > best.gain {
			best.gain, at = gain, i
		}
	}
	if at == 0 {
		return division{}
	}
	if z.choices[p] == 0 {
		best.threshold = (key(sorted[at-1]) + key(sorted[at])) / 2
		return best
	}
	best.leftOfChoice = make([]bool, z.choices[p])
	for _, r := range sorted[:at] {
		best.leftOfChoice[int(z.x[r][p])] = true
	}
	return best
}

func (z sample) squares(rows []int, mean float64) float64 {
	sum := 0.0
	for _, r := range rows {
		sum += (z.y[r] - mean) * (z.y[r] - mean)
	}
	return sum
}

// choiceRanks are the places of the choices in the order of their means. Two
// choices have two places even where their means are equal, so that none is
// divided.
func (z sample) choiceRanks(rows []int, p int) []float64 {
	n, sum := make([]float64, z.choices[p]), make([]float64, z.choices[p])
	for _, r := range rows {
		n[int(z.x[r][p])]++
		sum[int(z.x[r][p])] += z.y[r]
	}
	order := make([]int, len(n))
	for c := range order {
		order[c] = c
	}
	mean := func(c int) float64 { return sum[c] / max(1, n[c]) }
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case mean(a) < mean(b):
			return -1
		case mean(a) > mean(b):
			return 1
		}
		return 0
	})
	ranks := make([]float64, len(n))
	for rank, c := range order {
		ranks[c] = float64(rank)
	}
	return ranks
}
