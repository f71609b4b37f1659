package backendtest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cosfit/cosfit/graph"
)

// Cosines are float32, so the differences of a loss are taken on a grid of
// which float32 holds every point: cosine and cosine ± step are exact.
const (
	grid = 1.0 / (1 << 20)
	step = 4 * grid
)

// gradientTolerance is the error that a derivative is allowed, relative to the
// largest of its batch; valueTolerance is the rounding of a float64 value, over
// the step.
const (
	gradientTolerance = 1e-5
	valueTolerance    = 1e-9
)

// CheckLoss checks a loss on random cosines and labels of both ranges:
//
//   - The derivative lies within half the distance between the one-sided
//     differences of the value, plus 1e-5 of the batch's largest, of the central
//     difference. That half is the curvature over a step of 2⁻¹⁸ and, at a corner,
//     the whole choice of derivatives. The value must be summed in float64.
//   - The gradient slice is overwritten, whatever it held, and the cosines and
//     labels are left alone.
//   - At cosines of exactly −1, 0 and 1 everything is finite.
func CheckLoss(t *testing.T, loss graph.Loss) {
	for _, low := range []float32{0, -1} {
		for _, n := range []int{1, 2, 37} {
			t.Run(fmt.Sprintf("%d labels in %g..1", n, low), func(t *testing.T) {
				rng := newRand(t)
				c := &lossCheck{t, loss, graph.Scored{Cosines: randomCosines(rng, n), Labels: randomLabels(rng, n, low), Low: low, Groups: randomGroups(rng, n)}}
				c.differences()
			})
		}
		t.Run(fmt.Sprintf("ends, labels in %g..1", low), func(t *testing.T) {
			all := &lossCheck{t, loss, graph.Scored{Low: low}}
			for _, s := range []float32{-1, 0, 1} {
				for _, y := range []float32{low, (low + 1) / 2, 1} {
					all.pairs.Cosines, all.pairs.Labels = append(all.pairs.Cosines, s), append(all.pairs.Labels, y)
					all.pairs.Groups = append(all.pairs.Groups, 7)
					one := &lossCheck{t, loss, graph.Scored{Cosines: []float32{s}, Labels: []float32{y}, Low: low}}
					one.evaluate()
				}
			}
			all.evaluate()
		})
	}
}

// randomCosines draws points of the grid inside (−1, 1).
func randomCosines(rng *rand.Rand, n int) []float32 {
	const most = 1<<20 - 16
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(rng.IntN(2*most+1)-most) * grid
	}
	return out
}

// randomLabels draws graded labels and, as often, the two ends of the range.
func randomLabels(rng *rand.Rand, n int, low float32) []float32 {
	out := make([]float32, n)
	for i := range out {
		at := rng.Float32()
		if rng.IntN(2) == 0 {
			at = float32(rng.IntN(2))
		}
		out[i] = low + (1-low)*at
	}
	return out
}

// randomGroups draws groups of four pairs or so.
func randomGroups(rng *rand.Rand, n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = rng.Int32N(int32(n/4 + 1))
	}
	return out
}

// A lossCheck is a loss on one batch.
type lossCheck struct {
	*testing.T
	loss  graph.Loss
	pairs graph.Scored
}

// evaluate checks everything that holds for any one call.
func (c *lossCheck) evaluate() (value float64, gradient []float32) {
	c.Helper()
	pairs := c.pairs
	pairs.Cosines, pairs.Labels, pairs.Groups = slices.Clone(pairs.Cosines), slices.Clone(pairs.Labels), slices.Clone(pairs.Groups)
	gradient = nans(len(pairs.Cosines))
	value = c.loss.Evaluate(pairs, gradient)
	again := slices.Repeat([]float32{1e30}, len(pairs.Cosines))
	if v := c.loss.Evaluate(pairs, again); v != value && v == v || !slices.EqualFunc(again, gradient, sameBits) {
		c.Errorf("the result depends on what the gradient held before: %g %v over NaN, %g %v over 1e30", value, gradient, v, again)
	}
	if !slices.Equal(pairs.Cosines, c.pairs.Cosines) || !slices.Equal(pairs.Labels, c.pairs.Labels) || !slices.Equal(pairs.Groups, c.pairs.Groups) {
		c.Error("cosines, labels or groups have been changed")
	}
	if !finite(value) || slices.ContainsFunc(gradient, func(g float32) bool { return !finite(float64(g)) }) {
		c.Errorf("not finite at cosines %v, labels %v: loss %g, gradient %v", c.pairs.Cosines, c.pairs.Labels, value, gradient)
	}
	return value, gradient
}

func sameBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// differences compares the derivative with differences of the value.
func (c *lossCheck) differences() {
	c.Helper()
	value, gradient := c.evaluate()
	central, slack := make([]float64, len(gradient)), make([]float64, len(gradient))
	largest := 0.0
	for i := range gradient {
		above, below := c.moved(i, step), c.moved(i, -step)
		central[i] = (above - below) / (2 * step)
		slack[i] = math.Abs(above-2*value+below) / (2 * step)
		largest = max(largest, math.Abs(central[i]))
	}
	for i, g := range gradient {
		allowed := gradientTolerance*largest + valueTolerance*(1+math.Abs(value)) + slack[i]
		if e := math.Abs(float64(g) - central[i]); !(e <= allowed) {
			c.Errorf("pair %d, cosine %g, label %g: derivative %g, difference %g, off by %.3g, want at most %.3g",
				i, c.pairs.Cosines[i], c.pairs.Labels[i], g, central[i], e, allowed)
		}
	}
}

// moved returns the value with one cosine moved.
func (c *lossCheck) moved(i int, by float32) float64 {
	pairs := c.pairs
	pairs.Cosines = slices.Clone(pairs.Cosines)
	pairs.Cosines[i] += by
	return c.loss.Evaluate(pairs, nans(len(pairs.Cosines)))
}
