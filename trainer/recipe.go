package trainer

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
)

// A Recipe is the settings of a training.
type Recipe struct {
	Name         string
	Dims         int     // k; 0 means the embeddings' own dimension
	Epochs       int     // at most
	BatchSize    int     // pairs
	LearningRate float64 // at its peak; 0 means LearningRateFor the dimension
	Dropout      float64 // probability, in [0, 1)
	Loss         graph.Loss
	Optimizer    graph.Rule
	Schedule     Schedule
	Start        Start
	Patience     int // epochs without a better one after which training stops; 0 means never
	Seed         uint64
	// SelectOn is the split that chooses the epoch. On Validation the learned
	// matrix must also beat the start there, or the start is the result.
	SelectOn loader.Split
}

// Default is the recommended recipe. ARCHITECTURE.md argues for its settings.
func Default() Recipe {
	return Recipe{
		Name:      "default",
		Epochs:    30,
		BatchSize: 128,
		Dropout:   0.1,
		Loss:      graph.MSE{},
		Optimizer: Adam{},
		Schedule:  Cosine{Warmup: 0.1},
		Start:     Identity{},
		Patience:  8,
		SelectOn:  loader.Validation,
	}
}

// Notebook is the recipe of the OpenAI cookbook's notebook and its
// descendants: a random start, SGD at an enormous rate with the momentum that
// PyTorch's OneCycleLR brings along, and the epoch chosen on the very split
// that is then reported.
func Notebook() Recipe {
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
	}
}

// LearningRateFor is the peak rate for embeddings of d dimensions where none
// is given. Adam moves each of the d·k elements by about the rate, so the
// movement of the whole matrix relative to the identity grows with √d.
func LearningRateFor(d int) float64 { return 0.04 / math.Sqrt(float64(d)) }

// resolve fills in what depends on the data and checks the rest.
func (r Recipe) resolve(d int) (Recipe, error) {
	if r.Dims == 0 {
		r.Dims = d
	}
	if r.LearningRate == 0 {
		r.LearningRate = LearningRateFor(d)
	}
	switch {
	case r.Dims < 0:
		return r, setting("dims", "is %d, want a positive number", r.Dims)
	case r.Epochs < 1:
		return r, setting("epochs", "is %d, want at least 1", r.Epochs)
	case r.BatchSize < 1:
		return r, setting("batch-size", "is %d, want at least 1", r.BatchSize)
	case !(r.LearningRate > 0) || math.IsInf(r.LearningRate, 0):
		return r, setting("learning-rate", "is %g, want a positive number", r.LearningRate)
	case !(r.Dropout >= 0 && r.Dropout < 1):
		return r, setting("dropout", "is %g, want a number from 0 up to but not including 1", r.Dropout)
	case r.Patience < 0:
		return r, setting("patience", "is %d, want 0 or more", r.Patience)
	}
	return r, nil
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

// Config is the recipe as config.json has it.
func (r Recipe) Config() rundir.Recipe {
	return rundir.Recipe{
		Name: r.Name, Dims: r.Dims, Epochs: r.Epochs, BatchSize: r.BatchSize,
		LearningRate: r.LearningRate, Dropout: r.Dropout,
		Loss:      part(r.Loss.Name(), r.Loss),
		Optimizer: part(r.Optimizer.Name(), r.Optimizer),
		Schedule:  part(r.Schedule.Name(), r.Schedule),
		Start:     part(r.Start.Name(), r.Start),
		Patience:  r.Patience, SelectedOn: r.SelectOn.String(), Seed: r.Seed,
	}
}

// part is a component with its exported fields as settings.
func part(name string, component any) rundir.Part {
	settings, err := json.Marshal(component)
	if err != nil || string(settings) == "{}" {
		return rundir.Part{Name: name} // components are plain structs of numbers
	}
	return rundir.Part{Name: name, Settings: settings}
}
