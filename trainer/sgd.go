package trainer

import "github.com/cosfit/cosfit/graph"

// SGD is stochastic gradient descent with momentum: v ← μ·v + g, w ← w − rate·v.
// Source: Sutskever et al. 2013, in PyTorch's form (dampening 0, no Nesterov).
type SGD struct {
	Momentum float64 `json:"momentum"` // μ where the schedule sets none; default 0
}

var _ graph.DeviceRule = SGD{}

// Name returns "sgd".
func (SGD) Name() string { return "sgd" }

// Slots is 1, for v.
func (SGD) Slots() int { return 1 }

// Update applies one step.
func (o SGD) Update(h graph.Hyper, w, g []float32, slots [][]float32) {
	o.step(h).Descend(w, g, slots[0])
}

// CUDA is Update for a GPU.
func (SGD) CUDA() string {
	return `
	const float momentum = h[0], rate = h[1];
	slot[0] = momentum * slot[0] + g;
	w -= rate * slot[0];`
}

// Scalars are the fields of the step.
func (o SGD) Scalars(h graph.Hyper) []float32 {
	s := o.step(h)
	return []float32{s.Momentum, s.Rate}
}

func (o SGD) step(h graph.Hyper) graph.MomentumStep {
	step := graph.MomentumStep{Momentum: float32(o.Momentum), Rate: float32(h.LearningRate)}
	if h.Momentum > 0 {
		step.Momentum = float32(h.Momentum)
	}
	return step
}
