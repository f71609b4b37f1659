package main

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/trainer/sweep"
	"github.com/cosfit/cosfit/trainer/sweep/search"
	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// TestSweepProgress shows a few trials in a pipe, on a terminal, and where JSON
// is wanted.
func TestSweepProgress(t *testing.T) {
	searched := searched{space: space.Space{
		{Name: "learning-rate", Distribution: space.Float{Low: 1e-4, High: 1, Log: true}},
		{Name: "loss", Distribution: space.Categorical{Choices: []string{"mse", "infonce"}}},
	}}
	point := space.Point{"learning-rate": 0.00123456, "loss": 1}
	shows := func(lines, terminal bool) string {
		var b bytes.Buffer
		p := &sweepProgress{w: &b, lines: lines, searched: searched, trials: 9, count: sweep.Count{Complete: 1}, best: 0.5, bestIs: 0}
		p.begin(terminal, "data", 2)
		for _, now := range []sweep.Progress{
			{Trial: 1, Point: point, State: search.Running, Epochs: 3, Value: math.NaN()},
			{Trial: 1, Point: point, State: search.Running, Epoch: 1, Epochs: 3, Value: 0.7},
			{Trial: 1, Point: point, State: search.Complete, Epoch: 3, Epochs: 3, Value: 0.81239},
			{Worker: 1, Trial: 2, Point: point, State: search.Pruned, Epoch: 1, Epochs: 3, Value: 0.9},
			{Trial: 3, Point: point, State: search.Failed, Epochs: 3, Value: math.NaN(), Err: errors.New("too\nhot")},
		} {
			p.show(now)
		}
		p.stop()
		return b.String()
	}
	const head = "data\n9 trials, 1 of them done before, 2 at a time, of learning-rate, loss\n"
	want := head +
		"trial   1  complete  3/3  0.8124  learning-rate 0.00123, loss infonce  best 0.8124 (trial 1)\n" +
		"trial   2  pruned    1/3  0.9000  learning-rate 0.00123, loss infonce  best 0.8124 (trial 1)\n" +
		"trial   3  failed    0/3  too\\nhot  best 0.8124 (trial 1)\n"
	if got := shows(true, false); got != want {
		t.Errorf("a pipe shows\n%s\nwant\n%s", got, want)
	}
	if got := shows(false, false); got != "" {
		t.Errorf("beside JSON it shows %q", got)
	}
	if got := shows(true, true); !strings.HasPrefix(got, head) || !strings.HasSuffix(got, "4 of 9 trials done, 1 pruned, 1 failed  best 0.8124 (trial 1)\n") {
		t.Errorf("a terminal shows %q", got)
	}
}
