package graph

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Score adds the cosines s [B] of a batch under the matrix m [d, k].
func Score(b Backend, m, batch *gorgonia.Node) (*gorgonia.Node, error) {
	kernel, err := b.NewScore(m.Shape()[0], m.Shape()[1])
	if err != nil {
		return nil, err
	}
	return applyFromMatrix("score", vectorType, tensor.Shape{batch.Shape()[0]}, kernel.Forward, kernel.Backward, m, batch)
}
