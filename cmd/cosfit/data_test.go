package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/prepare"
	"github.com/cosfit/cosfit/loader/profile"
)

// leakyFolder writes a data set whose test split has two texts of training, and
// one that is almost a text of training, at dir/leaky.
func leakyFolder(t *testing.T, dir string) {
	t.Helper()
	d := prepare.NewDraft(dir)
	defer d.Close()
	for i := range 300 {
		split, right := [...]string{"train", "train", "train", "validation", "test"}[i%5], fmt.Sprint("answer number ", i)
		switch i {
		case 4, 9:
			right = fmt.Sprint("answer number ", i-4)
		case 14:
			right = "Answer  NUMBER 0!"
		}
		for j, label := range []float64{1, 0} {
			if j == 1 {
				right = fmt.Sprint("something else ", i)
			}
			if err := d.Add(prepare.Line("f", 1), prepare.Pair{Left: fmt.Sprint("question ", i), Right: right, Label: label, Split: split, Source: "doc"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := d.Write(filepath.Join(dir, "leaky"), prepare.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestDataShow(t *testing.T) {
	dir := t.TempDir()
	panel := must(t, dir, "data", "show", "sample", "--examples", "2")
	for _, want := range []string{"2,700 pairs", "train         1,350      300      663   22.2 %", "characters of the 600 left texts", "each group   4.5 pairs on average", " left  ", " right ", "in no pair: 2"} {
		if !strings.Contains(panel, want) {
			t.Errorf("the panel lacks %q:\n%s", want, panel)
		}
	}
	for line := range strings.Lines(panel) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
	if again := must(t, dir, "data", "show", "--examples", "2", "--data", "sample"); again != panel {
		t.Error("the same seed shows other examples")
	}
	if other := must(t, dir, "data", "show", "sample", "--examples", "2", "--seed", "1"); other == panel {
		t.Error("another seed shows the same examples")
	}

	leakyFolder(t, dir)
	var p profile.Profile
	if err := json.Unmarshal([]byte(must(t, dir, "data", "show", "leaky", "--json")), &p); err != nil {
		t.Fatal(err)
	}
	if p.Pairs != 600 || len(p.Splits) != 3 || len(p.Leaks) != 1 || p.Leaks[0].Texts != 2 || len(p.Examples) != 10 {
		t.Errorf("%+v", p)
	}
	if panel := must(t, dir, "data", "show", "leaky"); !strings.Contains(panel, "Note: train and test share 2 texts, such as") {
		t.Errorf("the panel does not say that texts are shared:\n%s", panel)
	}
}

func TestDataCheck(t *testing.T) {
	dir := t.TempDir()
	if out := must(t, dir, "data", "check", "sample", "--strict"); out != "sample: nothing found\n" {
		t.Errorf("%q", out)
	}
	leakyFolder(t, dir)
	const shared = "warning: train and test share 2 texts, such as "
	if out := must(t, dir, "data", "check", "leaky"); !strings.Contains(out, shared) || !strings.Contains(out, `almost the same: 1 pairs of them, such as "answer number 0" and "Answer  NUMBER 0!"`) {
		t.Errorf("%s", out)
	}
	code, _, stderr := cosfit(t, context.Background(), dir, "data", "check", "leaky", "--strict")
	if want := "cosfit: leaky: there are warnings, and --strict is set\n"; code != exitFailed || stderr != want {
		t.Errorf("exit code %d: %q, want %q", code, stderr, want)
	}

	out := must(t, dir, "data", "check", "leaky", "--strict", "--fix-leakage", "--out", "clean")
	if !strings.HasSuffix(out, "clean: 598 pairs, without 2 training and 0 validation pairs that shared something with a split that is more held out\n") {
		t.Errorf("%s", out)
	}
	if out := must(t, dir, "data", "check", "clean", "--strict"); out != "clean: nothing found\n" {
		t.Errorf("what was mended: %s", out)
	}

	for command, want := range map[string]string{
		"check":                                 `--data is missing: name a data set folder, a wide Parquet file, or "sample"`,
		"check leaky --fix-leakage":             "--fix-leakage writes another data set: name it with --out",
		"check leaky --out x":                   "--out goes with --fix-leakage: checking writes nothing",
		"check leaky --fix-leakage --out leaky": "--out is the same as --in: choose another name",
		"convert --out x":                       `--in is missing: name a data set folder, a wide Parquet file, or "sample"`,
		"convert --in sample":                   "--out is missing: name what to write, a file such as --out pairs.parquet or a folder",
		"show sample --examples -1":             "--examples is -1, want 0 or more",
		"show --examples 1 sample":              "data show takes its data set before all flags: cosfit data show sample …",
		"check sample leaky":                    `data check takes one data set, and got "leaky" too: name one at a time`,
		"shwo":                                  `unknown command "data shwo"; there are: show, check, convert`,
	} {
		code, _, stderr := cosfit(t, context.Background(), dir, append([]string{"data"}, strings.Fields(command)...)...)
		if code != exitUsage || stderr != "cosfit: "+want+"\n" {
			t.Errorf("%s: exit code %d: %s", command, code, stderr)
		}
	}
	code, _, stderr = cosfit(t, context.Background(), dir, "data", "check", "leaky", "--fix-leakage", "--out", "clean")
	if want := "cosfit: --out clean exists: choose another name, or replace it with --force\n"; code != exitFailed || stderr != want {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if err := os.WriteFile(filepath.Join(dir, "leaky", "texts.parquet"), []byte("PAR1"), 0o666); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := cosfit(t, context.Background(), dir, "data", "check", "leaky"); code != exitFailed || stderr != "cosfit: open leaky/texts.parquet: the end of the file is missing: copy or write it again\n" {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// A file of settings may say which data there are, and what its commands do.
func TestDataIsSettingAndCommand(t *testing.T) {
	dir := t.TempDir()
	for _, text := range []string{"data: sample\n", "data:\n  data: sample\n"} {
		if err := os.WriteFile(filepath.Join(dir, "cosfit.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out := must(t, dir, "data", "check", "--config", "cosfit.yaml"); out != "sample: nothing found\n" {
			t.Errorf("%q: %s", text, out)
		}
	}
}

func TestDataConvert(t *testing.T) {
	dir := t.TempDir()
	must(t, dir, "data", "convert", "--in", "sample", "--out", "a.parquet", "--memory", "1MB", "--scratch", dir)
	must(t, dir, "data", "convert", "--in", "a.parquet", "--out", "folder")
	out := must(t, dir, "data", "convert", "--in", "folder", "--out", "b.parquet")
	if !strings.HasPrefix(out, "b.parquet: 2,700 pairs of 1,317 texts, 384 dimensions, ") {
		t.Errorf("%s", out)
	}
	a, err := os.ReadFile(filepath.Join(dir, "a.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "b.parquet")); err != nil || !bytes.Equal(a, b) {
		t.Errorf("there and back it is another file: %v", err)
	}
	code, _, stderr := cosfit(t, context.Background(), dir, "data", "convert", "--in", "folder", "--out", "a.parquet")
	if want := "cosfit: a.parquet exists: choose another name, or replace it with --force\n"; code != exitFailed || stderr != want {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	must(t, dir, "data", "convert", "--in", "folder", "--out", "a.parquet", "--force")
	stopped, stop := context.WithCancel(context.Background())
	stop()
	if code, _, _ := cosfit(t, stopped, dir, "data", "convert", "--in", "folder", "--out", "c"); code != exitFailed {
		t.Errorf("interrupted: exit code %d", code)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
}

// TestTrainOnLeakyData: the panel and the summary have the figures without what
// is shared; --strict refuses; a split that is asked for is kept for eval.
func TestTrainOnLeakyData(t *testing.T) {
	dir := t.TempDir()
	leakyFolder(t, dir)
	must(t, dir, "embed", "--data", "leaky", "--provider", "hashing", "--dimensions", "64", "--cache", "cache")
	train := []string{"train", "--data", "leaky", "--cache", "cache", "--epochs", "2", "--force", "--out"}
	panel := must(t, dir, append(train, "run")...)
	if flat := strings.Join(strings.Fields(panel), " "); !strings.Contains(flat, "Without the 2 pairs that share a text or a group with training, 118 are left:") {
		t.Errorf("the panel does not count without them:\n%s", panel)
	}
	var s rundir.Summary
	if err := json.Unmarshal([]byte(must(t, dir, "eval", "--run", "run", "--json")), &s); err != nil {
		t.Fatal(err)
	}
	if w := s.WithoutShared; w == nil || w.SharedPairs != 2 || w.After.Pairs != 118 || !w.After.ROCAUC.Known() || w.After.Queries != 58 {
		t.Errorf("%+v", w)
	}
	code, _, stderr := cosfit(t, context.Background(), dir, append(train, "strict", "--strict")...)
	if code != exitFailed || !strings.Contains(stderr, "leaky/pairs.parquet: train and test share 2 texts") || !strings.Contains(stderr, "mend it with cosfit data check --fix-leakage, or leave out --strict") {
		t.Errorf("exit code %d: %s", code, stderr)
	}

	must(t, dir, append(train, "fold", "--split-by", "component", "--folds", "5", "--fold", "2")...)
	if err := json.Unmarshal([]byte(must(t, dir, "eval", "--run", "fold", "--json")), &s); err != nil {
		t.Fatal(err)
	}
	if n := s.Data.Pairs[loader.Test.String()]; n < 110 || n > 130 {
		t.Errorf("a fifth of 600 pairs are %d", n)
	}
	var named rundir.Summary
	if err := json.Unmarshal([]byte(must(t, dir, "eval", "--run", "fold", "--data", "leaky", "--cache", "cache", "--json")), &named); err != nil {
		t.Fatal(err)
	}
	if named.SelectedOn != "validation" || named.Data.Pairs["test"] != s.Data.Pairs["test"] {
		t.Errorf("the run's data by their name: %+v", named.Data.Pairs)
	}
	code, _, stderr = cosfit(t, context.Background(), dir, append(train, "x", "--folds", "5", "--fold", "6")...)
	if want := "cosfit: --fold is 6, want a number from 1 to 5\n"; code != exitUsage || stderr != want {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	code, _, stderr = cosfit(t, context.Background(), dir, append(train, "x", "--split", "8:1:1")...)
	if want := "cosfit: leaky: the data bring a split: to draw another, say what is not to be torn with --split-by component, group or source\n"; code != exitFailed || stderr != want {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
