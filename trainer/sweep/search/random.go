package search

import (
	"math/rand/v2"

	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// Random draws every parameter by itself, evenly on its scale. Source: Bergstra
// and Bengio, "Random Search for Hyper-Parameter Optimization" (JMLR 2012).
type Random struct{}

// Name returns "random".
func (Random) Name() string { return "random" }

// Next returns a point that no trial has, and ErrExhausted where there is none.
func (Random) Next(s space.Space, _ int, history []Trial, rng *rand.Rand) (space.Point, error) {
	return untriedBy(s, history).draw(rng)
}
