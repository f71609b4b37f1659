package main

import (
	"fmt"
	"math"

	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer/sweep"
	"github.com/cosfit/cosfit/trainer/sweep/study"
)

// A luck is how much more the winner gained over the embeddings as they are on
// the pairs that chose it than on those that did not: what was luck with the
// former, and how the two kinds of pairs differ.
type luck struct {
	Validation    rundir.Figure `json:"validation_gain"`
	Test          rundir.Figure `json:"test_gain"`
	Difference    rundir.Figure `json:"difference"`
	StandardError rundir.Figure `json:"standard_error"` // of the difference; groups of the two splits are independent
}

// luckOf is nil where the winner's matrix is not the result, or a gain is not
// known, or not how sure it is.
func luckOf(s rundir.Summary, figure string) *luck {
	validation, found := s.Comparisons[loader.Validation.String()][figure]
	test, tested := s.Comparisons[loader.Test.String()][figure]
	if !found || !tested || s.BestEpoch == 0 {
		return nil
	}
	l := luck{validation.Gain, test.Gain, validation.Gain - test.Gain,
		rundir.Figure(math.Hypot(float64(validation.GainSE), float64(test.GainSE)))}
	if !l.Difference.Known() || !l.StandardError.Known() {
		return nil
	}
	return &l
}

// sentence is what the difference says of luck.
func (l luck) sentence() string {
	text := fmt.Sprintf("It gains %+.3f there and %+.3f on test, which was scored once, for this run alone: %.3f ", l.Validation, l.Test, math.Abs(float64(l.Difference)))
	if l.Difference < 0 {
		text += "less"
	} else {
		text += "more"
	}
	text += fmt.Sprintf(" on validation (standard error %.3f), ", l.StandardError)
	switch {
	case l.Difference > 2*l.StandardError:
		return text + "more than chance explains: count on the gain on test."
	case l.Difference > 0:
		return text + "which chance alone explains too."
	}
	return text + "so no luck shows."
}

// curse says how far to trust the figure of a winner.
func curse(best study.Trial, n sweep.Count, s rundir.Summary, l *luck) string {
	text := fmt.Sprintf("%.4f on validation is the best of %d trials, and the best of many flatters (the winner's curse): some of it is luck with these validation pairs.", best.Value, n.Complete+n.Pruned)
	_, tested := s.After[loader.Test.String()]
	switch {
	case l != nil:
		return text + " " + l.sentence()
	case tested:
		return text + " Test was scored once, for this run alone."
	}
	return text + " There is no test split to tell how much."
}
