//go:build gpu && linux

package cuda

import "github.com/cosfit/cosfit/graph"

// A derivative is an array that comes times a factor.
type derivative struct {
	*array
	scaled *array
}

func (b *Backend) newDerivative(shape ...int) derivative {
	return derivative{b.newArray(shape...), b.newArray(shape...)}
}

// of is the derivative [rows, k] by vectors: d, or another one where they have become
// of another length.
func (d derivative) of(b *Backend, rows, k int) (derivative, error) {
	if d.array == nil || d.Shape()[1] != k {
		d = b.newDerivative(0, k)
	}
	return d, d.resize(rows)
}

// times is the array, or a copy times a factor other than 1.
func (d derivative) times(factor float32) (graph.Array, error) {
	if factor == 1 {
		return d.array, nil
	}
	b := d.backend
	if err := b.enter(); err != nil {
		return nil, err
	}
	defer b.leave()
	if err := d.scaled.resize(d.Shape()[0]); err != nil {
		return nil, err
	}
	return d.scaled, b.exact.Scale(b.stream, d.at, d.scaled.at, factor, d.Size())
}
