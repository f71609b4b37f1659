package trainer

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
)

// A Recipe is the settings of a training.
type Recipe struct {
	Name         string
	Dims         int // k, the columns of the matrix
	Side         graph.Side
	Shape        graph.Shape // nil for a full matrix
	Epochs       int         // at most
	BatchSize    int         // pairs
	LearningRate float64     // at its peak
	Dropout      float64     // probability, in [0, 1)
	Loss         graph.Objective
	// Matryoshka are numbers of dimensions, at most Dims, to which vectors may be
	// cut after training: the loss is summed over them and Dims.
	Matryoshka []int
	Optimizer  graph.Rule
	Average    float64 // decay of an average of the weights after each step, which is scored and kept instead of them; 0 for none
	Schedule   Schedule
	Start      Start
	ClosedForm ClosedForm // takes the place of all epochs; nil for a training
	Patience   int        // epochs without a better one after which training stops; 0 means never
	Seed       uint64
	// CrossValidate is into how many parts few training pairs are cut to judge
	// the result, where the data bring no validation split: all epochs are
	// trained, on all pairs, and the last one is the result if the same training
	// gains on each part that it has not seen. 0 means never.
	CrossValidate int
	// ShuffleWindow is how many training pairs are shuffled among each other in
	// an epoch, 0 for all: where data are streamed, a smaller window is read in
	// larger pieces.
	ShuffleWindow int
	// SelectOn is the split that chooses the epoch. On Validation the learned
	// matrix must also beat the start there, or the start is the result.
	SelectOn loader.Split
	// Metric is the figure that chooses the epoch and the start and judges the
	// result, one of Metrics; empty for that of the data's labels.
	Metric string
}

// shuffleWindow is more than most data sets have, and so much that its blocks
// come from all over the larger ones.
const shuffleWindow = 1 << 16

// Default is the recommended recipe for embeddings of d dimensions;
// docs/decisions.md argues for its settings.
//
// Adam moves each element of the matrix by about the rate, so a whole row
// moves in proportion to √d, and the decay lets an element go no further from
// the start than about 1/decay. Both are set so that a row's movement does not
// depend on d.
func Default(d int) Recipe {
	root := math.Sqrt(float64(d))
	return Recipe{
		Name:         "default",
		Dims:         d,
		Epochs:       30,
		BatchSize:    128,
		LearningRate: 0.04 / root,
		Dropout:      0.1,
		Loss:         graph.Logistic{Scale: 10, Threshold: 0.5, Learn: true},
		Optimizer:    AdamW{WeightDecay: 0.2 * root, ToStart: true},
		Schedule:     Cosine{Warmup: 0.1},
		Start:        Auto{},
		Patience:     8,
		SelectOn:     loader.Validation,

		CrossValidate: 5,

		ShuffleWindow: shuffleWindow,
	}
}

// Notebook is the recipe of the OpenAI cookbook's notebook and its
// descendants: a random start, SGD at an enormous rate with the momentum that
// PyTorch's OneCycleLR brings along, and the epoch chosen on the very split
// that is then reported.
func Notebook(int) Recipe {
	return Recipe{
		Name:         "notebook",
		Dims:         1024,
		Epochs:       20,
		BatchSize:    1000,
		LearningRate: 1000,
		Dropout:      0.1,
		Loss:         graph.MSE{},
		Optimizer:    SGD{},
		Schedule:     OneCycle{CycleMomentum: true},
		Start:        Random{},
		SelectOn:     loader.Test,

		ShuffleWindow: shuffleWindow,
	}
}

// check refuses settings that make no sense.
func (r Recipe) check() error {
	switch {
	case r.Dims < 1:
		return setting("dims", "is %d, want a positive number", r.Dims)
	case r.Epochs < 1:
		return setting("epochs", "is %d, want at least 1", r.Epochs)
	case r.BatchSize < 1:
		return setting("batch-size", "is %d, want at least 1", r.BatchSize)
	case !(r.LearningRate > 0) || math.IsInf(r.LearningRate, 0):
		return setting("learning-rate", "is %g, want a positive number", r.LearningRate)
	case !(r.Dropout >= 0 && r.Dropout < 1):
		return setting("dropout", "is %g, want a number from 0 up to but not including 1", r.Dropout)
	case r.CrossValidate < 0 || r.CrossValidate == 1:
		return setting("cross-validate", "is %d, want 2 or more, or 0 for never", r.CrossValidate)
	case !(r.Average >= 0 && r.Average < 1):
		return setting("average", "is %g, want the decay of an average, such as 0.99, or 0 for none", r.Average)
	case r.Patience < 0:
		return setting("patience", "is %d, want 0 or more", r.Patience)
	case len(r.Matryoshka) > 0 && (slices.Min(r.Matryoshka) < 1 || slices.Max(r.Matryoshka) > r.Dims):
		return setting("matryoshka", "is %v, want numbers of dimensions from 1 to %d, the columns of the matrix", r.Matryoshka, r.Dims)
	case isA[graph.EvenLoss](r.Loss) && (r.Dims%2 != 0 || slices.ContainsFunc(r.Matryoshka, func(n int) bool { return n%2 != 0 })):
		return setting("loss", "%s wants vectors of an even number of dimensions: --dims and --matryoshka must be even", r.Loss.Name())
	case r.ShuffleWindow < 0:
		return setting("shuffle-window", "is %d, want a number of pairs, or 0 for all", r.ShuffleWindow)
	}
	return nil
}

// A SettingError is about a setting of the recipe rather than the data.
type SettingError struct {
	Flag string // the flag that sets it, without dashes
	Text string // what is wrong with it
}

func (e *SettingError) Error() string { return "--" + e.Flag + " " + e.Text }

func setting(flag, format string, args ...any) error {
	return &SettingError{flag, fmt.Sprintf(format, args...)}
}

// isA reports whether a loss has a property, as package graph names it.
func isA[T graph.Objective](loss graph.Objective) bool {
	_, ok := loss.(T)
	return ok
}

// objective is what a step lowers.
func (r Recipe) objective() graph.Objective {
	if len(r.Matryoshka) == 0 {
		return r.Loss
	}
	dims := slices.Clone(r.Matryoshka)
	if !slices.Contains(dims, r.Dims) {
		dims = append(dims, r.Dims)
	}
	return graph.Matryoshka{Loss: r.Loss, Dims: dims}
}

// Config is the recipe as config.json has it.
func (r Recipe) Config() (rundir.Recipe, error) {
	c := rundir.Recipe{
		Name: r.Name, Dims: r.Dims, Side: r.Side.String(), Epochs: r.Epochs, BatchSize: r.BatchSize,
		LearningRate: r.LearningRate, Dropout: r.Dropout, Average: r.Average,
		Matryoshka: r.Matryoshka, Patience: r.Patience, CrossValidate: r.CrossValidate, SelectedOn: r.SelectOn.String(), Metric: r.Metric, Seed: r.Seed,
		ShuffleWindow: r.ShuffleWindow,
	}
	parts := map[*rundir.Part]named{&c.Loss: r.Loss, &c.Optimizer: r.Optimizer, &c.Schedule: r.Schedule, &c.Start: r.Start}
	if r.ClosedForm != nil {
		c.ClosedForm = &rundir.Part{}
		parts[c.ClosedForm] = r.ClosedForm
	}
	if r.Shape != nil {
		c.Shape = &rundir.Part{}
		parts[c.Shape] = r.Shape
	}
	for to, component := range parts {
		var err error
		if *to, err = partOf(component); err != nil {
			return c, err
		}
	}
	return c, nil
}

// A named is a component of a recipe.
type named interface{ Name() string }

// partOf is a component with its settings, as files have it.
func partOf(component named) (rundir.Part, error) {
	settings, err := json.Marshal(component)
	if err != nil {
		return rundir.Part{}, fmt.Errorf("settings of %s: %w", component.Name(), err)
	}
	if string(settings) == "{}" {
		settings = nil
	}
	return rundir.Part{Name: component.Name(), Settings: settings}, nil
}
