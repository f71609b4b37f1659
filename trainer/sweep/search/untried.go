package search

import (
	"encoding/binary"
	"math"
	"math/rand/v2"

	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// An untried is the points of a space that no trial has: the same point once more
// would give what is known.
type untried struct {
	space space.Space
	tried map[string]bool // nil where nearly all points are untried
}

// untriedBy takes the trials of a history out, whatever became of them.
func untriedBy(s space.Space, history []Trial) untried {
	u := untried{space: s}
	for _, p := range s {
		if p.When == nil && p.Distribution.Count() == 0 { // every point has a number of a continuum
			return u
		}
	}
	u.tried = make(map[string]bool, len(history))
	for _, t := range history {
		u.tried[u.key(t.Point)] = true
	}
	return u
}

func (u untried) has(p space.Point) bool { return !u.tried[u.key(p)] }

// key tells points apart.
func (u untried) key(p space.Point) string {
	if u.tried == nil {
		return ""
	}
	key := make([]byte, 0, 8*len(u.space))
	for _, parameter := range u.space {
		x, ok := p[parameter.Name]
		if !ok {
			x = math.NaN() // which is no value
		}
		key = binary.LittleEndian.AppendUint64(key, math.Float64bits(x))
	}
	return string(key)
}

// mostDraws is how often a point is drawn before the untried ones are looked for
// in turn.
const mostDraws = 32

// draw is a point at random, each parameter by itself. Where draws keep hitting what
// was tried, few points are left: then it is the next one in the order of a grid
// from a random place on. The error is ErrExhausted where none is left. Of a space
// with a continuum, which is never used up, the last draw is taken.
func (u untried) draw(rng *rand.Rand) (p space.Point, err error) {
	for range mostDraws {
		if p = drawn(u.space, rng); u.has(p) {
			return p, nil
		}
	}
	for _, parameter := range u.space {
		if parameter.Distribution.Count() == 0 {
			return p, nil
		}
	}
	all := Grid{Points: math.MaxInt} // every value
	size, err := all.Size(u.space)
	if err != nil { // more than can be counted
		return p, nil
	}
	first := rng.Uint64N(size)
	for i := range min(size, uint64(len(u.tried))+1) { // one of so many is untried
		if p, err = all.Next(u.space, int((first+i)%size), nil, nil); err != nil || u.has(p) {
			return p, err
		}
	}
	return nil, ErrExhausted
}

// drawn is a point of independent draws.
func drawn(s space.Space, rng *rand.Rand) space.Point {
	p := space.Point{}
	for i, parameter := range s {
		if s.Exists(i, p) {
			p[parameter.Name] = draw(parameter.Distribution, rng)
		}
	}
	return p
}
