package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cosfit/cosfit/internal/rundir"
)

func TestLearningCurve(t *testing.T) {
	dir := t.TempDir()
	must(t, dir, "train", "--data", "sample", "--dims", "8", "--init", "pca", "--epochs", "1", "--out", "run")
	must(t, dir, "train", "--data", "sample", "--recipe", "notebook", "--dims", "8", "--epochs", "1", "--out", "notebook")
	panel := must(t, dir, "eval", "--run", "run", "--learning-curve")
	for _, want := range []string{"recipe default", "ROC AUC on validation", "1,350", "the last doubling"} {
		if !strings.Contains(panel, want) {
			t.Errorf("the panel lacks %q:\n%s", want, panel)
		}
	}
	for line := range strings.Lines(panel) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
	var c rundir.LearningCurve
	if err := json.Unmarshal([]byte(must(t, dir, "eval", "--run", "notebook", "--learning-curve", "--json")), &c); err != nil || c.Split != "validation" || len(c.Points) != 4 {
		t.Errorf("of a run that chose on test: %v, %+v", err, c)
	}
	must(t, dir, "export", "--run", "run", "--format", "npy", "--out", "m.npy")
	for args, want := range map[string]string{
		"--matrix m.npy --data sample": "--learning-curve takes a --run, whose recipe it trains again",
		"--run run --split train":      "--split has no meaning for --learning-curve, which scores the validation split: leave it out",
		"--run run --guard sample":     "--guard has no meaning for --learning-curve, which scores the validation split: leave it out",
	} {
		code, _, stderr := cosfit(t, context.Background(), dir, append([]string{"eval", "--learning-curve"}, strings.Fields(args)...)...)
		if code != exitUsage || stderr != "cosfit: "+want+"\n" {
			t.Errorf("%s: exit code %d, %s", args, code, stderr)
		}
	}
}
