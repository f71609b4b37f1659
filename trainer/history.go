package trainer

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
)

// score adds an epoch to the history, and keeps its matrix if it is the best.
// Epoch 0 is the start. Nothing has changed where ctx ends first.
func (r *run) score(ctx context.Context, epoch int, seconds float64, pairs int) error {
	start := time.Now()
	if err := r.show(); err != nil {
		return err
	}
	m, err := r.eval.measure(ctx, r.scored, true)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(m.cosines, func(c float32) bool { return c != c }) {
		return &DivergedError{epoch, r.recipe.LearningRate}
	}
	parameters, err := r.parameters()
	if err != nil {
		return err
	}
	r.reportLoss(parameters)
	chosen := r.eval.split(r.scored, m, r.selectOn())
	score := chosen.figure(r.figure)
	r.state.Epochs, r.state.Batch = epoch, 0
	// A correlation of equal cosines is NaN. A closed form is judged whatever it is
	// worth: there is no other epoch. Few pairs are judged in parts, which have said
	// before how many epochs to train, so the last is the result.
	if score > r.state.BestScore || epoch == 0 || r.recipe.ClosedForm != nil || r.crossed {
		r.state.BestScore, r.state.BestEpoch = number(score), epoch
		if err := r.opts.Backend.Download(r.best, r.shown); err != nil {
			return err
		}
		r.state.Learned = parameters
	}
	if r.opts.try != nil {
		r.opts.try.scored(epoch, score)
		return nil
	}
	rows := r.history(epoch, m, chosen, score, seconds, pairs)
	r.state.History = append(r.state.History, rows...)
	took := time.Since(start)
	r.state.Timing.EvaluateSeconds += took.Seconds()
	if err := r.opts.Dir.WriteHistory(r.state.History); err != nil {
		return err
	}
	if r.opts.Progress != nil {
		r.opts.Progress(Progress{Epoch: epoch, Epochs: r.epochs(), Figure: figureNames[r.figure], Rows: rows, Scoring: took})
	}
	return nil
}

// parameters are what the loss has learned of its own so far, or nil.
func (r *run) parameters() ([]float32, error) {
	if r.fit == nil {
		return nil, nil
	}
	p := make([]float32, r.model.Parameters().Size())
	return p, r.opts.Backend.Download(p, r.model.Parameters())
}

// reportLoss makes the loss that figures report the one with these parameters,
// unless there are none.
func (r *run) reportLoss(parameters []float32) {
	if parameters != nil {
		r.eval.loss = r.recipe.Loss.(graph.Fitted).At(parameters)
	}
}

// history makes the rows of an epoch. The threshold is the validation split's
// best, or, where test decides, each split's own.
func (r *run) history(epoch int, m measured, chosen splitScores, score, seconds float64, pairs int) []rundir.Epoch {
	rate := rundir.None
	if r.state.Step < r.steps && r.recipe.ClosedForm == nil {
		rate = rundir.Figure(r.rate(r.state.Step + 1))
	}
	threshold := r.recipe.threshold(chosen)
	row := func(s loader.Split, scores splitScores) rundir.Epoch {
		m := scores.metrics(r.eval.loss, threshold)
		return rundir.Epoch{
			Epoch: epoch, Split: s.String(), Loss: m.Loss, Accuracy: m.Accuracy, AccuracySE: m.AccuracySE,
			Threshold: m.Threshold, AccuracyBestThreshold: m.AccuracyBestThreshold, ROCAUC: m.ROCAUC,
			Selection: rundir.None, LearningRate: rate,
			Seconds: rundir.Figure(seconds), PairsPerSecond: rundir.None,
		}
	}
	train := row(loader.Train, r.eval.split(r.scored, m, loader.Train))
	if pairs > 0 {
		train.PairsPerSecond = rundir.Figure(float64(pairs) / seconds)
	}
	if r.crossed {
		return []rundir.Epoch{train}
	}
	selected := row(r.recipe.SelectOn, chosen)
	selected.Selection = rundir.Figure(score)
	return []rundir.Epoch{train, selected}
}

// selectOn is the split that is looked at after each epoch.
func (r *run) selectOn() loader.Split {
	if r.crossed {
		return loader.Train
	}
	return r.recipe.SelectOn
}

// selectedOn is what figures call the pairs that choose and judge.
func (r *run) selectedOn() string {
	if r.crossed {
		return CrossValidation
	}
	return r.recipe.SelectOn.String()
}

// number keeps NaN out of a checkpoint's JSON.
func number(x float64) float64 {
	if math.IsNaN(x) {
		return -math.MaxFloat64
	}
	return x
}
