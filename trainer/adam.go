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

var _ graph.Rule = Adam{}

// Name returns "adam".
func (Adam) Name() string { return "adam" }

// Slots is 2, for the two moments.
func (Adam) Slots() int { return 2 }

// Update applies one step.
func (Adam) Update(h graph.Hyper, w, g []float32, slots [][]float32) {
	adamStep(h).Adam(w, g, slots[0], slots[1], nil)
}

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

var _ AnchoredRule = AdamW{}

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
	step, decay := adamStep(h), h.LearningRate*o.WeightDecay
	if o.ToStart {
		step.Pull = float32(decay)
		step.Adam(w, g, slots[0], slots[1], slots[2])
		return
	}
	step.Keep = float32(1 - decay)
	step.Adam(w, g, slots[0], slots[1], nil)
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
