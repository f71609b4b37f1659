//go:build gpu && linux

package cuda

import (
	"fmt"

	"github.com/cosfit/cosfit/cuda/internal/nvidia"
	"github.com/cosfit/cosfit/graph"
)

// An array is float32 numbers on the device. Its memory may exceed its shape.
type array struct {
	graph.Header
	backend *Backend
	memory

	operand memory // a copy in bfloat16, where a step under BF16 has needed one
	current bool   // whether the copy has the array's numbers
}

// NewArray allocates zeros.
func (b *Backend) NewArray(shape ...int) (graph.Array, error) {
	if err := b.enter(); err != nil {
		return nil, err
	}
	defer b.leave()
	a := b.newArray(shape...)
	if a.Size() == 0 {
		return a, nil
	}
	if err := b.grow(&a.memory, 4*a.Size()); err != nil {
		return nil, err
	}
	return a, b.stream.Fill(a.at, 0, a.Size())
}

// newArray is an array without memory, for results.
func (b *Backend) newArray(shape ...int) *array {
	return &array{Header: graph.NewHeader(shape...), backend: b}
}

// resize sets the number of rows and grows the memory if need be. A recorded
// step does so again when it is repeated.
func (a *array) resize(rows int) error {
	a.Resize(rows)
	if c := a.backend.capturing; c != nil {
		c.resized = append(c.resized, resized{a, rows})
	}
	return a.backend.grow(&a.memory, 4*a.Size())
}

// Upload copies src into dst.
func (b *Backend) Upload(dst graph.Array, src []float32) error {
	if err := b.enter(); err != nil {
		return err
	}
	defer b.leave()
	a, err := b.own(dst)
	if err != nil {
		return err
	}
	if len(src) != a.Size() {
		return fmt.Errorf("cuda: upload of %d numbers into an array of %d", len(src), a.Size())
	}
	if err := b.notRecording(); err != nil {
		return err
	}
	a.current = false
	return b.send(b.stream, a.at, raw(src))
}

// Download copies src into dst and waits for it.
func (b *Backend) Download(dst []float32, src graph.Array) error {
	if err := b.enter(); err != nil {
		return err
	}
	defer b.leave()
	a, err := b.own(src)
	if err != nil {
		return err
	}
	if len(dst) != a.Size() {
		return fmt.Errorf("cuda: download of an array of %d numbers into %d", a.Size(), len(dst))
	}
	if err := b.notRecording(); err != nil {
		return err
	}
	return b.fetch(raw(dst), a.at)
}

// operandOf is where the products of a step find a parameter. Under BF16 that
// is a copy, which an update keeps current and an upload does not.
func (b *Backend) operandOf(a *array) (nvidia.Pointer, error) {
	if b.precision != BF16 {
		return a.at, nil
	}
	if err := b.roomForOperand(a); err != nil {
		return 0, err
	}
	return a.operand.at, b.convert(a)
}

func (b *Backend) roomForOperand(a *array) error {
	if a.operand.bytes == 0 {
		b.parameters = append(b.parameters, a)
	}
	return b.grow(&a.operand, 2*a.Size())
}

// convert brings the copy up to date.
func (b *Backend) convert(a *array) error {
	if a.current {
		return nil
	}
	a.current = true
	return b.step.Convert(b.stream, a.at, a.operand.at, a.Size())
}

// convertAll brings every parameter's copy up to date.
func (b *Backend) convertAll() error {
	for _, a := range b.parameters {
		if err := b.convert(a); err != nil {
			return err
		}
	}
	return nil
}
