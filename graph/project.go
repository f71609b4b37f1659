package graph

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Project adds the projected vectors P [n, k] of a batch under the matrix
// m [d, k], the left ones above the right ones.
func Project(b Backend, m, batch *gorgonia.Node) (*gorgonia.Node, error) {
	k := m.Shape()[1]
	kernel, err := b.NewProject(m.Shape()[0], k)
	if err != nil {
		return nil, err
	}
	return applyFromMatrix("project", matrixType, tensor.Shape{batch.Shape()[0], k}, kernel.Forward, kernel.Backward, m, batch)
}
