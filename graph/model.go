package graph

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// A Model is the graph of one training step. It owns the matrix, or the numbers
// that a Shape makes it of, the parameters of a loss that learns some, and their
// gradients.
type Model struct {
	backend    Backend
	shape      ShapeKernel // nil for a full matrix
	weights    Array       // that matrix, or θ
	parameters Array       // nil where the loss learns none
	batch      *batchValue
	loss       *gorgonia.Node
	gradients  gorgonia.Nodes // by the weights, and by the parameters
	machine    gorgonia.VM

	recording Recording // nil where the backend records nothing
	tape      func() error
}

// NewModel builds the graph for a matrix [d, k], which starts as zeros, and a
// Loss or a VectorLoss.
func NewModel(b Backend, d, k int, objective Objective) (*Model, error) {
	return NewSidedModel(b, Both, d, k, objective)
}

// NewShapedModel is NewModel for any side and shape; its matrix has Side.Rows(d)
// rows. It has no start before [Model.Begin]. A nil Shape stands for a full matrix.
func NewShapedModel(b Backend, shape Shape, side Side, d, k int, objective Objective) (*Model, error) {
	s, err := newShape(b, shape, side, d, k)
	if err != nil {
		return nil, err
	}
	if side == Both {
		return buildShaped(b, s, d, k, fittedParameters(objective), scoreCost(b, objective))
	}
	loss, err := vectorLoss(objective)
	if err != nil {
		return nil, err
	}
	return buildShaped(b, s, side.Rows(d), k, fittedParameters(loss), sidedCost(b, side, d, loss))
}

// A cost adds a scalar that follows from the matrix, parameters and a batch. Without
// parameters their node is nil.
type cost = func(m, parameters, batch *gorgonia.Node) (*gorgonia.Node, error)

// scoreCost is the cost of one matrix for both sides.
func scoreCost(b Backend, objective Objective) cost {
	return func(m, parameters, batch *gorgonia.Node) (*gorgonia.Node, error) {
		switch loss := objective.(type) {
		case Loss:
			s, err := Score(b, m, batch)
			if err != nil {
				return nil, err
			}
			return CosineLoss(b, loss, s, parameters, batch)
		case VectorLoss:
			p, err := Project(b, m, batch)
			if err != nil {
				return nil, err
			}
			return ProjectedLoss(b, loss, p, parameters, batch)
		}
		return nil, fmt.Errorf("%s is neither a Loss nor a VectorLoss", objective.Name())
	}
}

// build makes a model of any cost of a full matrix.
func build(b Backend, d, k int, parameters []float32, cost cost) (*Model, error) {
	return buildShaped(b, nil, d, k, parameters, cost)
}

// buildShaped does so for a matrix of a shape, nil for a full one.
func buildShaped(b Backend, shape ShapeKernel, rows, k int, parameters []float32, cost cost) (*Model, error) {
	model := &Model{backend: b, shape: shape}
	size := []int{rows, k}
	if shape != nil {
		size = []int{shape.Size()}
	}
	var err error
	if model.weights, err = b.NewArray(size...); err != nil {
		return nil, err
	}
	g, weights, batch := inputs(model.weights)
	model.batch = batch.Value().(*batchValue)
	learned, m := gorgonia.Nodes{weights}, weights
	if shape != nil {
		if m, err = applyShape(shape, rows, k, weights); err != nil {
			return nil, err
		}
	}
	var p *gorgonia.Node
	if len(parameters) > 0 {
		if model.parameters, err = b.NewArray(len(parameters)); err != nil {
			return nil, err
		}
		if err := b.Upload(model.parameters, parameters); err != nil {
			return nil, err
		}
		p = gorgonia.NewTensor(g, tensor.Float32, 1, gorgonia.WithName("parameters"),
			gorgonia.WithShape(len(parameters)), gorgonia.WithValue(model.parameters))
		learned = append(learned, p)
	}
	if model.loss, err = cost(m, p, batch); err != nil {
		return nil, fmt.Errorf("building the graph: %w", err)
	}
	if model.gradients, err = gorgonia.Grad(model.loss, learned...); err != nil {
		return nil, fmt.Errorf("differentiating the graph: %w", err)
	}
	model.machine = gorgonia.NewTapeMachine(g)
	model.tape = func() error { return runTape(model.machine) }
	if r, ok := b.(Recorder); ok {
		model.recording, err = r.NewRecording()
	}
	return model, err
}

// runTape runs a machine's tape from its beginning. The error of an operation
// comes back as the operation made it: what the machine puts before it, numbers
// of instructions, tells a user nothing and hides what it wraps.
func runTape(machine gorgonia.VM) error {
	machine.Reset()
	err := machine.RunAll()
	for {
		switch outer := err.(type) {
		case interface{ Err() error }:
			err = outer.Err()
		case interface{ Cause() error }:
			err = outer.Cause()
		default:
			return err
		}
	}
}

// inputs makes a graph with its two inputs, weights and a batch. Sizes that follow
// the batch are 1 at this time: the kernels take the real ones from the batch.
func inputs(weights Array) (g *gorgonia.ExprGraph, w, batch *gorgonia.Node) {
	g = gorgonia.NewGraph()
	shape := weights.Shape()
	w = gorgonia.NewTensor(g, tensor.Float32, len(shape), gorgonia.WithName("weights"),
		gorgonia.WithShape(shape...), gorgonia.WithValue(weights))
	batch = gorgonia.NewTensor(g, tensor.Int32, 1, gorgonia.WithName("batch"),
		gorgonia.WithShape(1), gorgonia.WithValue(&batchValue{Header: NewHeader(1)}))
	return g, w, batch
}

// Step runs the graph for a batch: afterwards Loss and Gradient hold its
// results. It does not change the matrix.
func (m *Model) Step(batch *Batch) error {
	m.batch.batch = batch
	if m.recording != nil {
		return m.recording.Run(batch, m.tape)
	}
	return m.tape()
}

// Begin makes the matrix a start [d, k], row-major, and returns the weights that it
// has then. What a shape draws follows from the seed.
func (m *Model) Begin(start []float32, seed uint64) ([]float32, error) {
	weights := start
	if m.shape != nil {
		var err error
		if weights, err = m.shape.Begin(start, seed); err != nil {
			return nil, err
		}
	}
	return weights, m.backend.Upload(m.weights, weights)
}

// Weights returns what is learned: the matrix [d, k], or the numbers θ [p] that a
// shape makes it of.
func (m *Model) Weights() Array { return m.weights }

// Matrix returns the weights of a model without a shape: the parameter [d, k].
func (m *Model) Matrix() Array { return m.weights }

// MatrixOf returns the matrix that weights stand for, as many as the model's own,
// valid until the next step.
func (m *Model) MatrixOf(weights Array) (Array, error) {
	if m.shape == nil {
		return weights, nil
	}
	return m.shape.Forward(weights)
}

// Gradient returns the derivative by the weights in the last step, valid until the
// next.
func (m *Model) Gradient() Array { return m.gradients[0].Value().(Array) }

// Parameters returns those of a loss that learns some [p], else nil.
func (m *Model) Parameters() Array { return m.parameters }

// ParameterGradient returns the gradient by them, valid until the next step.
func (m *Model) ParameterGradient() Array { return m.gradients[1].Value().(Array) }

// Loss downloads the mean loss of the last step, which waits for the device.
func (m *Model) Loss() (float32, error) {
	var loss [1]float32
	err := m.backend.Download(loss[:], m.loss.Value().(Array))
	return loss[0], err
}

// Close releases the machine; the arrays belong to the backend.
func (m *Model) Close() error { return m.machine.Close() }

// A Projector is the graph that only projects, for evaluation.
type Projector struct {
	batch     *batchValue
	projected *gorgonia.Node
	machine   gorgonia.VM
}

// NewProjector builds a graph around the matrix of a side for embeddings of d
// dimensions, [Side.Rows(d), k], which it follows as that changes.
func NewProjector(b Backend, side Side, d int, matrix Array) (*Projector, error) {
	g, m, batch := inputs(matrix)
	projected, err := sidedProject(b, side, d, m, batch)
	if err != nil {
		return nil, err
	}
	return &Projector{batch.Value().(*batchValue), projected, gorgonia.NewTapeMachine(g)}, nil
}

// Run returns P [n, k] for rows of a table [_, d] less an offset [d], unless that
// is nil: those of left texts above those of right ones, valid until the next run.
func (p *Projector) Run(table, offset Array, left, right []int32) (Array, error) {
	p.batch.batch = &Batch{Table: table, Offset: offset, Left: left, Right: right}
	if err := runTape(p.machine); err != nil {
		return nil, err
	}
	return p.projected.Value().(Array), nil
}

// Close releases the machine.
func (p *Projector) Close() error { return p.machine.Close() }
