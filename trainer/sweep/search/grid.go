package search

import (
	"errors"
	"math"
	"math/big"
	"math/bits"
	"math/rand/v2"
	"slices"

	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// Grid takes every combination of values once. Parameters whose condition does
// not hold are no part of a combination.
//
// The order goes through the whole grid in even leaps, so that a sweep that ends
// early has seen a bit of everything. A combination is made from its number: a
// grid takes no memory, however large.
type Grid struct {
	// Points is how many values a range without steps is divided into, both ends
	// among them; 0 means 5. Whole numbers on a logarithmic scale are such a range;
	// where fewer lie in it, all are taken.
	Points int
}

// Name returns "grid".
func (Grid) Name() string { return "grid" }

// Next returns ErrExhausted when n is Size or more.
func (g Grid) Next(s space.Space, n int, _ []Trial, _ *rand.Rand) (space.Point, error) {
	size, err := g.Size(s)
	if err != nil {
		return nil, err
	}
	if uint64(n) >= size {
		return nil, ErrExhausted
	}
	high, low := bits.Mul64(uint64(n), leap(size))
	index := bits.Rem64(high, low, size)
	p := space.Point{}
	g.combine(s, children(s, "", ""), index, p)
	return p, nil
}

// Size is the number of combinations, and an error where it is not to be
// counted.
func (g Grid) Size(s space.Space) (uint64, error) {
	size := g.product(s, children(s, "", ""))
	if !size.IsInt64() {
		return 0, errors.New("the grid has more than 2^63 points: give ranges larger steps, or search with another sampler")
	}
	return size.Uint64(), nil
}

// children are the indices of the parameters that exist because another one
// has this value; those without a condition are children of no parameter.
func children(s space.Space, parent, value string) (of []int) {
	for i, p := range s {
		if p.When == nil && parent == "" || p.When != nil && p.When.Parameter == parent && slices.Contains(p.When.Values, value) {
			of = append(of, i)
		}
	}
	return of
}

// product is the number of combinations of these parameters and all that
// depend on them.
func (g Grid) product(s space.Space, parameters []int) *big.Int {
	n := big.NewInt(1)
	for _, i := range parameters {
		n.Mul(n, g.count(s, i))
	}
	return n
}

// count is product of a single parameter.
func (g Grid) count(s space.Space, i int) *big.Int {
	d := s[i].Distribution
	if _, ok := d.(space.Categorical); !ok { // which nothing depends on
		return big.NewInt(int64(g.values(d)))
	}
	n := new(big.Int)
	for v := range g.values(d) {
		n.Add(n, g.product(s, children(s, s[i].Name, d.Text(d.Value(v)))))
	}
	return n
}

// combine sets these parameters, and all that depend on them, to the
// combination of this index.
func (g Grid) combine(s space.Space, parameters []int, index uint64, p space.Point) {
	for _, i := range parameters {
		n := g.count(s, i).Uint64()
		g.choose(s, i, index%n, p)
		index /= n
	}
}

// choose is combine of a single parameter.
func (g Grid) choose(s space.Space, i int, index uint64, p space.Point) {
	d, name := s[i].Distribution, s[i].Name
	if _, ok := d.(space.Categorical); !ok {
		p[name] = g.value(d, int(index))
		return
	}
	for v := range g.values(d) {
		x := d.Value(v)
		below := children(s, name, d.Text(x))
		n := g.product(s, below).Uint64()
		if index < n {
			p[name] = x
			g.combine(s, below, index, p)
			return
		}
		index -= n
	}
}

// values is how many values of a distribution the grid has.
func (g Grid) values(d space.Distribution) int {
	points := g.Points
	if points == 0 {
		points = 5
	}
	switch d := d.(type) {
	case space.Float:
		if d.Step != 0 {
			return d.Count()
		}
		return points
	case space.Int:
		if d.Log {
			return min(points, d.Count())
		}
	}
	return d.Count()
}

// value is the i-th of these.
func (g Grid) value(d space.Distribution, i int) float64 {
	n := g.values(d)
	if d.Count() == n {
		return d.Value(i)
	}
	a := axisOf(d)
	if n == 1 {
		return a.at(0.5, d)
	}
	from, to := a.unit(a.low), a.unit(a.high)
	x := a.at(from+(to-from)*float64(i)/float64(n-1), d)
	if a.step == 0 {
		return x
	}
	// Near the small end whole numbers lie further apart than the points: each
	// is at least one above the last, and leaves room for those that follow.
	return max(a.low+float64(i), min(x, a.high-float64(n-1-i)))
}

// leap is the number without a common divisor with n that is nearest to the
// golden section of it, by which multiples spread most evenly (Weyl's
// sequence).
func leap(n uint64) uint64 {
	near := uint64(float64(n) / math.Phi)
	for away := uint64(0); ; away++ {
		for _, l := range []uint64{near - away, near + away} {
			if l > 0 && l <= n && gcd(l, n) == 1 {
				return l
			}
		}
	}
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
