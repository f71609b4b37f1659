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
	adam(h, 0, w, g, slots)
}

// AdamW is Adam with weight decay that bypasses the moments: w also shrinks by
// rate·decay·w. Source: Loshchilov and Hutter, "Decoupled weight decay
// regularization" (ICLR 2019).
type AdamW struct {
	WeightDecay float64 `json:"weight_decay"` // default 0
}

var _ graph.Rule = AdamW{}

// Name returns "adamw".
func (AdamW) Name() string { return "adamw" }

// Slots is 2, for the two moments.
func (AdamW) Slots() int { return 2 }

// Update applies one step.
func (o AdamW) Update(h graph.Hyper, w, g []float32, slots [][]float32) {
	adam(h, o.WeightDecay, w, g, slots)
}

// adam updates in the order of PyTorch: decay, moments, then
// w ← w − rate/(1−β₁ᵗ) · m/(√v/√(1−β₂ᵗ) + ε).
func adam(h graph.Hyper, decay float64, w, g []float32, slots [][]float32) {
	t := float64(h.Step)
	rate := float32(h.LearningRate / (1 - math.Pow(adamBeta1, t)))
	scale := float32(1 / math.Sqrt(1-math.Pow(adamBeta2, t)))
	keep := float32(1 - h.LearningRate*decay)
	m, v := slots[0], slots[1]
	for i, x := range g {
		m[i] = adamBeta1*m[i] + (1-adamBeta1)*x
		v[i] = adamBeta2*v[i] + (1-adamBeta2)*x*x
		root := float32(math.Sqrt(float64(v[i])))
		w[i] = keep*w[i] - rate*m[i]/(root*scale+adamEpsilon)
	}
}
