//go:build gpu && linux

package cuda

import (
	"fmt"

	"github.com/cosfit/cosfit/graph"
)

// NewVectorLoss prepares a loss on projected vectors: by kernels of the device,
// where it has some, else on the processor.
func (b *Backend) NewVectorLoss(l graph.VectorLoss) (graph.VectorLossKernel, error) {
	switch l := l.(type) {
	case graph.DeviceVectorLoss:
		return b.newContrast(l.Contrast())
	case graph.OfCosines:
		if formula, ok := l.Loss.(graph.DeviceLoss); ok {
			return b.newOfCosines(formula)
		}
	}
	return b.newHostLoss(l)
}

// projected checks the projected vectors [2n, k] of a batch.
func (b *Backend) projected(p graph.Array, batch *graph.Batch) (a *array, n, k int, err error) {
	if a, err = b.own(p); err != nil {
		return nil, 0, 0, err
	}
	n = len(batch.Left)
	if len(batch.Right) != n || len(batch.Labels) != n || len(batch.Groups) > 0 && len(batch.Groups) != n || a.Shape()[0] != 2*n {
		return nil, 0, 0, fmt.Errorf("cuda: %d vectors of %d left and %d right texts, %d labels and %d groups", a.Shape()[0], n, len(batch.Right), len(batch.Labels), len(batch.Groups))
	}
	return a, n, a.Shape()[1], nil
}
