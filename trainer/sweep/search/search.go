package search

import (
	"errors"
	"math/rand/v2"

	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// A State is where a trial stands. Names and meaning are Optuna's.
type State int

// The states of a trial.
const (
	Running State = iota
	Complete
	Pruned // ended early, because others are better
	Failed
	Waiting // to be started
)

// String is the name as Optuna's schema has it.
func (s State) String() string {
	switch s {
	case Running:
		return "RUNNING"
	case Complete:
		return "COMPLETE"
	case Pruned:
		return "PRUNED"
	case Failed:
		return "FAIL"
	case Waiting:
		return "WAITING"
	}
	return "unknown"
}

// A Report is how good a trial is after some of its work.
type Report struct {
	Step  int // epochs so far, from 1
	Value float64
}

// A Trial is one point of the space and what became of it.
type Trial struct {
	Number  int // from 0, in the order in which trials were begun
	State   State
	Point   space.Point
	Value   float64  // larger is better; NaN unless Complete or Pruned
	Reports []Report // steps ascend
}

// A Sampler chooses the points of trials.
type Sampler interface {
	Name() string
	// Next returns the point of trial n. The history has every earlier trial, those
	// that still run as well, in the order of their numbers; it stays as it is. All
	// chance comes from rng. The error is ErrExhausted where the sampler has no more
	// points.
	Next(s space.Space, n int, history []Trial, rng *rand.Rand) (space.Point, error)
}

// A Pruner ends trials that do not look as if they were to be the best.
type Pruner interface {
	Name() string
	// Prune reports whether to end trial t, which has just reported. The history
	// has all trials, t among them or not, and stays as it is.
	Prune(t Trial, history []Trial) bool
}

// ErrExhausted says that every point was a trial's.
var ErrExhausted = errors.New("every point of the space is taken")

// NoPruner lets every trial run to its end.
type NoPruner struct{}

// Name returns "none".
func (NoPruner) Name() string { return "none" }

// Prune returns false.
func (NoPruner) Prune(Trial, []Trial) bool { return false }
