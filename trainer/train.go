package trainer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
)

// Options say how to train. Recipe, Backend and Dir are required.
type Options struct {
	Recipe   Recipe
	Backend  graph.Backend
	Dir      rundir.Dir
	Resume   bool           // go on from the checkpoint in Dir
	Version  string         // of the program, for config.json
	Source   rundir.Data    // where the data came from; Train fills in the rest
	Progress func(Progress) // called after each epoch; may be nil
}

// Progress is what has been reached.
type Progress struct {
	Epoch, Epochs int
	Figure        string         // name of the figure that chooses the epoch
	Rows          []rundir.Epoch // of this epoch, one for each split that is scored
}

// ErrDiverged says that a cosine is no longer a number.
var ErrDiverged = errors.New("the training diverged")

// ErrInterrupted says that the context ended the training, and that a
// checkpoint was left.
var ErrInterrupted = errors.New("interrupted")

// Train learns a matrix from the training split of data and writes the run
// directory. It returns what it wrote into summary.json.
//
// Where ctx ends first, Train writes a checkpoint and returns an error that
// wraps ErrInterrupted; with Options.Resume another call goes on from there,
// to the same result bit for bit.
//
// Data without a validation split loses some of its training pairs to one,
// where the recipe selects on validation.
func Train(ctx context.Context, data *loader.Dataset, opts Options) (rundir.Summary, error) {
	r, err := newRun(data, opts)
	if err != nil {
		return rundir.Summary{}, err
	}
	defer r.close()
	if opts.Resume {
		err = r.resume()
	} else {
		err = r.begin()
	}
	if err != nil {
		return rundir.Summary{}, err
	}
	if err := r.train(ctx); err != nil {
		return rundir.Summary{}, err
	}
	return r.finish()
}

// A run is a training under way.
type run struct {
	data    *loader.Dataset
	recipe  Recipe
	opts    Options
	config  rundir.Config
	model   *graph.Model
	project *graph.Projector
	update  graph.UpdateKernel
	eval    *evaluator
	scored  *view  // the splits that are scored after each epoch
	figure  string // that chooses the epoch
	started time.Time

	steps int // of the whole training
	state state
	start []float32 // matrix before the first step
	best  []float32 // matrix of the best epoch; of the result, once that is judged
}

// state is what a checkpoint holds beside the arrays.
type state struct {
	Config    rundir.Config  `json:"config"`
	Epoch     int            `json:"epoch"` // under way, from 1
	Batch     int            `json:"batch"` // of the epoch: the next one
	Step      int            `json:"step"`  // steps done
	BestEpoch int            `json:"best_epoch"`
	BestScore float64        `json:"best_score"`
	History   []rundir.Epoch `json:"history"`
	Timing    rundir.Timing  `json:"timing"`
}

// Check reports what would keep Train from beginning, before anything is
// written. It carves a validation split where the recipe needs one.
func Check(data *loader.Dataset, recipe Recipe) error {
	if err := recipe.check(); err != nil {
		return err
	}
	if err := recipe.Start.Fits(data.Vectors.Dim, recipe.Dims); err != nil {
		return err
	}
	if recipe.SelectOn == loader.Validation {
		data.CarveValidation()
	}
	return checkSplits(data, recipe)
}

func newRun(data *loader.Dataset, opts Options) (*run, error) {
	recipe := opts.Recipe
	if err := Check(data, recipe); err != nil {
		return nil, err
	}
	r := &run{data: data, recipe: recipe, opts: opts, started: time.Now()}
	r.figure = selectionFigure(recipe, data.Labels.Graded)
	r.scored = newView(data, loader.Train, recipe.SelectOn)
	perEpoch := (len(data.Indices(loader.Train)) + recipe.BatchSize - 1) / recipe.BatchSize
	r.steps = perEpoch * recipe.Epochs
	r.config = rundir.Config{
		SchemaVersion: rundir.SchemaVersion, Version: opts.Version,
		Device: opts.Backend.Name(), Kernel: opts.Backend.Kernel(),
		Recipe: recipe.Config(), Data: describe(data, opts.Source),
	}
	return r, r.build()
}

// build makes the model and uploads the embeddings.
func (r *run) build() (err error) {
	b, d, k := r.opts.Backend, r.data.Vectors.Dim, r.recipe.Dims
	if r.model, err = graph.NewModel(b, d, k, r.recipe.Loss); err != nil {
		return err
	}
	if r.update, err = b.NewUpdate(r.recipe.Optimizer, d*k); err != nil {
		return err
	}
	if r.project, err = graph.NewProjector(b, r.model.Matrix()); err != nil {
		return err
	}
	table, err := uploaded(b, r.data.Vectors.Data, r.data.Vectors.Rows(), d)
	if err != nil {
		return err
	}
	r.eval = &evaluator{r.data, b, table, func(rows []int32) (graph.Array, error) {
		return r.project.Run(table, rows)
	}, r.recipe.Loss}
	r.best = make([]float32, d*k)
	r.start, err = r.recipe.Start.Matrix(r.data.Vectors, newView(r.data, loader.Train).rows, k, r.recipe.Seed)
	return err
}

// uploaded returns a new array with the given contents.
func uploaded(b graph.Backend, data []float32, shape ...int) (graph.Array, error) {
	a, err := b.NewArray(shape...)
	if err != nil {
		return nil, err
	}
	return a, b.Upload(a, data)
}

func (r *run) close() {
	if r.model != nil {
		r.model.Close()
	}
	if r.project != nil {
		r.project.Close()
	}
}

// checkSplits refuses data that cannot be learned from or chosen on.
func checkSplits(data *loader.Dataset, recipe Recipe) error {
	for _, s := range []loader.Split{loader.Train, recipe.SelectOn} {
		pairs := data.Indices(s)
		if len(pairs) == 0 {
			return fmt.Errorf("%s: the %s split is empty: too few groups, or none marked %q", data.Name, s, s)
		}
		if data.Labels.Graded {
			continue
		}
		positives := 0
		for _, i := range pairs {
			if data.Labels.Positive(data.Pairs.Label[i]) {
				positives++
			}
		}
		if positives == 0 || positives == len(pairs) {
			which := "similar"
			if positives == 0 {
				which = "dissimilar"
			}
			return fmt.Errorf("%s: all %d pairs of the %s split are %s: both kinds are needed", data.Name, len(pairs), s, which)
		}
	}
	return nil
}

func describe(data *loader.Dataset, source rundir.Data) rundir.Data {
	source.Fingerprint = data.Fingerprint()
	source.Model = data.Model
	source.Dimensions = data.Vectors.Dim
	source.LabelRange = data.Labels.String()
	source.Texts = data.Vectors.Rows()
	source.Notes = data.Notes
	source.Pairs = map[string]int{}
	for s := range loader.Split(loader.NumSplits) {
		source.Pairs[s.String()] = len(data.Indices(s))
	}
	return source
}

// begin sets the start and scores it as epoch 0.
func (r *run) begin() error {
	if err := r.opts.Backend.Upload(r.model.Matrix(), r.start); err != nil {
		return err
	}
	if rule, ok := r.recipe.Optimizer.(AnchoredRule); ok {
		if slot, ok := rule.Anchor(); ok {
			if err := r.opts.Backend.Upload(r.update.State()[slot], r.start); err != nil {
				return err
			}
		}
	}
	if err := r.opts.Dir.WriteConfig(r.config); err != nil {
		return err
	}
	r.state = state{Config: r.config, Epoch: 1, BestScore: math.Inf(-1)}
	if err := r.score(0, 0, 0); err != nil {
		return err
	}
	return r.checkpoint()
}

// train runs the epochs that are left.
func (r *run) train(ctx context.Context) error {
	for ; r.state.Epoch <= r.recipe.Epochs && !r.exhausted(); r.state.Epoch++ {
		start := time.Now()
		pairs, err := r.epoch(ctx)
		if ctx.Err() != nil {
			return r.interrupted()
		}
		if err != nil {
			return err
		}
		seconds := time.Since(start).Seconds()
		r.state.Timing.TrainSeconds += seconds
		if err := r.score(r.state.Epoch, seconds, pairs); err != nil {
			return err
		}
		r.state.Batch = 0
		r.state.Epoch++ // a resumed run begins with the next one
		err = r.checkpoint()
		r.state.Epoch--
		if err != nil {
			return err
		}
	}
	return nil
}

// exhausted reports whether patience is at its end.
func (r *run) exhausted() bool {
	return r.recipe.Patience > 0 && r.state.Epoch-1-r.state.BestEpoch >= r.recipe.Patience
}

func (r *run) interrupted() error {
	if err := r.checkpoint(); err != nil {
		return err
	}
	return fmt.Errorf("%w in epoch %d of %d", ErrInterrupted, r.state.Epoch, r.recipe.Epochs)
}

// epoch trains on every pair once, from the state's batch on, and returns the
// number of pairs.
func (r *run) epoch(ctx context.Context) (pairs int, err error) {
	batches := r.data.Batches(ctx, loader.BatchOptions{
		Split: loader.Train, Size: r.recipe.BatchSize, Shuffle: true,
		Seed: r.recipe.Seed, Epoch: r.state.Epoch, Skip: r.state.Batch,
	})
	waiting := time.Now()
	for batch, err := range batches {
		r.state.Timing.LoaderWaitSeconds += time.Since(waiting).Seconds()
		if err != nil {
			return pairs, err
		}
		if err := r.step(batch); err != nil {
			return pairs, err
		}
		pairs += batch.Len()
		waiting = time.Now()
	}
	return pairs, nil
}

// step runs the graph for one batch and updates the matrix.
func (r *run) step(batch loader.Batch) error {
	err := r.model.Step(&graph.Batch{
		Table: r.eval.table, Left: batch.Left, Right: batch.Right, Labels: batch.Labels,
		Dropout: graph.Dropout{Rate: r.recipe.Dropout, Seed: r.recipe.Seed, Step: uint32(r.state.Step)},
	})
	if err != nil {
		return err
	}
	r.state.Step++
	r.state.Batch++
	hyper := graph.Hyper{LearningRate: r.rate(r.state.Step), Step: r.state.Step}
	if m, ok := r.recipe.Schedule.(MomentumSchedule); ok {
		hyper.Momentum = m.Momentum(r.state.Step, r.steps)
	}
	return r.update.Apply(hyper, r.model.Matrix(), r.model.Gradient())
}

// rate is the learning rate of a step, counted from 1.
func (r *run) rate(step int) float64 {
	return r.recipe.LearningRate * r.recipe.Schedule.Rate(step, r.steps)
}

// score adds an epoch to the history and keeps its matrix if it is the best.
func (r *run) score(epoch int, seconds float64, pairs int) error {
	start := time.Now()
	cosines, err := r.eval.cosines(r.scored, true)
	if err != nil {
		return err
	}
	chosen := r.eval.split(r.scored, cosines, r.recipe.SelectOn)
	score := chosen.figure(r.figure)
	if math.IsNaN(score) || slices.ContainsFunc(cosines, func(c float32) bool { return c != c }) {
		return fmt.Errorf("%w in epoch %d: a cosine is not a number; try a lower --learning-rate than %g", ErrDiverged, epoch, r.recipe.LearningRate)
	}
	rows := r.history(epoch, cosines, chosen, score, seconds, pairs)
	r.state.History = append(r.state.History, rows...)
	if score > r.state.BestScore {
		r.state.BestScore, r.state.BestEpoch = score, epoch
		if err := r.opts.Backend.Download(r.best, r.model.Matrix()); err != nil {
			return err
		}
	}
	r.state.Timing.EvaluateSeconds += time.Since(start).Seconds()
	if err := r.opts.Dir.WriteHistory(r.state.History); err != nil {
		return err
	}
	if r.opts.Progress != nil {
		r.opts.Progress(Progress{Epoch: epoch, Epochs: r.recipe.Epochs, Figure: figureNames[r.figure], Rows: rows})
	}
	return nil
}

// history makes the rows of an epoch. The threshold is the validation split's
// best, or, where test decides, each split's own.
func (r *run) history(epoch int, cosines []float32, chosen splitScores, score, seconds float64, pairs int) []rundir.Epoch {
	threshold := rundir.None
	if r.recipe.SelectOn == loader.Validation {
		threshold = bestThreshold(chosen)
	}
	row := func(s loader.Split, scores splitScores) rundir.Epoch {
		m := scores.metrics(r.recipe.Loss, threshold)
		return rundir.Epoch{
			Epoch: epoch, Split: s.String(), Loss: m.Loss, Accuracy: m.Accuracy, AccuracySE: m.AccuracySE,
			Threshold: m.Threshold, AccuracyBestThreshold: m.AccuracyBestThreshold, ROCAUC: m.ROCAUC,
			Selection: rundir.None, LearningRate: rundir.Figure(r.rate(r.state.Step + 1)),
			Seconds: rundir.Figure(seconds), PairsPerSecond: rundir.None,
		}
	}
	train := row(loader.Train, r.eval.split(r.scored, cosines, loader.Train))
	if pairs > 0 {
		train.PairsPerSecond = rundir.Figure(float64(pairs) / seconds)
	}
	selected := row(r.recipe.SelectOn, chosen)
	selected.Selection = rundir.Figure(score)
	return []rundir.Epoch{train, selected}
}

func bestThreshold(s splitScores) rundir.Figure {
	if s.graded || len(s.cosines) == 0 {
		return rundir.None
	}
	t, _ := s.ranking.bestThreshold()
	return rundir.Figure(t)
}

// checkpoint saves everything that the rest of the run depends on.
func (r *run) checkpoint() error {
	r.state.Timing.TotalSeconds += time.Since(r.started).Seconds()
	r.started = time.Now()
	arrays := r.arrays()
	for i, a := range r.deviceArrays() {
		if err := r.opts.Backend.Download(arrays[i], a); err != nil {
			return err
		}
	}
	return r.opts.Dir.WriteCheckpoint(r.state, append(arrays, r.best)...)
}

// deviceArrays are the matrix and the optimiser's state.
func (r *run) deviceArrays() []graph.Array {
	return append([]graph.Array{r.model.Matrix()}, r.update.State()...)
}

// arrays is memory for deviceArrays.
func (r *run) arrays() [][]float32 {
	var out [][]float32
	for _, a := range r.deviceArrays() {
		out = append(out, make([]float32, a.Size()))
	}
	return out
}

// resume reads the checkpoint and refuses one of another run.
func (r *run) resume() error {
	var arrays [][]float32
	err := r.opts.Dir.ReadCheckpoint(&r.state, func() [][]float32 {
		arrays = r.arrays()
		return append(slices.Clone(arrays), r.best)
	})
	if err != nil {
		return err
	}
	if err := sameRun(r.opts.Dir.Path(), r.state.Config, r.config); err != nil {
		return err
	}
	for i, a := range r.deviceArrays() {
		if err := r.opts.Backend.Upload(a, arrays[i]); err != nil {
			return err
		}
	}
	return nil
}
