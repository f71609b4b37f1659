package trainer

// A Schedule shapes the learning rate over a training.
type Schedule interface {
	Name() string
	// Rate returns the factor of the peak learning rate at a step, counted
	// from 1, of a training of total steps.
	Rate(step, total int) float64
}

// A MomentumSchedule moves the optimiser's momentum too.
type MomentumSchedule interface {
	Schedule
	// Momentum returns the momentum of a step, or 0 to leave it alone.
	Momentum(step, total int) float64
}

// Constant keeps the peak learning rate after a linear warm-up.
type Constant struct {
	Warmup float64 `json:"warmup"` // share of the steps, 0 to 1
}

// Name returns "constant".
func (Constant) Name() string { return "constant" }

// Rate rises linearly over the warm-up, then stays 1.
func (s Constant) Rate(step, total int) float64 { return warmup(s.Warmup, step, total) }

// Cosine falls along half a cosine to zero, after a linear warm-up. Source:
// Loshchilov and Hutter, "SGDR" (ICLR 2017), without restarts.
type Cosine struct {
	Warmup float64 `json:"warmup"` // share of the steps, 0 to 1
}

// Name returns "cosine".
func (Cosine) Name() string { return "cosine" }

// Rate is ½·(1 + cos(π·(step−1)/total)) times the warm-up, so that no step is
// lost to a rate of zero.
func (s Cosine) Rate(step, total int) float64 {
	return warmup(s.Warmup, step, total) * between(1, 0, float64(step-1)/float64(total))
}

// warmup rises from 0 to 1 over a share of the steps.
func warmup(share float64, step, total int) float64 {
	steps := share * float64(total)
	if float64(step) >= steps {
		return 1
	}
	return float64(step) / steps
}
