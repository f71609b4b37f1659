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

	"github.com/cosfit/cosfit/cuda"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader/embed/embedtest"
)

// writePairs writes a labelled file whose similar pairs share a number.
func writePairs(t *testing.T, dir, name string, questions int) {
	t.Helper()
	var rows strings.Builder
	rows.WriteString("question,answer,label\n")
	for i := range questions {
		fmt.Fprintf(&rows, "what does tool%d do for task%d,tool%d is made for task%d,yes\n", i, i%7, i, i%5)
		fmt.Fprintf(&rows, "what does tool%d do for task%d,nothing can replace device%d,no\n", i, i%7, i)
	}
	put(t, dir, name, rows.String())
}

// TestFitOffline goes from a file to a run, and a second time does nothing anew.
func TestFitOffline(t *testing.T) {
	dir := t.TempDir()
	writePairs(t, dir, "pairs.csv", 60)
	args := []string{"fit", "pairs.csv", "--provider", "hashing", "--dimensions", "64", "--cache", "cache", "--prepared", "prepared", "--epochs", "2", "--out", "runs/x"}
	code, panel, stderr := cosfit(t, context.Background(), dir, args...)
	if code != 0 || !strings.Contains(panel, "cosfit fit · pairs.csv · csv · ngrams-1 · 64 → 64") || !strings.Contains(panel, "ROC AUC") {
		t.Fatalf("exit code %d:\n%s%s", code, panel, stderr)
	}
	for _, want := range []string{"left: question (guessed)", "120 read, 0 bad", "Kept in ", "\npairs.csv: 180 texts, 0 in the cache, 180 to embed", "\npairs.csv: 84 train, 0 validation, 36 test pairs, 64 dimensions\n", "epoch  2/2"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("it does not say %q:\n%s", want, stderr)
		}
	}
	matrix, err := os.ReadFile(filepath.Join(dir, "runs/x/matrix.safetensors"))
	if err != nil {
		t.Fatal(err)
	}

	code, again, stderr := cosfit(t, context.Background(), dir, args...)
	if code != 0 || again != panel {
		t.Errorf("again: exit code %d\n%s\nwant\n%s", code, again, panel)
	}
	for _, want := range []string{"prepared before with the same settings, reused from ", "180 in the cache, nothing to embed", "runs/x: trained before with the same data and settings, nothing is done again; --force trains anew"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("again it does not say %q:\n%s", want, stderr)
		}
	}
	must(t, dir, append(args, "--force")...)
	if b, _ := os.ReadFile(filepath.Join(dir, "runs/x/matrix.safetensors")); !bytes.Equal(b, matrix) {
		t.Error("--force makes another matrix")
	}
	must(t, dir, "eval", "--run", "runs/x")

	for _, c := range []struct {
		args []string
		want string
	}{
		{append(args, "--epochs", "3"), "runs/x was begun with other settings (epochs was 2 and is 3): resume with the same, or train into another folder"},
		{append(args, "--seed", "3"), "runs/x is a run on other data: choose another folder, or replace it with --force"},
		{append(args, "--dimensions", "32"), "runs/x is a run with other embeddings, hashing-ngrams-1-64: choose another folder, or replace it with --force"},
		{append(args, "--weak", "1"), "runs/x is a run on other data: choose another folder, or replace it with --force"},
	} {
		if code, _, stderr := cosfit(t, context.Background(), dir, c.args...); code != 1 || !strings.HasSuffix(stderr, "cosfit: "+c.want+"\n") {
			t.Errorf("%s: exit code %d, %s", c.args[len(c.args)-2:], code, stderr)
		}
	}
	var s rundir.Summary
	if err := json.Unmarshal([]byte(must(t, dir, append(args, "--json")...)), &s); err != nil || s.Epochs != 2 {
		t.Errorf("JSON: %v, %d epochs", err, s.Epochs)
	}
}

// TestFitFewPairs: few pairs are judged by cross-validation, unless the user wants
// a validation split, or dissimilar pairs are drawn, which would tie the parts.
func TestFitFewPairs(t *testing.T) {
	dir := t.TempDir()
	writePairs(t, dir, "pairs.csv", 60)
	for i, c := range []struct {
		args, on string
		train    int
	}{
		{"", "cross-validation", 84},
		{"--cross-validate 0", "validation", 84},
		{"--weak 1", "validation", 126},
		{"--metric ndcg_at_10", "validation", 84},
		{"--split 60:20:20", "validation", 72},
		{"--split 50:50", "cross-validation", 60},
	} {
		args := append(strings.Fields("fit pairs.csv --provider hashing --dimensions 16 --cache cache --prepared prepared --epochs 1"), strings.Fields(c.args)...)
		out := fmt.Sprint("run", i)
		panel := must(t, dir, append(args, "--out", out)...)
		var s rundir.Summary
		if err := json.Unmarshal([]byte(must(t, dir, append(args, "--out", out, "--json")...)), &s); err != nil {
			t.Fatal(err)
		}
		if s.SelectedOn != c.on || s.Data.Pairs["train"] != c.train || strings.Contains(panel, "Few pairs: all 1 epochs on all of them") != (c.on == "cross-validation") {
			t.Errorf("%s: judged on %s with pairs %v\n%s", c.args, s.SelectedOn, s.Data.Pairs, panel)
		}
		if strings.Contains(c.args, "--cross-validate") {
			continue
		}
		_, _, stderr := cosfit(t, context.Background(), dir, append(args, "--out", out+"x", "--patience", "3", "--cross-validate", "3")...)
		const patience, crossed = "cosfit: --patience has no effect: few pairs", "cosfit: --cross-validate has no effect: the validation split judges\n"
		if strings.Contains(stderr, patience) == (c.on == "validation") || strings.Contains(stderr, crossed) != (c.on == "validation") {
			t.Errorf("%s: what has no effect is not said:\n%s", c.args, stderr)
		}
	}
}

// TestFitBuysOnce counts what a server bills, with prompts for both sides.
func TestFitBuysOnce(t *testing.T) {
	dir := t.TempDir()
	writePairs(t, dir, "pairs.csv", 60)
	t.Setenv("OPENAI_API_KEY", "sk-test")
	server := embedtest.New(t, embedtest.Options{Key: "sk-test", Dimensions: 16})
	args := []string{"fit", "--base-url", server.URL(), "--model", "m", "--cache", "cache", "--prepared", "prepared", "--epochs", "1",
		"--query-prefix", "query: ", "--in", "pairs.csv", "--out", "run"}
	must(t, dir, args...)
	if n := server.Counts().Billed; n != 180 {
		t.Errorf("%d texts were billed, want 180", n)
	}
	must(t, dir, args...)
	args[len(args)-1] = "other"
	must(t, dir, args...)
	if n := server.Counts().Billed; n != 180 {
		t.Errorf("%d texts were billed after three calls, want 180", n)
	}
	a, _ := os.ReadFile(filepath.Join(dir, "run", "matrix.safetensors"))
	b, _ := os.ReadFile(filepath.Join(dir, "other", "matrix.safetensors"))
	if len(a) == 0 || !bytes.Equal(a, b) {
		t.Error("the runs differ")
	}
}

// TestFitBuysNothing: what the pairs and the flags can tell is said before anything is
// embedded.
func TestFitBuysNothing(t *testing.T) {
	dir := t.TempDir()
	writePairs(t, dir, "pairs.csv", 60)
	write := func(name string, label func(i int) any) {
		var rows strings.Builder
		rows.WriteString("question,answer,label\n")
		for i := range 60 {
			fmt.Fprintf(&rows, "question %d,answer %d,%v\n", i, i, label(i))
		}
		put(t, dir, name, rows.String())
	}
	write("unlike.csv", func(int) any { return 0 })
	write("alike.csv", func(int) any { return 1 })
	write("grades.csv", func(i int) any { return float64(i%5) / 4 })
	put(t, dir, "guards/none.txt", "")
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"unlike.csv", 1, "unlike.csv: all 42 pairs of the train split are dissimilar: both kinds are needed"},
		{"pairs.csv --metric spearman", 2, "--metric is spearman, but pairs.csv has only two kinds of label, which have no order to compare: leave it out, or use roc_auc"},
		{"grades.csv --metric roc_auc", 2, "--metric is roc_auc, but the labels of grades.csv are grades"},
		{"alike.csv --weak 0 --loss triplet", 1, "alike.csv: all 42 pairs of the train split are similar: --loss triplet needs both kinds"},
		{"pairs.csv --device cuda", 1, "; --device cpu computes without one"},
		{"pairs.csv --guard nosuch.parquet", 1, "nosuch.parquet: "},
		{"pairs.csv --guard guards", 1, "guards: no pairs.parquet in it"},
		{"pairs.csv --epochs 0", 2, "--epochs is 0, want at least 1"},
		{"pairs.csv --dims 3 --dimensions 2", 2, "--dims "},
		{"pairs.csv --rank 5 --dimensions 2", 2, "--shape low-rank has "},
		{"pairs.csv --matryoshka 64 --dimensions 2", 2, "--matryoshka is [64], want numbers of dimensions from 1 to 2, the columns of the matrix"},
		{"pairs.csv --dims 8 --matryoshka 64", 2, "--matryoshka is [64], want numbers of dimensions from 1 to 8, the columns of the matrix"},
		{"pairs.csv --hard 1 --device cuda", 1, "; --device cpu computes without one"},
	} {
		if strings.Contains(c.args, "cuda") && cuda.Supported {
			continue // there may be one
		}
		args := append([]string{"fit"}, strings.Fields(c.args)...)
		args = append(args, "--provider", "exec", "--model", "m", "--command", "tee -a bought | sed 's/.*/[0.6, 0.8]/'", "--cache", "cache", "--prepared", "prepared", "--out", "r")
		code, _, stderr := cosfit(t, context.Background(), dir, args...)
		if at := strings.LastIndex(stderr, "cosfit: "); code != c.code || at < 0 || !strings.Contains(stderr[at:], c.want) {
			t.Errorf("%s: exit code %d, printed %q, want %d and %q", c.args, code, stderr, c.code, c.want)
		}
		if note := "\nNote: there are no similar pairs, which training needs.\n"; strings.Contains(stderr, note) != strings.HasPrefix(c.args, "unlike.csv") {
			t.Errorf("%s: a wrong note on the pairs:\n%s", c.args, stderr)
		}
		for _, name := range []string{"bought", "r"} {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				t.Fatalf("%s leaves %s", c.args, name)
			}
		}
	}
}

// TestFitWithoutKey: nobody is asked where all texts are in the cache.
func TestFitWithoutKey(t *testing.T) {
	dir := t.TempDir()
	writePairs(t, dir, "pairs.csv", 60)
	t.Setenv("OPENAI_API_KEY", "")
	server := embedtest.New(t, embedtest.Options{Dimensions: 16})
	args := strings.Fields("fit pairs.csv --model m --cache cache --prepared prepared --epochs 1 --out run")
	if code, _, stderr := cosfit(t, context.Background(), dir, args...); code != 1 || !strings.HasSuffix(stderr, "\ncosfit: there is no key: set OPENAI_API_KEY in the environment, or name a file that holds it with --key-file\n") {
		t.Fatalf("exit code %d, printed %s", code, stderr)
	}
	must(t, dir, append(args, "--base-url", server.URL())...)
	must(t, dir, append(args, "--force")...)
}

// TestFitGoesOn interrupts the training and calls the same command again.
func TestFitGoesOn(t *testing.T) {
	dir := t.TempDir()
	writePairs(t, dir, "pairs.csv", 60)
	args := func(out string) []string {
		return []string{"fit", "pairs.csv", "--provider", "hashing", "--dimensions", "64", "--cache", "cache", "--prepared", "prepared", "--epochs", "2", "--out", out}
	}
	must(t, dir, args("whole")...)
	ctx := &lateContext{Context: context.Background(), file: filepath.Join(dir, "run", "config.json")}
	code, _, stderr := cosfit(t, ctx, dir, args("run")...)
	if code != exitFailed || !strings.HasSuffix(stderr, "a checkpoint is saved, go on with: cosfit train --resume --out run\n") {
		t.Fatalf("exit code %d, printed %s", code, stderr)
	}
	code, _, stderr = cosfit(t, context.Background(), dir, args("run")...)
	if code != 0 || !strings.Contains(stderr, "run: an interrupted run on the same data goes on\n") {
		t.Fatalf("exit code %d, printed %s", code, stderr)
	}
	a, _ := os.ReadFile(filepath.Join(dir, "whole", "matrix.safetensors"))
	b, _ := os.ReadFile(filepath.Join(dir, "run", "matrix.safetensors"))
	if len(a) == 0 || !bytes.Equal(a, b) {
		t.Error("the run that went on ends with another matrix")
	}
	// A run that was killed before its first checkpoint.
	for _, name := range []string{"summary.json", "matrix.safetensors"} {
		if err := os.Remove(filepath.Join(dir, "run", name)); err != nil {
			t.Fatal(err)
		}
	}
	must(t, dir, args("run")...)
}

func TestFitMistakes(t *testing.T) {
	dir := t.TempDir()
	writePairs(t, dir, "pairs.csv", 3)
	writePairs(t, dir, "few.csv", 2)
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"fit", 2, "--out is missing: name a folder for the run, such as --out runs/first"},
		{"fit --out r", 2, "--in is missing: name a file of pairs, or one for each split with --train-file, --validation-file and --test-file"},
		{"fit pairs.csv", 2, "--out is missing: name a folder for the run, such as --out runs/first"},
		{"fit pairs.csv --out r", 2, "--model is missing: name one, such as --model text-embedding-3-small, or try --provider hashing, which needs no server"},
		{"fit --out r pairs.csv --provider hashing", 2, "fit takes its file before all flags: cosfit fit pairs.csv …"},
		{"fit few.csv --out r --provider hashing --cache c --prepared p", 1, `few.csv: the validation split is empty: too few groups, or none marked "validation"; label pairs of more groups, or mark some`},
		{"fit pairs.csv more.csv --out r --provider hashing", 2, `fit takes one file, and got "more.csv" too: put the pairs into one, or name a file for each split with --train-file, --validation-file and --test-file`},
		{"fit none.csv --out r --provider hashing", 1, "open none.csv: file does not exist"},
		{"fit pairs.csv --out r --provider hashing --recipe magic", 2, `--recipe "magic" is unknown; there are: `},
		{"fit pairs.csv --out r --provider hashing --dropout 1.5 --momentum 0.1", 2, "--momentum goes with --optimizer sgd, not adamw"},
		{"fit pairs.csv --out r --provider hashing --memory 12", 2, `--memory "12" is not a size of at least 1MB, such as 300MB or 4GB`},
		{"fit pairs.csv --out r --provider hashing --device tpu", 2, `--device "tpu" is unknown; there are: auto, cpu`},
		{"fit pairs.csv --out pairs.csv --provider hashing --cache c --prepared p", 1, "pairs.csv is a file: choose another folder with --out"},
		{"fit pairs.csv --out r --provider hashing --cache c --prepared pairs.csv", 2, "--prepared pairs.csv is a file: name a folder"},
	} {
		code, _, stderr := cosfit(t, context.Background(), dir, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains("\n"+stderr, "\ncosfit: "+c.want) {
			t.Errorf("%s: exit code %d, printed %q, want %d and %q", c.args, code, stderr, c.code, c.want)
		}
		if _, err := os.Stat(filepath.Join(dir, "r")); err == nil {
			t.Fatalf("%s leaves a folder", c.args)
		}
	}
}
