package cpu

import (
	"fmt"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/kernel"
)

// NewUpdate prepares an optimiser for a parameter of size numbers.
func (b *Backend) NewUpdate(rule graph.Rule, size int) (graph.UpdateKernel, error) {
	u := &update{pool: b.pool, rule: rule, size: size}
	for range rule.Slots() {
		u.slots = append(u.slots, newArray(size))
	}
	return u, nil
}

type update struct {
	pool  *kernel.Pool
	rule  graph.Rule
	size  int
	slots []*array
}

// updateBlock is how many elements one piece of the work covers.
const updateBlock = 1 << 14

// Apply runs the rule over the parameter, piece by piece.
func (o *update) Apply(h graph.Hyper, w, g graph.Array) error {
	aw, err := own(w)
	if err != nil {
		return err
	}
	ag, err := own(g)
	if err != nil {
		return err
	}
	if len(aw.data) != o.size || len(ag.data) != o.size {
		return fmt.Errorf("cpu: an update of %d numbers by %d, want %d", len(aw.data), len(ag.data), o.size)
	}
	o.pool.Run((o.size+updateBlock-1)/updateBlock, func(i int) {
		lo, hi := i*updateBlock, min((i+1)*updateBlock, o.size)
		slots := make([][]float32, len(o.slots))
		for j, s := range o.slots {
			slots[j] = s.data[lo:hi]
		}
		o.rule.Update(h, aw.data[lo:hi], ag.data[lo:hi], slots)
	})
	return nil
}

// State returns the slots.
func (o *update) State() []graph.Array {
	out := make([]graph.Array, len(o.slots))
	for i, s := range o.slots {
		out[i] = s
	}
	return out
}
