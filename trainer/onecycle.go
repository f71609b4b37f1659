package trainer

import "math"

// OneCycle rises along half a cosine to the peak and falls along another to
// almost nothing. Source: Smith and Topin, "Super-convergence" (2018), with
// the constants and the rounding of PyTorch's OneCycleLR: the peak after 30 %
// of the steps, a 25th of it at the start, a 10,000th of that at the end.
type OneCycle struct {
	// CycleMomentum moves the optimiser's momentum against the rate, from 0.95
	// down to 0.85 and back. PyTorch does so by default, even to an SGD that
	// was made without momentum.
	CycleMomentum bool `json:"cycle_momentum"`
}

var _ MomentumSchedule = OneCycle{}

// Name returns "onecycle".
func (OneCycle) Name() string { return "onecycle" }

// Rate continues the last cosine past the end of the training.
func (OneCycle) Rate(step, total int) float64 {
	const start, end = 1.0 / 25, 1.0 / 25 / 1e4
	return oneCycle(step, total, start, 1, end)
}

// Momentum is 0 unless it is cycled.
func (s OneCycle) Momentum(step, total int) float64 {
	if !s.CycleMomentum {
		return 0
	}
	const high, low = 0.95, 0.85
	return oneCycle(step, total, high, low, high)
}

// oneCycle goes from start to top over the first 30 % of the steps, then to
// end, each along half a cosine.
func oneCycle(step, total int, start, top, end float64) float64 {
	const share = 0.3
	at, turn, last := float64(step-1), share*float64(total)-1, float64(total-1)
	if at <= turn && turn > 0 {
		return between(start, top, at/turn)
	}
	if last <= turn {
		return end
	}
	return between(top, end, (at-turn)/(last-turn))
}

// between goes from a to b along half a cosine as x goes from 0 to 1.
func between(a, b, x float64) float64 {
	return b + (a-b)/2*(1+math.Cos(math.Pi*x))
}
