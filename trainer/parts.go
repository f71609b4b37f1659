package trainer

import (
	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/loader"
)

// parts are what a recipe has on a backend.
type parts struct {
	model   *graph.Model
	project *graph.Projector
	update  graph.UpdateKernel
	fit     graph.UpdateKernel // of the loss's own parameters; nil where it learns none
	shown   graph.Array        // matrix that texts are projected by
}

// newParts makes the parts of a recipe for embeddings of d dimensions. They are
// closed by the caller.
func newParts(b graph.Backend, recipe Recipe, d int) (_ *parts, err error) {
	p := &parts{}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.model, err = graph.NewShapedModel(b, recipe.shape(), recipe.Side, d, recipe.Dims, recipe.objective()); err != nil {
		return nil, err
	}
	if p.update, err = b.NewUpdate(recipe.rule(), p.model.Weights().Size()); err != nil {
		return nil, err
	}
	if own := p.model.Parameters(); own != nil {
		if p.fit, err = b.NewUpdate(Adam{}, own.Size()); err != nil {
			return nil, err
		}
	}
	if p.shown, err = newShown(b, recipe, p.model, d); err != nil {
		return nil, err
	}
	p.project, err = graph.NewProjector(b, recipe.Side, d, p.shown)
	return p, err
}

func (p *parts) close() {
	if p.model != nil {
		p.model.Close()
	}
	if p.project != nil {
		p.project.Close()
	}
}

// newEvaluator makes an evaluator that waits for a matrix.
func newEvaluator(data *loader.Dataset, b graph.Backend) (*evaluator, error) {
	table, err := b.NewTable(data.Vectors.Dim)
	return &evaluator{data: data, backend: b, table: table}, err
}
