//go:build gpu && linux

package kernels

import (
	"fmt"

	"github.com/cosfit/cosfit/cuda/internal/nvidia"
)

// An Update is a compiled graph.DeviceRule.
type Update struct {
	module    *nvidia.Module
	arguments nvidia.Arguments
	apply     *nvidia.Function
	slots     int
}

// Update compiles what DeviceRule.CUDA returned, for a rule of that many slots
// and the operand M of a precision.
func (c *Compiler) Update(context *nvidia.Context, body string, slots int, p Precision) (*Update, error) {
	return c.update(context, slots, p, updateSource(body, slots))
}

func (c *Compiler) update(context *nvidia.Context, slots int, p Precision, source string) (*Update, error) {
	module, err := c.load(context, "update", source, updateOptions(p))
	if err != nil {
		return nil, err
	}
	u := &Update{module: module, slots: slots}
	return u, functions(module, map[string]**nvidia.Function{"apply_update": &u.apply})
}

// Close unloads the kernel.
func (u *Update) Close() error { return u.module.Unload() }

// Apply changes w [n] and the slots, each [n], by the gradient g [n]. The
// scalars are the rule's of this step, on the device. Under BF16 it also writes
// w, rounded, to operand [n]; else operand may be 0.
func (u *Update) Apply(s *nvidia.Stream, scalars, w, g nvidia.Pointer, slots []nvidia.Pointer, operand nvidia.Pointer, n int) error {
	if len(slots) != u.slots {
		return fmt.Errorf("an update with %d slots, its rule has %d", len(slots), u.slots)
	}
	u.arguments.Reset().Pointer(scalars).Pointer(w).Pointer(g).Pointer(operand).Int64(int64(n))
	for _, slot := range slots {
		u.arguments.Pointer(slot)
	}
	return launch(s, u.apply, blocks((n+3)/4), elementThreads, &u.arguments)
}
