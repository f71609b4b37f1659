package trainer

import "github.com/cosfit/cosfit/graph"

// shape is that of the matrix; a closed form's is full.
func (r Recipe) shape() graph.Shape {
	if r.ClosedForm != nil {
		return nil
	}
	return r.Shape
}

// newShown returns the matrix that texts are projected by: the model's weights, or
// one of its own where what is scored is not these but follows from them.
func newShown(b graph.Backend, recipe Recipe, model *graph.Model, d int) (graph.Array, error) {
	if recipe.averages() || recipe.shape() != nil {
		return b.NewArray(recipe.Side.Rows(d), recipe.Dims)
	}
	return model.Weights(), nil
}

// show brings that matrix up to date with the training.
func (r *run) show() error {
	weights := r.model.Weights()
	if r.shown == weights {
		return nil
	}
	if r.recipe.averages() {
		weights = r.average()
	}
	m, err := r.model.MatrixOf(weights)
	if err != nil {
		return err
	}
	matrix := make([]float32, r.shown.Size())
	if err := r.opts.Backend.Download(matrix, m); err != nil {
		return err
	}
	return r.opts.Backend.Upload(r.shown, matrix)
}
