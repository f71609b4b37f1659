//go:build gpu && linux

package cuda

import (
	"fmt"

	"github.com/cosfit/cosfit/cuda/internal/kernels"
	"github.com/cosfit/cosfit/cuda/internal/nvidia"
	"github.com/cosfit/cosfit/graph"
)

// An update applies a rule to one parameter.
type update struct {
	*Backend
	kernel  *kernels.Update
	rule    graph.DeviceRule
	size    int
	slots   []*array
	at      []nvidia.Pointer // of the slots
	scalars memory
}

// NewUpdate compiles a rule, which must say its expression in CUDA C.
func (b *Backend) NewUpdate(rule graph.Rule, size int) (graph.UpdateKernel, error) {
	expression, ok := rule.(graph.DeviceRule)
	if !ok {
		return nil, fmt.Errorf("the optimizer %s has no expression for a GPU (graph.DeviceRule): train with --device cpu", rule.Name())
	}
	if err := b.enter(); err != nil {
		return nil, err
	}
	defer b.leave()
	kernel, err := b.compiler.Update(b.context, expression.CUDA(), rule.Slots(), b.precision)
	if err != nil {
		return nil, fmt.Errorf("the optimizer %s: %w", rule.Name(), err)
	}
	b.closing(kernel.Close)
	o := &update{Backend: b, kernel: kernel, rule: expression, size: size}
	for range rule.Slots() {
		slot := b.newArray(size)
		if err := slot.resize(size); err != nil {
			return nil, err
		}
		if err := b.zero(slot); err != nil {
			return nil, err
		}
		o.slots, o.at = append(o.slots, slot), append(o.at, slot.at)
	}
	return o, nil
}

// Apply queues one step of the rule. It is no part of a recorded step, so that
// gradients can be summed in between.
func (o *update) Apply(h graph.Hyper, w, g graph.Array) error {
	if err := o.enter(); err != nil {
		return err
	}
	defer o.leave()
	parameter, err := o.own(w)
	if err != nil {
		return err
	}
	gradient, err := o.own(g)
	if err != nil {
		return err
	}
	if parameter.Size() != o.size || gradient.Size() != o.size {
		return fmt.Errorf("cuda: an update of %d numbers by %d, want %d", parameter.Size(), gradient.Size(), o.size)
	}
	if err := o.notRecording(); err != nil {
		return err
	}
	if err := o.tell(o.rule.Scalars(h)); err != nil {
		return err
	}
	if o.precision == BF16 {
		if err := o.roomForOperand(parameter); err != nil {
			return err
		}
		parameter.current = true
	}
	return o.kernel.Apply(o.stream, o.scalars.at, parameter.at, gradient.at, o.at, parameter.operand.at, o.size)
}

// tell copies the scalars of a step to the device.
func (o *update) tell(scalars []float32) error {
	bytes := 4 * len(scalars)
	if bytes == 0 {
		return nil
	}
	if err := o.grow(&o.scalars, bytes); err != nil {
		return err
	}
	k, err := o.steps.take(o.context, stepBlocks, bytes)
	if err != nil {
		return err
	}
	copy(nvidia.View[float32](k.memory), scalars)
	if err := o.stream.ToDevice(o.scalars.at, k.memory, 0, bytes); err != nil {
		return err
	}
	return o.stream.Record(k.passed)
}

// State returns the slots.
func (o *update) State() []graph.Array {
	out := make([]graph.Array, len(o.slots))
	for i, s := range o.slots {
		out[i] = s
	}
	return out
}
