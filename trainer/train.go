package trainer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
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
	// CrossValidating is called while few pairs are cross-validated, which comes
	// before the first epoch, with how much of it is done; may be nil.
	CrossValidating func(done, all int)
	// Guard is texts outside the domain of the training, on which the result is
	// tried as well; may be nil. CheckGuard must have passed.
	Guard *loader.Dataset

	// CheckpointEvery is how much training a crash may cost, at most, besides what
	// goes on while a checkpoint is written: one is begun after the first step that
	// ends later than this after the one before, and after each epoch. Zero means a
	// minute.
	CheckpointEvery time.Duration

	try *try // leaves no directory; nil for Train
}

// Progress is what has been reached.
type Progress struct {
	Epoch, Epochs int
	Figure        string         // name of the figure that chooses the epoch
	Rows          []rundir.Epoch // of this epoch, one for each split that is scored
	Scoring       time.Duration  // that scoring took
}

// A DivergedError says that a cosine is no longer a number.
type DivergedError struct {
	Epoch        int
	LearningRate float64
}

func (e *DivergedError) Error() string {
	return fmt.Sprintf("the training diverged in epoch %d: a cosine is not a number; try a lower --learning-rate than %g", e.Epoch, e.LearningRate)
}

// ErrInterrupted says that the context ended the training, and that a
// checkpoint was left.
var ErrInterrupted = errors.New("interrupted")

// Train learns a matrix from the training split of data and writes the run
// directory. It returns what it wrote into summary.json.
//
// Where ctx ends first, Train writes a checkpoint and returns an error that
// wraps ErrInterrupted; with Options.Resume another call goes on from there,
// to the same result bit for bit. Before the start is scored there is nothing to
// go on from: then the error is ctx's.
//
// Data without a validation split loses some of its training pairs to one, unless
// they are few, where the recipe selects on validation.
func Train(ctx context.Context, data *loader.Dataset, opts Options) (rundir.Summary, error) {
	r, err := newRun(data, opts)
	if err != nil {
		return rundir.Summary{}, err
	}
	defer r.close()
	if opts.Resume {
		err = r.resume()
	} else {
		err = r.begin(ctx)
	}
	if err != nil {
		return rundir.Summary{}, err
	}
	if err := r.train(ctx); err != nil {
		return rundir.Summary{}, err
	}
	summary, err := r.finish(ctx)
	if interrupted(ctx, err) {
		err = fmt.Errorf("%w while the result was scored", ErrInterrupted) // the last epoch left a checkpoint
	}
	return summary, err
}

// A run is a training under way.
type run struct {
	data   *loader.Dataset
	recipe Recipe
	opts   Options
	config rundir.Config
	*parts
	eval    *evaluator
	scored  []int32     // pairs of the splits that are scored after each epoch
	figure  string      // that chooses the epoch
	crossed bool        // the pairs are few, and judged in parts
	started time.Time   // or when TotalSeconds was last brought up to date
	trained time.Time   // until when TrainSeconds counts, within an epoch
	copied  time.Time   // when the last checkpoint was begun, or the run was opened
	arrays  [][]float32 // what a checkpoint has of deviceArrays, and of best
	saving  chan error  // of the checkpoint that is being written; nil for none

	batches int // in an epoch
	steps   int // of the whole training
	state   state
	folds   []fold      // while the pairs are cross-validated
	leftOut int         // how many scorings of a fold are done
	start   Beginning   // before the first step
	solved  Beginning   // of a closed form, once it is solved
	judged  splitScores // of the result, on the pairs that judged it
	best    []float32   // matrix of the best epoch; of the result, once that is judged
}

func newRun(data *loader.Dataset, opts Options) (*run, error) {
	recipe := opts.Recipe.For(data)
	if err := prepare(data, recipe, opts.try != nil && opts.try.part); err != nil {
		return nil, err
	}
	now := time.Now()
	r := &run{data: data, recipe: recipe, opts: opts, started: now, copied: now}
	r.crossed = recipe.SelectOn == loader.Validation && HoldOut(data, recipe.CrossValidate)
	r.figure = SelectionFigure(recipe, data)
	r.batches = (len(data.Indices(loader.Train)) + recipe.BatchSize - 1) / recipe.BatchSize
	r.steps = r.batches * recipe.Epochs
	r.scored = data.Indices(recipe.SelectOn)
	if opts.try == nil {
		r.scored = data.Indices(loader.Train, recipe.SelectOn)
		if err := r.describe(); err != nil {
			return nil, err
		}
	}
	if opts.Guard != nil {
		r.config.Guard = opts.Guard.Name
	}
	if err := r.build(); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// describe makes the configuration that the directory keeps.
func (r *run) describe() error {
	config, err := r.recipe.Config()
	if err != nil {
		return err
	}
	described, err := describe(r.data, r.opts.Source)
	b := r.opts.Backend
	r.config = rundir.Config{
		SchemaVersion: rundir.SchemaVersion, Version: r.opts.Version,
		Device: b.Name(), Precision: b.Precision(), Kernel: b.Kernel(),
		Recipe: config, Data: described,
	}
	return err
}

// build makes the model.
func (r *run) build() (err error) {
	k := r.recipe.Dims
	d, _ := r.data.Vectors.Dims()
	if r.opts.try != nil {
		r.parts, r.eval, err = r.opts.try.workspace.partsFor(r.recipe)
	} else if r.parts, err = newParts(r.opts.Backend, r.recipe, d); err == nil {
		r.eval, err = newEvaluator(r.data, r.opts.Backend)
	}
	if err != nil {
		return err
	}
	if r.figure == byNDCG && r.eval.task == nil { // or it is the workspace's
		r.eval.task = newRetrievalTask(r.data).of(r.selectOn(), chosenBy, r.data.Pairs.Groups)
	}
	r.eval.dims, r.eval.loss, r.eval.side = k, r.recipe.Loss, r.recipe.Side
	r.eval.project = func(_ []float32, left, right []int32) (graph.Array, error) {
		return r.project.Run(r.eval.table, r.eval.offset, left, right)
	}
	r.best = make([]float32, r.shown.Size())
	return nil
}

// beginningFrom is a start, not to be changed.
func (r *run) beginningFrom(s Start) (Beginning, error) {
	if r.opts.try != nil {
		recipe := r.recipe
		recipe.Start = s
		return r.opts.try.workspace.beginning(recipe)
	}
	return s.Begin(r.data, r.recipe.Dims, r.recipe.Seed)
}

// trainingRows returns the rows of the table that the training pairs use, in the
// order of their texts' ids: that of a table follows from how its files are laid
// out, and sums round by their order.
func trainingRows(data *loader.Dataset) []int32 {
	var all loader.Batch
	for _, i := range data.Indices(loader.Train) {
		all.Left = append(all.Left, data.Pairs.Left[i])
		all.Right = append(all.Right, data.Pairs.Right[i])
	}
	rows, _, _ := used(all, data.Vectors.Rows())
	ids := data.Vectors.IDs
	slices.SortFunc(rows, func(a, b int32) int { return strings.Compare(ids[a], ids[b]) })
	return rows
}

func (r *run) close() {
	r.saved()                                // its error would come after the one that ended the run
	if r.parts != nil && r.opts.try == nil { // or they are the workspace's
		r.parts.close()
	}
}

// begin sets the start and scores it as epoch 0.
func (r *run) begin(ctx context.Context) error {
	r.state = state{Config: r.config, BestScore: math.Inf(-1)}
	began := time.Now()
	if r.crossed {
		defer r.closeFolds()
		if err := r.cut(); err != nil {
			return err
		}
		if err := r.chooseStart(ctx); err != nil {
			return err
		}
		var err error // first, so that what a device chooses by timing is in every checkpoint
		if r.state.Crossed, err = r.crossValidate(ctx); err != nil {
			return err
		}
	} else if err := r.chooseStart(ctx); err != nil {
		return err
	}
	r.state.Timing.StartSeconds = time.Since(began).Seconds()
	if err := r.eval.subtract(r.start.Offset); err != nil {
		return err
	}
	weights, err := r.model.Begin(r.start.Matrix, r.recipe.Seed)
	if err != nil {
		return err
	}
	for _, slot := range r.startingSlots() {
		if err := r.opts.Backend.Upload(slot, weights); err != nil {
			return err
		}
	}
	if r.opts.try == nil {
		if err := r.opts.Dir.WriteConfig(r.config); err != nil {
			return err
		}
	}
	// There is nothing to go on from before the start is scored.
	if err := r.score(context.WithoutCancel(ctx), 0, 0, 0); err != nil {
		return err
	}
	return cmp.Or(r.checkpoint(), r.saved())
}

// startingSlots are the optimiser's that hold the first weights before the first step.
func (r *run) startingSlots() (slots []graph.Array) {
	if rule, ok := r.recipe.Optimizer.(AnchoredRule); ok {
		if slot, ok := rule.Anchor(); ok {
			slots = append(slots, r.update.State()[slot])
		}
	}
	if r.recipe.averages() {
		slots = append(slots, r.average())
	}
	return slots
}

// train runs the epochs that are left.
func (r *run) train(ctx context.Context) error {
	for r.state.Epochs < r.epochs() && !r.exhausted() {
		before := r.state.Timing.TrainSeconds
		r.trained = time.Now()
		pairs, err := r.epoch(ctx)
		r.countTraining()
		seconds := r.state.Timing.TrainSeconds - before
		if err == nil {
			err = r.score(ctx, r.state.Epochs+1, seconds, pairs)
		}
		if interrupted(ctx, err) {
			return r.interrupted()
		}
		if err != nil {
			return err
		}
		if err := r.checkpoint(); err != nil {
			return err
		}
	}
	return r.saved()
}

// epochs is how many are trained at most.
func (r *run) epochs() int {
	if r.state.Crossed != nil {
		return r.state.Crossed.Epochs
	}
	return r.recipe.Epochs
}

// interrupted reports whether an error comes from the end of ctx.
func interrupted(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err())
}

// countTraining brings TrainSeconds up to date within an epoch.
func (r *run) countTraining() {
	now := time.Now()
	r.state.Timing.TrainSeconds += now.Sub(r.trained).Seconds()
	r.trained = now
}

// exhausted reports whether patience is at its end, that of a try's caller too.
func (r *run) exhausted() bool {
	if r.opts.try != nil && r.opts.try.Stopped {
		return true
	}
	return r.recipe.Patience > 0 && !r.crossed && r.state.Epochs-r.state.BestEpoch >= r.recipe.Patience
}

func (r *run) interrupted() error {
	r.saved() // whether that failed or not, another follows
	if err := cmp.Or(r.checkpoint(), r.saved()); err != nil {
		return err
	}
	return fmt.Errorf("%w in epoch %d of %d", ErrInterrupted, r.state.Epochs+1, r.epochs())
}

// epoch trains on every pair once, from the state's batch on, and returns the
// number of pairs.
func (r *run) epoch(ctx context.Context) (pairs int, err error) {
	if r.recipe.ClosedForm != nil {
		return r.solve(ctx)
	}
	size, waiting := r.recipe.BatchSize, time.Now()
	order := r.data.Shuffled(loader.Train, r.order(r.state.Epochs))
	order = order[min(r.state.Batch*size, len(order)):]
	for chunk, err := range r.data.Chunks(ctx, order, size) {
		r.state.Timing.LoaderWaitSeconds += time.Since(waiting).Seconds()
		if err != nil {
			return pairs, err
		}
		if err := r.eval.hold(chunk.Vectors); err != nil {
			return pairs, err
		}
		for batch := range chunk.Batches(size) {
			if err := ctx.Err(); err != nil {
				return pairs, err
			}
			if err := r.step(batch); err != nil {
				return pairs, err
			}
			pairs += batch.Len()
			if err := r.checkpointInTime(); err != nil {
				return pairs, err
			}
		}
		waiting = time.Now()
	}
	return pairs, nil
}

// order is in which order an epoch goes through the pairs.
func (r *run) order(epoch int) loader.Order {
	o := loader.Order{Seed: r.recipe.Seed, Epoch: epoch, Window: r.recipe.ShuffleWindow}
	if isA[graph.GroupLoss](r.recipe.Loss) {
		o.Together = r.recipe.BatchSize
	}
	return o
}

// step runs the graph for one batch and updates the matrix.
func (r *run) step(batch loader.Batch) error {
	err := r.model.Step(&graph.Batch{
		Table: r.eval.table, Offset: r.eval.offset, Left: batch.Left, Right: batch.Right,
		Labels: batch.Labels, Low: float32(r.data.Labels.Min), Groups: batch.Groups,
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
	if r.fit != nil {
		own := graph.Hyper{LearningRate: fitRate * r.recipe.Schedule.Rate(r.state.Step, r.steps), Step: r.state.Step}
		if err := r.fit.Apply(own, r.model.Parameters(), r.model.ParameterGradient()); err != nil {
			return err
		}
	}
	return r.update.Apply(hyper, r.model.Weights(), r.model.Gradient())
}

// fitRate is the learning rate of a loss's own parameters at its peak: they are
// logarithms and cosines, whatever the size of the matrix.
const fitRate = 0.01

// rate is the learning rate of a step, counted from 1.
func (r *run) rate(step int) float64 {
	return r.recipe.LearningRate * r.recipe.Schedule.Rate(step, r.steps)
}
