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
	for lo := 0; lo < size; lo += updateBlock {
		var slots [][]float32
		for _, s := range u.slots {
			slots = append(slots, s.data[lo:min(lo+updateBlock, size)])
		}
		u.pieces = append(u.pieces, slots)
	}
	u.one = u.piece
	return u, nil
}

// updateBlock is how many elements one piece of the work covers.
const updateBlock = 1 << 12

type update struct {
	pool   *kernel.Pool
	rule   graph.Rule
	size   int
	slots  []*array
	pieces [][][]float32 // the slots of each piece

	hyper graph.Hyper // of the step under way
	w, g  []float32
	one   func(i int)
}

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
	o.hyper, o.w, o.g = h, aw.data, ag.data
	o.pool.Run(len(o.pieces), o.one)
	return nil
}

func (o *update) piece(i int) {
	lo, hi := i*updateBlock, min((i+1)*updateBlock, o.size)
	o.rule.Update(o.hyper, o.w[lo:hi], o.g[lo:hi], o.pieces[i])
}

// State returns the slots.
func (o *update) State() []graph.Array {
	out := make([]graph.Array, len(o.slots))
	for i, s := range o.slots {
		out[i] = s
	}
	return out
}
