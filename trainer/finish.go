package trainer

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/projection"
)

// finish scores everything once more, judges, and writes the results.
func (r *run) finish(ctx context.Context) (rundir.Summary, error) {
	start := time.Now()
	all := r.data.Indices(loader.Train, loader.Validation, loader.Test)
	task := newRetrievalTask(r.data)
	r.eval.heldOut = newHeldOut(r.data, loader.Test, r.data.SharedWithTraining())
	if r.eval.task != nil {
		r.eval.task = task
	}
	before, err := r.eval.untrained(ctx, all)
	if err != nil {
		return rundir.Summary{}, err
	}
	learned, err := r.measureLast(ctx, all)
	if err != nil {
		return rundir.Summary{}, err
	}
	if err := r.use(r.result()); err != nil {
		return rundir.Summary{}, err
	}
	after, err := r.eval.measure(ctx, all, true)
	if err != nil {
		return rundir.Summary{}, err
	}
	s := rundir.Summary{
		SchemaVersion: rundir.SchemaVersion, Selection: r.figure, SelectedOn: r.selectedOn(),
		BestEpoch: r.state.BestEpoch, Epochs: r.state.Epochs, Steps: r.state.Step,
		Device: r.config.Device, Precision: r.config.Precision, Config: r.config, Data: r.config.Data,
	}
	s.Config.Data = rundir.Data{} // it stands beside
	for _, note := range []string{r.similarNote(), r.startNote()} {
		if note != "" {
			s.Data.Notes = append(slices.Clone(s.Data.Notes), note)
		}
	}
	if learned.cosines == nil {
		learned = after
	}
	if after, err = r.judge(ctx, &s, all, before, after); err != nil {
		return s, err
	}
	if err := r.retrieve(ctx, &s, task); err != nil {
		return s, err
	}
	if err := r.account(&s, all, before, learned); err != nil {
		return s, err
	}
	if r.opts.Guard != nil {
		if s.Guard, err = guarded(r.projection(s), r.opts.Guard, r.data, 0); err != nil {
			return s, err
		}
	}
	d, _ := r.data.Vectors.Dims()
	t := &r.state.Timing
	t.EvaluateSeconds += time.Since(start).Seconds()
	t.TotalSeconds += time.Since(r.started).Seconds()
	if trained := r.trainedPairs(); t.TrainSeconds > 0 {
		t.PairsPerSecond = trained / t.TrainSeconds
		t.GFLOPS = r.recipe.flop() * trained * float64(d) * float64(r.recipe.Dims) / t.TrainSeconds / 1e9
	}
	s.Timing = *t
	return s, r.write(s, all, before.cosines, after.cosines)
}

// flop is the floating-point operations of a pair's products for each element of
// the matrix: each side that has one is projected, and gives its gradient.
func (r Recipe) flop() float64 {
	switch {
	case r.ClosedForm != nil:
		return 0
	case r.Side == graph.Query:
		return 4
	}
	return 8
}

// trainedPairs counts the pairs of all steps.
func (r *run) trainedPairs() float64 {
	return float64(len(r.data.Indices(loader.Train))) * float64(r.state.Epochs)
}

// judge decides between the learned matrix and the start, fills in the
// figures of the result, and returns what is measured of it.
func (r *run) judge(ctx context.Context, s *rundir.Summary, all []int32, before, learned measured) (after measured, err error) {
	after = learned
	o := outcome{figure: r.figure, on: s.SelectedOn, start: r.startNamed()}
	untrained := r.eval.split(all, before, r.selectOn())
	r.judged = r.eval.split(all, learned, r.selectOn())
	if r.recipe.SelectOn == loader.Validation {
		start, err := r.measureStart(ctx, all)
		if err != nil {
			return after, err
		}
		begun := r.eval.split(all, start, r.selectOn())
		if r.crossed {
			begun, r.judged = r.unseen()
		}
		o.learned = r.gained(begun, r.judged)
		if o.untrained = rundir.None; before.cosines != nil {
			o.untrained = rundir.Figure(untrained.figure(r.figure))
		}
		if !o.beatsStart() {
			after, s.BestEpoch, r.judged = start, 0, begun
			r.best, r.state.BestEpoch = r.start.Matrix, 0
		}
	}
	if s.LearnedLoss, err = r.resultLoss(); err != nil {
		return after, err
	}
	thresholdBefore, thresholdAfter := r.recipe.threshold(untrained), r.recipe.threshold(r.judged)
	r.eval.figures(s, all, before, after, thresholdBefore, thresholdAfter)
	if r.crossed {
		s.Before[s.SelectedOn], s.After[s.SelectedOn] = untrained.metrics(r.eval.loss, thresholdBefore), r.judged.metrics(r.eval.loss, thresholdAfter)
		s.Comparisons[s.SelectedOn] = comparisons(untrained, r.judged, thresholdBefore, thresholdAfter)
		if s.BestEpoch > 0 { // and not the start, which no pair had a part in
			for figure, c := range s.Comparisons[s.SelectedOn] {
				s.Comparisons[s.SelectedOn][figure] = r.retrained(c)
			}
		}
	}
	test := loader.Test.String()
	if r.recipe.SelectOn == loader.Test {
		s.Judgement = flattered(r.figure, s.Before[test], s.After[test])
		return after, nil
	}
	o.test, o.tested = testedOn(s, loader.Test, r.figure)
	s.Judgement = o.judgement()
	if r.state.Start != "" {
		s.Judgement = o.fromStart(s.Judgement)
	}
	return after, nil
}

// gained compares the learned matrix with the start on the pairs that judge.
func (r *run) gained(begun, judged splitScores) rundir.Comparison {
	c := comparisons(begun, judged, bestThreshold(begun), bestThreshold(judged))[r.figure]
	if r.crossed {
		c = r.retrained(c)
	}
	return c
}

// unseen is crossValidate as scores.
func (r *run) unseen() (start, learned splitScores) {
	return r.crossedScores(r.state.Crossed.Start), r.crossedScores(r.state.Crossed.Learned)
}

// resultLoss makes the loss that figures report that of the result's epoch, and
// returns it where it learned anything of its own.
func (r *run) resultLoss() (*rundir.Part, error) {
	fitted, ok := r.recipe.Loss.(graph.Fitted)
	if !ok || fitted.Parameters() == nil {
		return nil, nil
	}
	if r.state.BestEpoch == 0 {
		r.reportLoss(fitted.Parameters())
		return nil, nil
	}
	r.reportLoss(r.state.Learned)
	part, err := partOf(r.eval.loss)
	return &part, err
}

// measureStart measures pairs under the start.
func (r *run) measureStart(ctx context.Context, all []int32) (measured, error) {
	if err := r.use(r.start); err != nil {
		return measured{}, err
	}
	return r.eval.measure(ctx, all, true)
}

func (r *run) retrieve(ctx context.Context, s *rundir.Summary, task *retrievalTask) error {
	if err := r.use(r.result()); err != nil {
		return err
	}
	return r.eval.search(ctx, task, s)
}

// measureLast measures pairs under the matrix of the last epoch, where no epoch
// was better than the start, and else nothing.
func (r *run) measureLast(ctx context.Context, all []int32) (measured, error) {
	if r.state.BestEpoch > 0 {
		return measured{}, nil
	}
	return r.eval.measure(ctx, all, true)
}

// account fills in the account of test, or, where there is none, of the split
// that chose the epoch. What could have been detected follows from the learned
// matrix, also where the result is the start.
func (r *run) account(s *rundir.Summary, all []int32, before, learned measured) error {
	split := loader.Test
	if len(r.data.Indices(split)) == 0 {
		split = r.recipe.SelectOn
	}
	return r.eval.account(s, split, metricOf(r.recipe.Metric, r.data), all, before, learned)
}

// write puts the results into the run directory; the checkpoint goes last.
func (r *run) write(s rundir.Summary, all []int32, before, after []float32) error {
	dir := r.opts.Dir
	p := r.projection(s)
	if r.recipe.SelectOn == loader.Validation {
		p.Metadata.Calibration = calibrate(r.judged)
	}
	if err := dir.WriteMatrix(p); err != nil {
		return err
	}
	if err := dir.WriteScores(scoreRows(r.data, all, before, after)); err != nil {
		return err
	}
	if err := dir.WriteSummary(s); err != nil {
		return err
	}
	return dir.RemoveCheckpoint()
}

// scoreRows are the rows of scores.parquet; without cosines before, these are NaN.
func scoreRows(data *loader.Dataset, pairs []int32, before, after []float32) []rundir.Score {
	p, ids := &data.Pairs, data.Vectors.IDs
	scores := make([]rundir.Score, len(pairs))
	for i, pair := range pairs {
		scores[i] = rundir.Score{
			Left: ids[p.Left[pair]], Right: ids[p.Right[pair]], Split: p.Split[pair].String(), Kind: p.Kind[pair].String(),
			Label: p.Label[pair], Before: float32(math.NaN()), After: after[i],
		}
		if before != nil {
			scores[i].Before = before[i]
		}
	}
	return scores
}

// projection is the result with what a service should know about it.
func (r *run) projection(s rundir.Summary) *projection.Projection {
	m := projection.Metadata{
		Model: r.data.Model, Side: r.recipe.Side.String(), Metric: "cosine",
		LabelMin: r.data.Labels.Min, LabelMax: r.data.Labels.Max,
	}
	if t := s.After[s.SelectedOn].Threshold; t.Known() {
		m.Threshold = new(float64(t))
	}
	d, _ := r.data.Vectors.Dims()
	k := r.recipe.Dims
	p := &projection.Projection{Matrix: r.best[:d*k], Offset: r.result().Offset, In: d, Out: k, Metadata: m}
	if r.recipe.Side == graph.Dual {
		p.MatrixRight = r.best[d*k:]
	}
	return p
}
