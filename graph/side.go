package graph

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// A Side says which texts a matrix is for.
type Side int

// The sides.
const (
	Both  Side = iota // one matrix [d, k] for all texts
	Query             // a matrix [d, k] for the left texts; of the right ones the first k dimensions stay as they are
	Dual              // a matrix for each side, [2·d, k]: the left one above the right one
)

var sideNames = [...]string{"both", "query", "dual"}

func (s Side) String() string { return sideNames[s] }

// Rows is how many rows the matrix of embeddings of d dimensions has.
func (s Side) Rows(d int) int {
	if s == Dual {
		return 2 * d
	}
	return d
}

// A SidedBackend is a Backend that can tell the sides apart.
type SidedBackend interface {
	// NewSidedProject is NewProject for another side than Both. Its matrix has
	// Side.Rows(d) rows. Dropout leaves alone what stays as it is.
	NewSidedProject(side Side, d, k int) (ProjectKernel, error)
}

// sidedProject adds the projected vectors of a batch under the matrix of a side.
func sidedProject(b Backend, side Side, d int, m, batch *gorgonia.Node) (*gorgonia.Node, error) {
	if side == Both {
		return Project(b, m, batch)
	}
	sided, ok := b.(SidedBackend)
	if !ok {
		return nil, fmt.Errorf("%s trains one matrix for both sides only, and this one is for --side %s: use --device cpu", b.Name(), side)
	}
	k := m.Shape()[1]
	kernel, err := sided.NewSidedProject(side, d, k)
	if err != nil {
		return nil, err
	}
	return applyFromMatrix("project", matrixType, tensor.Shape{batch.Shape()[0], k}, kernel.Forward, kernel.Backward, m, batch)
}

// NewSidedModel is NewModel for any side; its matrix has Side.Rows(d) rows.
func NewSidedModel(b Backend, side Side, d, k int, objective Objective) (*Model, error) {
	return NewShapedModel(b, nil, side, d, k, objective)
}

// sidedCost is the cost of the matrix of another side than Both.
func sidedCost(b Backend, side Side, d int, loss VectorLoss) cost {
	return func(m, parameters, batch *gorgonia.Node) (*gorgonia.Node, error) {
		p, err := sidedProject(b, side, d, m, batch)
		if err != nil {
			return nil, err
		}
		return ProjectedLoss(b, loss, p, parameters, batch)
	}
}
