package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/sample"
	"github.com/cosfit/cosfit/projection"
)

// cosfit runs the program in dir and returns what it printed.
func cosfit(t *testing.T, ctx context.Context, dir string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	t.Chdir(dir)
	var out, errs bytes.Buffer
	code = run(ctx, append([]string{"cosfit"}, args...), &out, &errs)
	return code, out.String(), errs.String()
}

// must runs the program and wants it to succeed.
func must(t *testing.T, dir string, args ...string) (stdout string) {
	t.Helper()
	code, stdout, stderr := cosfit(t, context.Background(), dir, args...)
	if code != 0 {
		t.Fatalf("cosfit %s: exit code %d: %s", strings.Join(args, " "), code, stderr)
	}
	return stdout
}

// TestMainPath is what a newcomer does: demo, then eval and export of its run,
// then a run of their own.
func TestMainPath(t *testing.T) {
	dir := t.TempDir()
	panel := must(t, dir, "demo")
	for _, want := range []string{"ROC AUC", "similar pairs", "Accepted", "np.load", "cosfit train --data"} {
		if !strings.Contains(panel, want) {
			t.Errorf("demo's panel lacks %q:\n%s", want, panel)
		}
	}
	for line := range strings.Lines(panel) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
	var files []string
	entries, _ := os.ReadDir(filepath.Join(dir, "cosfit-demo"))
	for _, e := range entries {
		files = append(files, e.Name())
	}
	if want := []string{".lock", "config.json", "history.csv", "matrix.npy", "matrix.safetensors", "scores.parquet", "summary.json"}; !slices.Equal(files, want) {
		t.Errorf("the run holds %v, want %v", files, want)
	}

	var s rundir.Summary
	if err := json.Unmarshal([]byte(must(t, dir, "demo", "--json")), &s); err != nil {
		t.Fatal(err)
	}
	if gain := s.Comparisons["test"]["roc_auc"]; gain.GainInterval.Low <= 0 {
		t.Errorf("demo gains %+v, want an interval above 0", gain)
	}

	var again rundir.Summary
	if err := json.Unmarshal([]byte(must(t, dir, "eval", "--run", "cosfit-demo", "--json")), &again); err != nil {
		t.Fatal(err)
	}
	if a, b := again.After["test"], s.After["test"]; a.ROCAUC != b.ROCAUC || a.Threshold != b.Threshold || a.NDCGAt10 != b.NDCGAt10 {
		t.Errorf("eval says %+v, the run %+v", a, b)
	}

	must(t, dir, "export", "--run", "cosfit-demo", "--format", "npy", "--out", "m.npy")
	npy, err := projection.Load(filepath.Join(dir, "m.npy"))
	if err != nil {
		t.Fatal(err)
	}
	if npy.In != 384 || npy.Out != 384 {
		t.Errorf("the exported matrix is %d × %d", npy.In, npy.Out)
	}
	if out := must(t, dir, "eval", "--matrix", "m.npy", "--data", "sample", "--split", "validation"); !strings.Contains(out, "Validation split") {
		t.Errorf("eval of a matrix file printed\n%s", out)
	}
	must(t, dir, "train", "--data", "sample", "--out", "runs/1", "--dims", "16", "--init", "pca", "--epochs", "2",
		"--optimizer", "sgd", "--momentum", "0.9", "--learning-rate", "0.1", "--schedule", "constant", "--warmup", "0.2")
	must(t, dir, "train", "--data", "sample", "--out", "runs/1", "--epochs", "1", "--recipe", "notebook", "--dims", "16", "--force")
}

// TestEvalSaysWhoChose scores runs whose figures flatter, in every way that a
// user can name the data.
func TestEvalSaysWhoChose(t *testing.T) {
	dir := t.TempDir()
	must(t, dir, "train", "--data", "sample", "--recipe", "notebook", "--dims", "16", "--epochs", "1", "--out", "notebook")
	must(t, dir, "train", "--data", "sample", "--dims", "16", "--epochs", "1", "--out", "honest")
	must(t, dir, "train", "--data", "sample", "--split-by", "source", "--split", "60:40", "--dims", "16", "--epochs", "1", "--out", "drawn")
	for _, test := range []struct{ args, want string }{
		{"eval --run notebook", "which chose the epoch"},
		{"eval --run notebook --data sample", "which chose the epoch"},
		{"eval --run honest --split validation", "which chose the epoch"},
		{"eval --run honest --data sample", "scored once at the end"},
		{"eval --run drawn --data sample --split train", "The matrix was learned from these pairs"},
	} {
		if out := strings.Join(strings.Fields(must(t, dir, strings.Fields(test.args)...)), " "); !strings.Contains(out, test.want) {
			t.Errorf("%s does not say %q:\n%s", test.args, test.want, out)
		}
	}
}

// TestEvalOnWhatWasLearned: a run knows its training texts in other data, by their ids
// or their vectors, and the gain is told by the pairs without them.
func TestEvalOnWhatWasLearned(t *testing.T) {
	dir := t.TempDir()
	must(t, dir, "data", "convert", "--in", "sample", "--out", "wide.parquet")
	without := []string{"--left-text-column", "-", "--right-text-column", "-"}
	must(t, dir, "train", "--data", "sample", "--epochs", "1", "--out", "texts")
	must(t, dir, append([]string{"train", "--data", "wide.parquet", "--epochs", "1", "--guard", "-", "--out", "vectors"}, without...)...)
	const (
		shared  = "1350 of the 2700 test pairs share a text with the pairs that the matrix was learned from"
		unknown = "these data bring no texts, so whether they share some"
		missing = "is not known: open texts/scores.parquet"
	)
	asTest := []string{"--data", "wide.parquet", "--split-column", "-", "--guard", "-", "--json"}
	evaluate := func(run string, args ...string) (s rundir.Summary, notes string) {
		t.Helper()
		out := must(t, dir, append(append([]string{"eval", "--run", run}, asTest...), args...)...)
		if err := json.Unmarshal([]byte(out), &s); err != nil {
			t.Fatal(err)
		}
		return s, strings.Join(s.Data.Notes, "; ")
	}
	for _, test := range []struct {
		run  string
		args []string
		want string
	}{
		{"texts", nil, shared},
		{"texts", without, unknown},
		{"vectors", nil, shared},
		{"vectors", without, shared},
	} {
		s, notes := evaluate(test.run, test.args...)
		if !strings.Contains(notes, test.want) {
			t.Errorf("%s %v: %s", test.run, test.args, notes)
		}
		if test.want != shared {
			continue
		}
		if w := s.WithoutShared; w == nil || w.After.Pairs != 1350 || w.TooFew || !strings.Contains(s.Judgement.Text, "but 1350 of its 2700 pairs share") {
			t.Errorf("%s %v: %+v, %s", test.run, test.args, w, s.Judgement.Text)
		}
	}
	if err := os.Remove(filepath.Join(dir, "texts", "scores.parquet")); err != nil {
		t.Fatal(err)
	}
	if _, notes := evaluate("texts"); !strings.Contains(notes, missing) {
		t.Errorf("without scores: %s", notes)
	}
}

// TestDemoSaysNothingOfSearch: the sample's search falls by no more than chance may
// have it, as its interval shows.
func TestDemoSaysNothingOfSearch(t *testing.T) {
	dir := t.TempDir()
	out := strings.Join(strings.Fields(must(t, dir, "demo")), " ")
	s := summaryOf(t, filepath.Join(dir, "cosfit-demo"))
	c := s.Comparisons["test"]["mrr"]
	if !(c.Gain < -0.005 && c.GainInterval.Low < 0 && c.GainInterval.High > 0) || c.Before != s.Before["test"].MRR || c.After != s.After["test"].MRR {
		t.Errorf("MRR: %+v", c)
	}
	if strings.Contains(out, "Search got worse") || !strings.Contains(out, "MRR 0.847 [0.8") {
		t.Errorf("the panel is\n%s", out)
	}
}

// TestEvalByTheRunsMetric: a run that a search chose is judged by the search.
func TestEvalByTheRunsMetric(t *testing.T) {
	dir := t.TempDir()
	must(t, dir, "train", "--data", "sample", "--metric", "ndcg_at_10", "--dims", "16", "--init", "pca", "--epochs", "1", "--out", "run")
	if out := must(t, dir, "eval", "--run", "run"); !strings.Contains(out, "nDCG@10 on test went from") {
		t.Errorf("eval printed\n%s", out)
	}
}

// TestInterrupted ends a run at once, as Ctrl-C does, and follows the advice.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	args := []string{"train", "--data", "sample", "--dims", "16", "--epochs", "2"}
	must(t, dir, append(args, "--out", "whole")...)

	ctx := &lateContext{Context: context.Background(), file: filepath.Join(dir, "my run", "config.json")}
	code, _, stderr := cosfit(t, ctx, dir, append(args, "--out", "my run")...)
	want := "cosfit: interrupted in epoch 1 of 2; a checkpoint is saved, go on with: cosfit train --resume --out 'my run'\n"
	if code != exitFailed || !strings.HasSuffix(stderr, want) {
		t.Fatalf("exit code %d, printed %q, want %q", code, stderr, want)
	}
	if code, _, stderr := cosfit(t, context.Background(), dir, "eval", "--run", "my run"); code != exitFailed || !strings.Contains(stderr, "is not finished") {
		t.Errorf("eval of an unfinished run: exit code %d, %s", code, stderr)
	}
	if code, _, stderr := cosfit(t, context.Background(), dir, "train", "--resume", "--out", "my run", "--seed", "3"); code != exitFailed || !strings.Contains(stderr, "seed was 0 and is 3") {
		t.Errorf("resume with another seed: exit code %d, %s", code, stderr)
	}
	if code, _, stderr := cosfit(t, context.Background(), dir, "train", "--resume", "--out", "my run", "--recipe", "notebook"); code != exitFailed || !strings.Contains(stderr, "was begun with --recipe default, not notebook") {
		t.Errorf("resume with another recipe: exit code %d, %s", code, stderr)
	}
	must(t, dir, "train", "--resume", "--out", "my run")
	a, _ := os.ReadFile(filepath.Join(dir, "whole", "matrix.safetensors"))
	b, _ := os.ReadFile(filepath.Join(dir, "my run", "matrix.safetensors"))
	if len(a) == 0 || !bytes.Equal(a, b) {
		t.Error("the resumed run ends with another matrix")
	}
}

// TestInterruptedEarly presses Ctrl-C while the data are read.
func TestInterruptedEarly(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	code, _, stderr := cosfit(t, ctx, dir, "train", "--data", "sample", "--out", "run")
	if want := "cosfit: interrupted, nothing was written\n"; code != exitFailed || stderr != want {
		t.Errorf("exit code %d, printed %q, want %q", code, stderr, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "run")); err == nil {
		t.Error("a folder was made")
	}
}

// TestInterruptedInFolds presses Ctrl-C while few pairs are cross-validated, which
// comes before the first checkpoint.
func TestInterruptedInFolds(t *testing.T) {
	dir := t.TempDir()
	writePairs(t, dir, "pairs.csv", 60)
	ctx := &lateContext{Context: context.Background(), file: filepath.Join(dir, "run", ".lock")}
	code, _, stderr := cosfit(t, ctx, dir, "fit", "pairs.csv", "--provider", "hashing", "--dimensions", "64", "--cache", "cache", "--prepared", "prepared", "--out", "run")
	if want := "\ncosfit: interrupted before the first epoch, no run was kept\n"; code != exitFailed || !strings.HasSuffix(stderr, want) {
		t.Errorf("exit code %d, printed %q, want %q", code, stderr, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "run")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder of the run is still there: %v", err)
	}

	empty := filepath.Join(dir, "empty") // which is not ours to remove
	if err := os.Mkdir(empty, 0o750); err != nil {
		t.Fatal(err)
	}
	ctx.file = filepath.Join(empty, ".lock")
	code, _, stderr = cosfit(t, ctx, dir, "fit", "pairs.csv", "--provider", "hashing", "--dimensions", "64", "--cache", "cache", "--prepared", "prepared", "--out", "empty")
	if left, err := os.ReadDir(empty); code != exitFailed || err != nil || len(left) > 0 || strings.Contains(stderr, "remove") {
		t.Errorf("exit code %d, printed %q, the folder has %v, %v", code, stderr, left, err)
	}
}

// TestForce: what --force replaces is there, whole, until the new run has finished.
func TestForce(t *testing.T) {
	dir := t.TempDir()
	writePairs(t, dir, "pairs.csv", 60)
	args := []string{"fit", "pairs.csv", "--provider", "hashing", "--dimensions", "64", "--cache", "cache", "--prepared", "prepared", "--epochs", "2", "--out", "run"}
	must(t, dir, args...)
	run := filepath.Join(dir, "run")
	old := filesIn(t, run)
	for name, try := range map[string]struct {
		ctx  context.Context
		args []string
		want string
	}{
		"diverged": {context.Background(), []string{"--init", "random", "--learning-rate", "1e38", "--cross-validate", "0"},
			"the training diverged in epoch 1: a cosine is not a number; try a lower --learning-rate than 1e+38; run has the run again that it had before\n"},
		"interrupted": {&lateContext{Context: context.Background(), file: filepath.Join(run, ".replaced")}, nil,
			"cosfit: interrupted before the first epoch, no run was kept; run has the run again that it had before\n"},
	} {
		code, _, stderr := cosfit(t, try.ctx, dir, slices.Concat(args, []string{"--force"}, try.args)...)
		if code != exitFailed || !strings.HasSuffix(stderr, try.want) {
			t.Errorf("%s: exit code %d, printed %q, want %q", name, code, stderr, try.want)
		}
		if now := filesIn(t, run); !maps.Equal(now, old) {
			t.Errorf("%s: the old run is not whole, there stands %v", name, slices.Sorted(maps.Keys(now)))
		}
	}
	must(t, dir, append(args, "--force", "--seed", "3")...)
	now := filesIn(t, run)
	if !slices.Equal(slices.Sorted(maps.Keys(now)), slices.Sorted(maps.Keys(old))) || now["config.json"] == old["config.json"] {
		t.Errorf("the new run has %v", slices.Sorted(maps.Keys(now)))
	}
}

// filesIn is what the files of a folder hold, by name.
func filesIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(b)
	}
	return files
}

// A lateContext is over as soon as a file exists, as if Ctrl-C were pressed
// then.
type lateContext struct {
	context.Context
	file string
}

func (c *lateContext) Err() error {
	if _, err := os.Stat(c.file); err != nil {
		return nil
	}
	return context.Canceled
}

func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	must(t, dir, "train", "--data", "sample", "--dims", "4", "--epochs", "1", "--out", "run")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("text.parquet", "question,answer\n")
	write("pairs.csv", "question,answer\n")
	write("exists.npy", "")
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"fly", 2, `unknown command "fly"; there are: demo, fit, prepare, data, embed, cache, mine, train, sweep, eval, export, apply, bench, doctor, version, completion`},
		{"train", 2, "--out is missing: name a folder for the run, such as --out runs/first"},
		{"train --out r", 2, `--data is missing: name a data set folder, a wide Parquet file, or "sample"`},
		{"train sample --out r", 2, `train takes no argument, got "sample": inputs and outputs are named by flags, see cosfit train --help`},
		{"train --data sample --out r --dims 0", 2, "--dims is 0, want a positive number"},
		{"train --data sample --out r --dims 385", 2, `--dims 385 is more than the embeddings' 384, which auto cannot fill: use at most 384, or --init random`},
		{"train --data sample --out r --dims many", 2, `invalid value "many" for flag --dims: parse error; see cosfit train --help`},
		{"train --data sample --out r --epochs 0", 2, "--epochs is 0, want at least 1"},
		{"train --data sample --out r --dropout 1.5", 2, "--dropout is 1.5, want a number from 0 up to but not including 1"},
		{"train --data sample --out r --learning-rate 0", 2, "--learning-rate is 0, want a positive number"},
		{"train --data sample --out r --recipe magic", 2, `--recipe "magic" is unknown; there are: cca, default, mean-difference, notebook, procrustes, ridge, wccn, whitening`},
		{"train --data sample --out r --loss hinge", 2, `--loss "hinge" is unknown; there are: `},
		{"train --data sample --out r --optimizer lion", 2, `--optimizer "lion" is unknown; there are: adam, adamw, sgd`},
		{"train --data sample --out r --schedule linear", 2, `--schedule "linear" is unknown; there are: constant, cosine, onecycle`},
		{"train --data sample --out r --init zero", 2, `--init "zero" is unknown; there are: auto, centred, identity, orthogonal, pca, procrustes, random, ridge, top-removed, whitening`},
		{"train --data sample --out r --metric mrr", 2, `--metric "mrr" is unknown; there are: auto, ndcg_at_10, roc_auc, spearman`},
		{"train --data sample --out r --metric spearman", 2, "--metric is spearman, but sample has only two kinds of label, which have no order to compare: leave it out, or use roc_auc"},
		{"train --data sample --out r --average 1", 2, "--average is 1, want the decay of an average, such as 0.99, or 0 for none"},
		{"train --data sample --out r --shape round", 2, `--shape "round" is unknown; there are: diagonal, full, low-rank`},
		{"train --data sample --out r --loss mse --learn-scale", 2, "--learn-scale goes with --loss infonce or logistic, not mse"},
		{"train --data sample --out r --shape diagonal --rank 3", 2, "--rank goes with --shape low-rank, not diagonal"},
		{"train --data sample --out r --shape full --rank 3", 2, "--rank goes with --shape low-rank, not full"},
		{"train --data sample --out r --rank 400", 2, "--shape low-rank has a rank of 400, want one from 1 to 384, which a full matrix has"},
		{"train --data sample --out r --rank 0", 2, "--shape low-rank has a rank of 0, want one from 1 to 384, which a full matrix has"},
		{"train --data sample --out r --recipe wccn --rank 3", 2, "--rank has no meaning for --recipe wccn, which is solved without epochs: leave it out"},
		{"train --data sample --out r --power 0.5", 2, "--power goes with --init whitening, not auto"},
		{"train --data sample --out r --init whitening --power 1.5", 2, "--power is 1.5, want a number above 0, at most 1"},
		{"train --data sample --out r --shrinkage 0.5", 2, "--shrinkage goes with --recipe cca, wccn or whitening, or with --init whitening, not default"},
		{"train --data sample --out r --init pca --components 3", 2, "--components goes with --init top-removed, not pca"},
		{"train --data sample --out r --init top-removed --components 384", 2, "--components is 384, want fewer than the embeddings' 384 dimensions"},
		{"train --data sample --out r --device tpu", 2, `--device "tpu" is unknown; there are: auto, cpu`},
		{"train --data sample --out r --momentum 0.9", 2, "--momentum goes with --optimizer sgd, not adamw"},
		{"train --data sample --out r --warmup 2", 2, "--warmup is 2, want a share from 0 to 1"},
		{"train --data sample --out r --memory 12", 2, `--memory "12" is not a size of at least 1MB, such as 300MB or 4GB`},
		{"train --data sample --out r --memory much", 2, `--memory "much" is not a size of at least 1MB, such as 300MB or 4GB`},
		{"train --data sample --out r --memory 1MB --scratch exists.npy", 1, "vectors that exceed half of --memory go to a scratch file in exists.npy: not a directory; make room there, or choose another folder with --scratch"},
		{"train --data sample --out r --shuffle-window -1", 2, "--shuffle-window is -1, want a number of pairs, or 0 for all"},
		{"train --data sample --out r --label-range 5..0", 2, `--label-range is "5..0", want two numbers, the lower one first, such as 0..5`},
		{"train --data sample --out r --checkpoint-every -1s", 2, "--checkpoint-every is -1s, want a time such as 90s or 5m"},
		{"train --data sample --out r --checkpoint-every soon", 2, `invalid value "soon" for flag --checkpoint-every: parse error; see cosfit train --help`},
		{"train --data sample --out r --speed 3", 2, "unknown flag --speed, the nearest is --seed; see cosfit train --help"},
		{"train --data sample --out r --los mse", 2, "unknown flag --los, the nearest is --loss; see cosfit train --help"},
		{"train --data sample --out r --wibble 3", 2, "unknown flag --wibble; see cosfit train --help"},
		{"train --data sample --out r --matryoshka abc", 2, `invalid value "abc" for flag --matryoshka: parse error; see cosfit train --help`},
		{"traim --data sample", 2, `unknown command "traim", the nearest is train; there are: `},
		{"train --data sample --out r --threads -3", 2, "--threads is -3, want 0 for all or a positive number"},
		{"train --data sample --out r --left-column x", 2, "--left-column is for a wide Parquet file, and sample is a data set folder: leave it out"},
		{"data check sample --split-column -", 2, "--split-column is for a wide Parquet file, and sample is a data set folder: leave it out"},
		{"train --data .. --out r --kind-column k", 2, "--kind-column is for a wide Parquet file, and .. is a data set folder: leave it out"},
		{"train --data", 2, "flag needs an argument: --data; see cosfit train --help"},
		{"train --data sample --out r --init random --learning-rate 1e38 --optimizer sgd --decay-to-start", 2, "--decay-to-start goes with --optimizer adamw, not sgd"},
		{"train --data sample --out r --init random --learning-rate 1e38 --epochs 1 --device cpu --json", 1, "the training diverged in epoch 1: a cosine is not a number; try a lower --learning-rate than 1e+38"},
		{"train --data nowhere --out r", 1, "open nowhere: file does not exist"},
		{"train --data text.parquet --out r", 1, "open text.parquet: not a Parquet file: it does not begin with PAR1"},
		{"train --data pairs.csv --out r", 1, "open pairs.csv: not a Parquet file: it does not begin with PAR1; from texts, cosfit fit pairs.csv makes a run, and cosfit prepare pairs --in pairs.csv a data set"},
		{"eval --run run --data pairs.csv", 1, "open pairs.csv: not a Parquet file: it does not begin with PAR1; from texts, "},
		{"data check pairs.csv", 1, "open pairs.csv: not a Parquet file: it does not begin with PAR1; from texts, "},
		{"train --data . --out r", 1, ".: no pairs.parquet in it: give a data set folder or one wide Parquet file"},
		{"train --data sample --embeddings ada --out r", 1, `sample: no embeddings named "ada"; there are: all-MiniLM-L6-v2`},
		{"train --data sample --out run", 1, "run is not empty: choose another folder, or replace the run in it with --force"},
		{"train --data sample --out . --force", 1, ". holds exists.npy, which is not part of a run: choose another folder"},
		{"train --resume --out run", 1, "run has no checkpoint: the run is finished"},
		{"train --data sample --out exists.npy", 1, "exists.npy is a file: choose another folder with --out"},
		{"train --data sample --out r --weight-decay inf", 2, "--weight-decay is +Inf, want 0 or more"},
		{"train --resume --out nowhere", 1, "open nowhere: no such run"},
		{"eval", 2, "--run is missing: name the folder of a run, such as --run cosfit-demo, or a matrix file with --matrix"},
		{"eval --run nowhere", 1, "open nowhere: no such run"},
		{"eval --run .", 1, ". is not a run: it has no config.json"},
		{"eval --run run --matrix m.npy", 2, "--run and --matrix exclude each other"},
		{"eval --run run --split dev", 2, `--split "dev" is unknown; there are: train, validation, test`},
		{"export --run run", 2, "--out is missing: name the file to write, such as --out matrix.npy"},
		{"export --run run --format docx --out m", 2, `--format "docx" is unknown; there are: npy, safetensors`},
		{"export --run run --out m.pt", 2, "--out m.pt does not end in the name of a format: choose one with --format, there are: npy, safetensors"},
		{"export --run run --out m", 2, "--out m does not end in the name of a format: choose one with --format, there are: npy, safetensors"},
		{"export --run run --format npy --out m.safetensors", 2, "--out m.safetensors has the name of another format than --format npy: choose another name"},
		{"export --run run --format npy --out exists.npy", 1, "exists.npy exists: choose another name, or replace it with --force"},
		{"export --run run --format npy --out none/m.npy", 1, "write none/m.npy: no such file or directory"},
		{"bench fly", 2, `unknown benchmark "fly"; there are: core, load, run, step`},
		{"bench step fast", 2, `bench step takes no argument, got "fast": inputs and outputs are named by flags, see cosfit bench step --help`},
		{"bench step --fast", 2, "unknown flag --fast; see cosfit bench step --help"},
		{"bench step --threads -1", 2, "--threads is -1, want 0 for all or a number up to the "},
		{"bench step --out exists.npy", 1, "--out exists.npy cannot be made a folder: not a directory: choose another"},
		{"completion tcsh", 2, `completion needs the name of a shell, bash, zsh or fish, got "tcsh"`},
	} {
		t.Run(test.args, func(t *testing.T) {
			code, stdout, stderr := cosfit(t, context.Background(), dir, strings.Fields(test.args)...)
			want := "cosfit: " + test.want
			if code != test.code || !strings.HasPrefix(stderr, want) {
				t.Errorf("exit code %d, printed %q, want %d, %q", code, stderr, test.code, want)
			}
			if strings.Count(stderr, "\n") != 1 || stdout != "" {
				t.Errorf("printed more than one sentence: %q, %q", stdout, stderr)
			}
			if _, err := os.Stat(filepath.Join(dir, "r")); err == nil {
				t.Error("a run folder was left behind")
				os.RemoveAll(filepath.Join(dir, "r"))
			}
		})
	}
}

// TestHelpIsRight wants texts that help had wrong, and that no default stands
// there twice.
func TestHelpIsRight(t *testing.T) {
	dir := t.TempDir()
	twice := regexp.MustCompile(`\(default: ([^,()]+), ([^,()]+)\)`)
	help := map[string]string{}
	for _, command := range []string{"demo", "train", "sweep"} {
		help[command] = strings.Join(strings.Fields(must(t, dir, command, "--help")), " ")
		for _, m := range twice.FindAllStringSubmatch(help[command], -1) {
			if m[1] == m[2] {
				t.Errorf("%s --help has %s", command, m[0])
			}
		}
	}
	for _, test := range []struct{ command, want string }{
		{"demo", "600 questions over 100 documents, embedded with all-MiniLM-L6-v2: trains on 300 of them, chooses the epoch on 60, and shows what that gained on the other 240"},
		{"train", "which of --folds is the test split, counted from 1 (default: none)"},
		{"train", "one of which, --fold, is the test split (default: none)"},
		{"sweep", "grid takes 5 points of a range without steps"},
		{"sweep", "(default: asha, or the preset's; none with --sampler grid)"},
	} {
		if !strings.Contains(help[test.command], test.want) {
			t.Errorf("%s --help lacks %q", test.command, test.want)
		}
	}
	data, err := loader.OpenFS(t.Context(), sample.FS(), sample.Name, loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for split, want := range map[loader.Split]int{loader.Train: 300, loader.Validation: 60, loader.Test: 240} {
		questions := map[int32]bool{}
		for _, i := range data.Indices(split) {
			questions[data.Pairs.Left[i]] = true
		}
		if len(questions) != want {
			t.Errorf("%s has %d questions, the help of demo says %d", split, len(questions), want)
		}
	}
}

// TestColumnsOfAnother: what a file of settings says of wide files stands in the
// way of no folder.
func TestColumnsOfAnother(t *testing.T) {
	file := writeConfig(t, "left-column: a\n")
	t.Setenv("COSFIT_RIGHT_COLUMN", "b")
	must(t, t.TempDir(), "data", "check", "sample", "--config", file, "--label-column", loader.DefaultColumns().Label)
}

// TestHelpShowsTheFirstWord: what stands before the flags is in the usage.
func TestHelpShowsTheFirstWord(t *testing.T) {
	for command, want := range map[string]string{
		"fit": "cosfit fit FILE [", "data show": "cosfit data show FILE|", "data check": "cosfit data check FILE|",
	} {
		if out := must(t, t.TempDir(), append(strings.Fields(command), "--help")...); !strings.Contains(out, want) {
			t.Errorf("%s --help lacks %q:\n%s", command, want, out)
		}
	}
}

// TestHelp wants an example in the help of every command.
func TestHelp(t *testing.T) {
	dir := t.TempDir()
	if out := must(t, dir); !strings.Contains(out, "cosfit demo") {
		t.Errorf("without a command it prints\n%s", out)
	}
	wantExample := func(words ...string) {
		t.Helper()
		command := strings.Join(words, " ")
		if out := must(t, dir, append(words, "--help")...); !strings.Contains(out, "Example") || !strings.Contains(out, "cosfit "+command) {
			t.Errorf("the help of %s has no example:\n%s", command, out)
		}
	}
	for _, c := range newApp(nil, nil).Commands {
		wantExample(c.Name)
		for _, sub := range subcommands(c) {
			if !sub.Hidden {
				wantExample(c.Name, sub.Name)
			}
		}
	}
}

func TestVersion(t *testing.T) {
	var v struct{ Version, Go, Platform string }
	if err := json.Unmarshal([]byte(must(t, t.TempDir(), "version", "--json")), &v); err != nil || v.Version == "" {
		t.Errorf("version is %+v, %v", v, err)
	}
}
