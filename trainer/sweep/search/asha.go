package search

import (
	"cmp"
	"math"
)

// ASHA is asynchronous successive halving: a trial goes on past a rung, a
// number of epochs, if it is among the best of those that came so far, and else
// ends there. Rungs lie at MinResource times the powers of Reduction. Source: Li
// et al., "A System for Massively Parallel Hyperparameter Tuning" (MLSys 2020),
// in the form of Optuna's SuccessiveHalvingPruner: a trial is judged once at
// each rung, at the moment it comes there, and does not wait there for others to
// be overtaken. Nobody is waited for.
//
// While fewer than Reduction trials have come to a rung, only the best of them
// goes on. So the first one is never ended, and neither is one that is the best
// wherever it comes.
type ASHA struct {
	Reduction   int // one of so many goes on, at least 2; 0 means 4
	MinResource int // epochs to the first rung; 0 means 1
}

// Name returns "asha".
func (ASHA) Name() string { return "asha" }

// Prune judges the trial at each rung that its last report is the first to
// reach. What is not a number ends there. Of equals, all go on.
func (a ASHA) Prune(t Trial, history []Trial) bool {
	if len(t.Reports) == 0 {
		return false
	}
	last := t.Reports[len(t.Reports)-1]
	for _, rung := range a.rungs(last.Step) {
		if first, ok := at(t, rung); ok && first.Step == last.Step && !a.goesOn(t, last.Value, rung, history) {
			return true
		}
	}
	return false
}

// rungs are those up to a number of epochs.
func (a ASHA) rungs(upTo int) []int {
	var rungs []int
	for rung := cmp.Or(a.MinResource, 1); rung <= upTo; rung *= a.reduction() {
		rungs = append(rungs, rung)
		if rung > upTo/a.reduction() { // the next could be more than an int holds
			break
		}
	}
	return rungs
}

func (a ASHA) reduction() int { return max(2, cmp.Or(a.Reduction, 4)) }

// at is a trial's first report at a rung or beyond.
func at(t Trial, rung int) (Report, bool) {
	for _, r := range t.Reports {
		if r.Step >= rung {
			return r, true
		}
	}
	return Report{}, false
}

// goesOn reports whether a value is among the best at a rung: a Reduction-th
// of all that came there, rounded down, but at least one.
func (a ASHA) goesOn(t Trial, value float64, rung int, history []Trial) bool {
	if math.IsNaN(value) {
		return false
	}
	came, better := 1, 0
	for _, h := range history {
		if h.Number == t.Number {
			continue
		}
		if r, ok := at(h, rung); ok {
			came++
			if r.Value > value {
				better++
			}
		}
	}
	return better < max(1, came/a.reduction())
}
