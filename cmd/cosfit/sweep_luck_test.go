package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/trainer/sweep"
	"github.com/cosfit/cosfit/trainer/sweep/study"
)

// TestLuck: the gain on the pairs that chose is set beside the one on test, with the
// error of their difference, where both are known and of the winner.
func TestLuck(t *testing.T) {
	summary := func(validation, test, validationSE, testSE rundir.Figure) rundir.Summary {
		return rundir.Summary{
			BestEpoch: 3, After: map[string]rundir.Metrics{"validation": {}, "test": {}},
			Comparisons: map[string]map[string]rundir.Comparison{
				"validation": {"roc_auc": {Gain: validation, GainSE: validationSE}},
				"test":       {"roc_auc": {Gain: test, GainSE: testSE}},
			},
		}
	}
	start, alone, untested := summary(0.05, 0.05, 0.01, 0.01), summary(0.05, 0.05, 0.01, 0.01), summary(0.05, 0.05, 0.01, 0.01)
	start.BestEpoch = 0
	delete(alone.Comparisons["test"], "roc_auc")
	delete(untested.Comparisons, "test")
	delete(untested.After, "test")
	for name, c := range map[string]struct {
		summary rundir.Summary
		want    string // how the sentences end
		luck    bool
	}{
		"none":         {summary(0.059, 0.084, 0.03, 0.04), "It gains +0.059 there and +0.084 on test, which was scored once, for this run alone: 0.025 less on validation (standard error 0.050), so no luck shows.", true},
		"perhaps":      {summary(0.084, 0.059, 0.03, 0.04), "It gains +0.084 there and +0.059 on test, which was scored once, for this run alone: 0.025 more on validation (standard error 0.050), which chance alone explains too.", true},
		"luck":         {summary(0.084, -0.010, 0.03, 0.004), "0.094 more on validation (standard error 0.030), more than chance explains: count on the gain on test.", true},
		"the start":    {start, "these validation pairs. Test was scored once, for this run alone.", false},
		"no figure":    {alone, "Test was scored once, for this run alone.", false},
		"one group":    {summary(0.084, 0.01, 0.03, rundir.None), "Test was scored once, for this run alone.", false},
		"no gain":      {summary(rundir.None, rundir.None, 0.01, 0.01), "Test was scored once, for this run alone.", false},
		"without test": {untested, "There is no test split to tell how much.", false},
	} {
		l := luckOf(c.summary, "roc_auc")
		if (l != nil) != c.luck {
			t.Errorf("%s: %+v", name, l)
		}
		text := curse(study.Trial{}, sweep.Count{Complete: 7, Pruned: 5}, c.summary, l)
		if !strings.HasSuffix(text, c.want) || !strings.Contains(text, "the best of 12 trials") {
			t.Errorf("%s: %s", name, text)
		}
		if _, err := json.Marshal(l); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
