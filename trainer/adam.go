package trainer

import (
	"math"

	"github.com/cosfit/cosfit/graph"
)

// Constants of Adam that hardly anyone changes.
const (
	adamBeta1   = 0.9
	adamBeta2   = 0.999
	adamEpsilon = 1e-8
)

// Adam adapts the rate of each element to the size of its gradients. Source:
// Kingma and Ba, "Adam" (ICLR 2015), algorithm 1, with β₁ = 0.9, β₂ = 0.999,
// ε = 1e-8.
type Adam struct{}

var _ graph.DeviceRule = Adam{}

// Name returns "adam".
func (Adam) Name() string { return "adam" }

// Slots is 2, for the two moments.
func (Adam) Slots() int { return 2 }

// Update applies one step.
func (Adam) Update(h graph.Hyper, w, g []float32, slots [][]float32) {
	adamStep(h).Adam(w, g, slots[0], slots[1], nil)
}

// CUDA is Update for a GPU.
func (Adam) CUDA() string { return adamCUDA }

// Scalars are the fields of the step.
func (Adam) Scalars(h graph.Hyper) []float32 { return adamScalars(adamStep(h)) }

// AdamW is Adam with weight decay that bypasses the moments: w also shrinks by
// rate·decay·w. Source: Loshchilov and Hutter, "Decoupled weight decay
// regularization" (ICLR 2019).
//
// With ToStart it shrinks by rate·decay·(w − w₀), towards the matrix w₀ that
// the training started from, so that what the data say nothing about stays as
// it was. Source: Li, Grandvalet and Davoine, "Explicit inductive bias for
// transfer learning" (ICML 2018), there L2-SP.
type AdamW struct {
	WeightDecay float64 `json:"weight_decay"` // default 0
	ToStart     bool    `json:"to_start"`
}

var (
	_ AnchoredRule     = AdamW{}
	_ graph.DeviceRule = AdamW{}
)

// Name returns "adamw".
func (AdamW) Name() string { return "adamw" }

// Slots is 2, for the two moments, and a third for w₀.
func (o AdamW) Slots() int {
	if o.ToStart {
		return 3
	}
	return 2
}

// Anchor returns the slot of w₀.
func (o AdamW) Anchor() (slot int, ok bool) { return 2, o.ToStart }

// Update applies one step.
func (o AdamW) Update(h graph.Hyper, w, g []float32, slots [][]float32) {
	var start []float32
	if o.ToStart {
		start = slots[2]
	}
	o.step(h).Adam(w, g, slots[0], slots[1], start)
}

// CUDA is Update for a GPU.
func (o AdamW) CUDA() string {
	if o.ToStart {
		return `
	w -= h[0] * (w - slot[2]); // Pull` + adamCUDA
	}
	return adamCUDA
}

// Scalars are the fields of the step.
func (o AdamW) Scalars(h graph.Hyper) []float32 { return adamScalars(o.step(h)) }

func (o AdamW) step(h graph.Hyper) graph.AdamStep {
	step, decay := adamStep(h), h.LearningRate*o.WeightDecay
	if o.ToStart {
		step.Pull = float32(decay)
	} else {
		step.Keep = float32(1 - decay)
	}
	return step
}

// An AnchoredRule keeps the start of the training in one of its slots.
type AnchoredRule interface {
	graph.Rule
	// Anchor returns the slot, if there is one; the trainer fills it.
	Anchor() (slot int, ok bool)
}

// adamStep corrects the bias of both moments as PyTorch does:
// w ← w − rate/(1−β₁ᵗ) · m/(√v/√(1−β₂ᵗ) + ε).
func adamStep(h graph.Hyper) graph.AdamStep {
	t := float64(h.Step)
	return graph.AdamStep{
		Beta1: adamBeta1, Rest1: 1 - adamBeta1, Beta2: adamBeta2, Rest2: 1 - adamBeta2, Epsilon: adamEpsilon, Keep: 1,
		Rate:  float32(h.LearningRate / (1 - math.Pow(adamBeta1, t))),
		Scale: float32(1 / math.Sqrt(1-math.Pow(adamBeta2, t))),
	}
}

// adamScalars are the fields of a step in their order.
func adamScalars(s graph.AdamStep) []float32 {
	return []float32{s.Pull, s.Beta1, s.Rest1, s.Beta2, s.Rest2, s.Rate, s.Scale, s.Epsilon, s.Keep}
}

// adamCUDA is a step without the pull, in the order and with the rounding of
// graph.AdamStep.
const adamCUDA = `
	const float beta1 = h[1], rest1 = h[2], beta2 = h[3], rest2 = h[4];
	const float rate = h[5], scale = h[6], epsilon = h[7], keep = h[8];
	slot[0] = beta1 * slot[0] + rest1 * g;
	slot[1] = beta2 * slot[1] + rest2 * g * g;
	w = keep * w - rate * slot[0] / (sqrtf(slot[1]) * scale + epsilon);`
