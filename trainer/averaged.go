package trainer

import (
	"fmt"
	"math"

	"github.com/cosfit/cosfit/graph"
)

// WithAverage is an optimiser that also keeps an average of the weights w after
// each of its steps t, in which later ones count more:
//
//	w̄ ← w̄ + (1 − β)/(1 − βᵗ)·(w − w̄)
//
// The first factor is 1, so that nothing of where a training began is left in it.
// The decay β is in [0, 1). w̄ is in the last slot. Source: Kingma and Ba, "Adam"
// (ICLR 2015), § 7.2, step by step. A GPU can compute it where it can the optimiser.
func WithAverage(rule graph.Rule, decay float64) graph.Rule {
	a := averaged{rule, decay}
	if device, ok := rule.(graph.DeviceRule); ok {
		return deviceAveraged{a, device}
	}
	return a
}

type averaged struct {
	graph.Rule
	decay float64
}

func (o averaged) Slots() int { return o.Rule.Slots() + 1 }

func (o averaged) Update(h graph.Hyper, w, g []float32, slots [][]float32) {
	last := o.Rule.Slots()
	o.Rule.Update(h, w, g, slots[:last])
	share, mean := o.share(h), slots[last][:len(w)]
	for i, v := range w {
		mean[i] += float32(share * (v - mean[i])) // float32 keeps Go from fusing
	}
}

// share is how much of a step's result goes into the average.
func (o averaged) share(h graph.Hyper) float32 {
	return float32((1 - o.decay) / (1 - math.Pow(o.decay, float64(h.Step))))
}

type deviceAveraged struct {
	averaged
	device graph.DeviceRule
}

func (o deviceAveraged) CUDA() string {
	slot, h := o.Rule.Slots(), len(o.device.Scalars(graph.Hyper{Step: 1}))
	return fmt.Sprintf("\n\t{%s\n\t}\n\tslot[%d] += h[%d] * (w - slot[%[2]d]);", o.device.CUDA(), slot, h)
}

func (o deviceAveraged) Scalars(h graph.Hyper) []float32 {
	return append(o.device.Scalars(h), o.share(h))
}

// rule is the optimiser with its average, if there is one.
func (r Recipe) rule() graph.Rule {
	if r.averages() {
		return WithAverage(r.Optimizer, r.Average)
	}
	return r.Optimizer
}

// averages reports whether an average of the weights is scored instead of them.
func (r Recipe) averages() bool { return r.Average > 0 && r.ClosedForm == nil }

// average is the optimiser's slot of it.
func (r *run) average() graph.Array {
	state := r.update.State()
	return state[len(state)-1]
}
