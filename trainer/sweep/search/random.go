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

// Next looks at no trial.
func (Random) Next(s space.Space, _ int, _ []Trial, rng *rand.Rand) (space.Point, error) {
	p := space.Point{}
	for i, parameter := range s {
		if s.Exists(i, p) {
			p[parameter.Name] = draw(parameter.Distribution, rng)
		}
	}
	return p, nil
}
