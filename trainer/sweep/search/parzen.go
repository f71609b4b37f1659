package search

import (
	"math"
	"math/rand/v2"
	"slices"
	"sort"

	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// A parzen is an estimate of a density over some parameters: a mixture of
// kernels, one at each trial and one, the prior, that covers everything. Each
// kernel is a product over the parameters. Source: Bergstra et al. 2011,
// section 4.1, and Bergstra, Yamins and Cox, "Making a Science of Model Search"
// (ICML 2013), with the constants of Optuna 5.
type parzen struct {
	cumulated []float64 // what the kernels count, each with those before; the prior is the last
	sides     []side    // of each parameter

	factors, exponents []float64 // of density, by kernel
}

// A side of a product of kernels is what they are in one parameter.
type side interface {
	// draw is a number from the k-th kernel.
	draw(k int, rng *rand.Rand) float64
	// density returns, for a number, what each kernel is there, as
	// factor·exp(−exponent): it multiplies factors and adds to exponents.
	density(x float64, factors, exponents []float64)
}

// estimate takes trials that have the parameters, and what each counts. The
// prior counts 1.
func estimate(s space.Space, parameters []int, trials []Trial, counts []float64) *parzen {
	z := &parzen{}
	sum := 0.0
	for _, c := range counts {
		sum += c
		z.cumulated = append(z.cumulated, sum)
	}
	z.cumulated = append(z.cumulated, sum+1)
	z.factors, z.exponents = make([]float64, len(z.cumulated)), make([]float64, len(z.cumulated))
	for _, p := range parameters {
		var values []float64
		for _, t := range trials {
			values = append(values, t.Point[s[p].Name])
		}
		z.sides = append(z.sides, sideOf(s[p].Distribution, values))
	}
	return z
}

func sideOf(d space.Distribution, values []float64) side {
	if a := axisOf(d); a != nil {
		return newBells(a, d, values)
	}
	return newVotes(d.Count(), values)
}

// fading is what each of n trials counts, in the order in which they were
// begun: the last 25 count 1, and older ones less, down to 1/n.
func fading(n int) []float64 {
	const full = 25
	w := slices.Repeat([]float64{1}, n)
	for i := range n - full {
		w[i] = 1 / float64(n)
		if last := n - full - 1; last > 0 {
			w[i] += (1 - w[i]) * float64(i) / float64(last)
		}
	}
	return w
}

// draw is a point of the parameters.
func (z *parzen) draw(rng *rand.Rand) []float64 {
	last := len(z.cumulated) - 1
	k := min(last, sort.SearchFloat64s(z.cumulated, rng.Float64()*z.cumulated[last]))
	x := make([]float64, len(z.sides))
	for i, s := range z.sides {
		x[i] = s.draw(k, rng)
	}
	return x
}

// density is above 0: the prior covers everything. Ranges count as intervals
// of length 1, so that it is comparable between estimates alone.
func (z *parzen) density(x []float64) float64 {
	before := 0.0
	for k, c := range z.cumulated {
		z.factors[k], z.exponents[k], before = c-before, 0, c
	}
	for i, s := range z.sides {
		s.density(x[i], z.factors, z.exponents)
	}
	sum := 0.0
	for k, f := range z.factors {
		if f > 0 {
			sum += f * math.Exp(-z.exponents[k])
		}
	}
	return sum / before
}

// bells are kernels over a range: normal distributions that are cut off at its
// ends and, where it has steps, give each number the mass of its cell.
type bells struct {
	axis   *axis
	of     space.Distribution
	centre []float64 // on the axis, that is in 0..1
	width  []float64 // standard deviation
	mass   []float64 // what is not cut off
	height []float64 // of the density, at the centre
	// cells are the kernels' shares of cells that were asked for, by their number:
	// candidates often have the same.
	cells map[float64][]float64
}

func newBells(a *axis, d space.Distribution, values []float64) *bells {
	b := &bells{axis: a, of: d, cells: map[float64][]float64{}}
	for _, x := range values {
		b.centre = append(b.centre, a.unit(x))
	}
	b.width = append(bandwidths(b.centre, a.step != 0), 1)
	b.centre = append(b.centre, 0.5) // of the prior
	for k, c := range b.centre {
		b.mass = append(b.mass, normalMass(-c/b.width[k], (1-c)/b.width[k]))
		b.height = append(b.height, 1/(math.Sqrt(2*math.Pi)*b.width[k]*b.mass[k]))
	}
	return b
}

// bandwidths gives each kernel the distance to its further neighbour, the ends
// of the axis being neighbours only of a kernel that is alone. They are at
// least a hundredth of the axis, or more while there are few, and at most all of
// it: the "magic clip". Where there are steps, cells smooth as well, and the
// least is lower: with Optuna's the best number would be drawn hardly more often
// than those beside it.
func bandwidths(centres []float64, stepped bool) []float64 {
	n := len(centres)
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case centres[i] < centres[j]:
			return -1
		case centres[i] > centres[j]:
			return 1
		}
		return 0
	})
	few := float64(n + 2)
	if stepped {
		few = math.Pow(few, 1.25)
	}
	least := 1 / min(100, few)
	widths := make([]float64, n)
	for at, i := range order {
		left, right := centres[i], 1-centres[i] // to the ends
		switch {
		case n == 1:
		case at == 0:
			left, right = 0, centres[order[at+1]]-centres[i]
		case at == n-1:
			left, right = centres[i]-centres[order[at-1]], 0
		default:
			left, right = centres[i]-centres[order[at-1]], centres[order[at+1]]-centres[i]
		}
		widths[i] = min(1, max(least, left, right))
	}
	return widths
}

// draw inverts the distribution function of the kernel. Its centre lies on the
// axis, so that what is left of it is never so far in a tail that digits are
// lost.
func (b *bells) draw(k int, rng *rand.Rand) float64 {
	c, w := b.centre[k], b.width[k]
	below := normalMass(math.Inf(-1), -c/w)
	u := c + w*math.Sqrt2*math.Erfinv(2*(below+rng.Float64()*b.mass[k])-1)
	return b.axis.at(min(1, max(0, u)), b.of)
}

func (b *bells) density(x float64, factors, exponents []float64) {
	if b.axis.step != 0 {
		for k, share := range b.cell(x) {
			factors[k] *= share
		}
		return
	}
	u := b.axis.unit(x)
	for k, c := range b.centre {
		z := (u - c) / b.width[k]
		exponents[k] += z * z / 2
		factors[k] *= b.height[k]
	}
}

// cell is what each kernel gives to the cell of a number.
func (b *bells) cell(x float64) []float64 {
	if shares, ok := b.cells[x]; ok {
		return shares
	}
	from, to := b.axis.cell(x)
	shares := make([]float64, len(b.centre))
	for k, c := range b.centre {
		shares[k] = normalMass((from-c)/b.width[k], (to-c)/b.width[k]) / b.mass[k]
	}
	b.cells[x] = shares
	return shares
}

// normalMass is the standard normal distribution's between a and b, a ≤ b,
// exact to its last digits in both tails.
func normalMass(a, b float64) float64 {
	if a > 0 {
		a, b = -b, -a
	}
	return (math.Erfc(-b/math.Sqrt2) - math.Erfc(-a/math.Sqrt2)) / 2
}

// votes are kernels over choices: a trial's choice has one vote, and every
// choice the k-th part of one, of k kernels. The prior gives all the same.
type votes struct {
	choices int
	cast    []int // by each trial
}

func newVotes(choices int, values []float64) *votes {
	v := &votes{choices: choices}
	for _, x := range values {
		v.cast = append(v.cast, int(x))
	}
	return v
}

// shares are the probabilities of the choice that has the vote and of each other.
func (v *votes) shares() (chosen, other float64) {
	each := 1 / float64(len(v.cast)+1)
	all := 1 + each*float64(v.choices)
	return (1 + each) / all, each / all
}

func (v *votes) draw(k int, rng *rand.Rand) float64 {
	chosen, other := v.shares()
	if k == len(v.cast) || rng.Float64() >= chosen-other {
		return float64(rng.IntN(v.choices)) // the part that all choices have alike
	}
	return float64(v.cast[k])
}

func (v *votes) density(x float64, factors, _ []float64) {
	chosen, other := v.shares()
	for k, c := range v.cast {
		if c == int(x) {
			factors[k] *= chosen
		} else {
			factors[k] *= other
		}
	}
	factors[len(v.cast)] /= float64(v.choices)
}
