package trainer

import (
	"context"
	"math"

	"github.com/cosfit/cosfit/loader"
)

// A Tried is what a recipe reached on validation.
type Tried struct {
	Figure    string  // name of the figure, as in summary.json
	Start     float64 // the figure of the start
	Best      float64 // the highest of all epochs
	BestEpoch int     // which epoch that was, counted from 1
	Epochs    int     // trained
	Pairs     int64   // that were trained on, each as often as it was
	Stopped   bool    // by report
}

// Try trains as [Train] does, to the same figures bit for bit, but writes
// nothing, and scores the validation split alone. After each epoch it calls
// report with that split's figure; training ends where report returns false.
//
// The recipe must choose its epoch on validation, and data must have such a
// split; see [Prepare].
func Try(ctx context.Context, w *Workspace, recipe Recipe, report func(epoch int, figure float64) (goOn bool)) (Tried, error) {
	if recipe.SelectOn != loader.Validation {
		return Tried{}, setting("select-on", "is %s, and only figures of the validation split can choose between recipes", recipe.SelectOn)
	}
	recipe = recipe.For(w.data)
	if err := Prepare(w.data, recipe); err != nil {
		return Tried{}, err
	}
	if err := w.prepare(recipe); err != nil {
		return Tried{}, err
	}
	t := &try{workspace: w, report: report, Tried: Tried{Best: math.Inf(-1)}}
	r, err := newRun(w.data, Options{Recipe: recipe, Backend: w.backend, try: t})
	if err != nil {
		return Tried{}, err
	}
	defer r.close()
	if err := r.begin(ctx); err != nil {
		return Tried{}, err
	}
	err = r.train(ctx)
	t.Figure, t.Epochs, t.Pairs = r.figure, r.state.Epochs, int64(r.trainedPairs())
	return t.Tried, err
}

// A try is a training that leaves no directory.
type try struct {
	Tried
	workspace *Workspace
	part      bool // of a cross-validation: what is scored need not be of both kinds
	report    func(epoch int, figure float64) (goOn bool)
}

// scored takes the figure of an epoch; epoch 0 is the start.
func (t *try) scored(epoch int, figure float64) {
	if epoch == 0 {
		t.Start = figure
		return
	}
	if figure > t.Best {
		t.Best, t.BestEpoch = figure, epoch
	}
	t.Stopped = !t.report(epoch, figure)
}
