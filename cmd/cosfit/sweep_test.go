package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/internal/rundir"
)

// sweepArgs are a sweep that takes a second.
func sweepArgs(more ...string) []string {
	return append([]string{"sweep", "--data", "sample", "--dims", "16", "--init", "pca", "--epochs", "4",
		"--learning-rate", "1e-3..1e-1:log", "--loss", "mse,cosent", "--scale", "10..30", "--batch-size", "128,256"}, more...)
}

// sweptJSON runs a sweep with --json.
func sweptJSON(t *testing.T, dir string, args ...string) (r sweepResult) {
	t.Helper()
	if err := json.Unmarshal([]byte(must(t, dir, append(args, "--json")...)), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// withoutClock is a run's file without what a clock says.
func withoutClock(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	switch filepath.Base(path) {
	case "summary.json":
		var s map[string]any
		if err := json.Unmarshal(text, &s); err != nil {
			t.Fatal(err)
		}
		delete(s, "timing")
		text, _ = json.Marshal(s)
	case "history.csv":
		rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		text = nil
		for _, row := range rows {
			text = append(text, strings.Join(row[:10], ",")+"\n"...) // seconds and pairs_per_second follow
		}
	}
	return string(text)
}

// TestSweep sweeps, and wants the best trial's run to be what the printed
// command makes, byte for byte, with the very figure of the trial.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	r := sweptJSON(t, dir, sweepArgs("--trials", "12", "--seed", "3", "--out", "s")...)
	if n := r.Trials; n.Complete+n.Pruned != 12 || n.Complete < 1 || n.Failed+n.Running > 0 {
		t.Errorf("there are %+v, want 12 that ended", n)
	}
	if got := float64(r.Summary.After["validation"].ROCAUC); r.Summary.BestEpoch > 0 && got != float64(r.Best.Value) {
		t.Errorf("the best trial reached %v and its run %v", r.Best.Value, got)
	}
	if r.Summary.BestEpoch != r.Best.BestEpoch {
		t.Errorf("the best trial's epoch is %d, its run's %d", r.Best.BestEpoch, r.Summary.BestEpoch)
	}
	for _, other := range r.Ranking {
		if other.State == "complete" && other.Value > r.Best.Value {
			t.Errorf("trial %d has %v, the best %v", other.Trial, other.Value, r.Best.Value)
		}
	}

	words := strings.Fields(r.Command)
	words[len(words)-1] = "again"
	must(t, dir, words[1:]...)
	for _, name := range []string{"config.json", "matrix.safetensors", "scores.parquet", "summary.json", "history.csv"} {
		if withoutClock(t, filepath.Join(dir, "s", "best", name)) != withoutClock(t, filepath.Join(dir, "again", name)) {
			t.Errorf("%s differs from what this makes: %s", name, r.Command)
		}
	}

	f, err := os.Open(filepath.Join(dir, "s", "trials.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) != 13 {
		t.Errorf("trials.csv has %d rows, %v", len(rows), err)
	}
	pairs := int64(0)
	for _, row := range rows[1:] {
		n, _ := strconv.ParseInt(row[5], 10, 64)
		pairs += n
	}
	if pairs != r.Pairs || pairs == 0 {
		t.Errorf("trials.csv counts %d pairs, the result %d", pairs, r.Pairs)
	}

	// The same command finds everything done; a resumed one may ask for more.
	if again := sweptJSON(t, dir, sweepArgs("--trials", "12", "--seed", "3", "--out", "s")...); again.Trials != r.Trials || again.Best.Trial != r.Best.Trial {
		t.Errorf("the same command again has %+v, at first %+v", again.Trials, r.Trials)
	}
	t.Chdir(t.TempDir())
	more := sweptJSON(t, dir, "sweep", "--resume", "--trials", "15", "--out", "s")
	if n := more.Trials; n.Complete+n.Pruned != 15 {
		t.Errorf("resumed for 15 trials there are %+v", n)
	}
	panel := must(t, dir, "sweep", "--resume", "--out", "s")
	for _, want := range []string{"winner's curse", "on test, which was scored once, for this run alone: 0.", "cosfit train --data sample", "optuna-dashboard sqlite:///s/study.db", "learning"} {
		if !strings.Contains(strings.Join(strings.Fields(panel), " "), want) {
			t.Errorf("the panel lacks %q:\n%s", want, panel)
		}
	}
}

// TestSweepReproducible wants the same trials from one worker each time,
// however the sweep is interrupted.
func TestSweepReproducible(t *testing.T) {
	dir := t.TempDir()
	args := sweepArgs("--workers", "1", "--threads", "1", "--trials", "14", "--seed", "7")
	want := sweptJSON(t, dir, append(args, "--out", "whole")...)
	for n := 3; n < 14; n += 5 {
		sweptJSON(t, dir, append(args, "--out", "parts", "--trials", strconv.Itoa(n))...)
	}
	got := sweptJSON(t, dir, append(args, "--out", "parts")...)
	for i := range want.Ranking {
		a, b := want.Ranking[i], got.Ranking[i]
		a.Seconds, a.Worker, b.Seconds, b.Worker = 0, "", 0, ""
		if x, y := asText(t, a), asText(t, b); x != y {
			t.Errorf("rank %d was %s and is %s", i, x, y)
		}
	}
}

func asText(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSweepPresets runs each of them, cut short.
func TestSweepPresets(t *testing.T) {
	dir := t.TempDir()
	for name := range presets() {
		r := sweptJSON(t, dir, "sweep", "--data", "sample", "--preset", name, "--trials", "2", "--epochs", "1", "--dims", "16", "--out", name)
		if r.Trials.Complete+r.Trials.Pruned != 2 {
			t.Errorf("%s: %+v", name, r.Trials)
		}
		if r.Summary.SelectedOn != "validation" {
			t.Errorf("%s chooses on %s", name, r.Summary.SelectedOn)
		}
	}
}

// TestSweepConditions gives settings that only some trials can have, in flags
// and in a file, which flags come before.
func TestSweepConditions(t *testing.T) {
	dir := t.TempDir()
	space := "loss: [mse, infonce]\ntemperature:\n  values: [0.05, 0.1]\noptimizer: [adamw, sgd]\nmomentum: 0.9\nlearning-rate: [0.5]\n"
	if err := os.WriteFile(filepath.Join(dir, "space.yaml"), []byte(space), 0o644); err != nil {
		t.Fatal(err)
	}
	r := sweptJSON(t, dir, "sweep", "--data", "sample", "--space", "space.yaml", "--learning-rate", "1e-3", "--dims", "8", "--epochs", "1", "--sampler", "grid", "--pruner", "none", "--out", "s")
	if len(r.Ranking) != 6 || r.Trials.Complete != 6 {
		t.Fatalf("the grid has %+v, want the 2 · (1 + 2) combinations", r.Trials)
	}
	for _, trial := range r.Ranking {
		_, temperature := trial.Settings["temperature"]
		momentum := trial.Settings["momentum"]
		if temperature != (trial.Settings["loss"] == "infonce") || (momentum == "0.9") != (trial.Settings["optimizer"] == "sgd") {
			t.Errorf("trial %d has %v", trial.Trial, trial.Settings)
		}
	}
	if !strings.Contains(r.Command, "--learning-rate 1e-3") {
		t.Errorf("the flag does not come before the file: %s", r.Command)
	}
}

// TestSweepFailures goes on where some settings diverge, and says why where all
// do.
func TestSweepFailures(t *testing.T) {
	dir := t.TempDir()
	args := []string{"sweep", "--data", "sample", "--dims", "8", "--init", "random", "--epochs", "1", "--sampler", "grid"}
	r := sweptJSON(t, dir, append(args, "--learning-rate", "1e-3,1e38", "--out", "some")...)
	if r.Pruner != "none" { // a grid is to be seen whole
		t.Errorf("a grid is pruned by %s", r.Pruner)
	}
	if r.Trials.Complete != 1 || r.Trials.Failed != 1 || r.Ranking[1].Error == "" || r.Ranking[1].Value.Known() {
		t.Errorf("there are %+v, ranked %+v", r.Trials, r.Ranking)
	}
	code, stdout, stderr := cosfit(t, context.Background(), dir, append(args, "--learning-rate", "1e37,1e38", "--out", "all", "--json")...)
	if code != exitFailed || stdout != "" || !strings.HasPrefix(stderr, "cosfit: none of 2 trials came to its end, trial 0 with: the training diverged") {
		t.Errorf("exit code %d, printed %q", code, stderr)
	}
}

// TestSweepBudget ends early, and goes on.
func TestSweepBudget(t *testing.T) {
	dir := t.TempDir()
	args := []string{"sweep", "--data", "sample", "--dropout", "0..0.5", "--epochs", "3", "--out", "s", "--pruner", "none"}
	code, _, stderr := cosfit(t, context.Background(), dir, append(args, "--budget", "1ns", "--json")...)
	if code != exitFailed || !strings.Contains(stderr, "go on with a larger --budget: cosfit sweep --resume --budget 10m --out s") {
		t.Errorf("exit code %d, printed %q", code, stderr)
	}
	if r := sweptJSON(t, dir, "sweep", "--resume", "--trials", "2", "--budget", "5m", "--out", "s"); r.Trials.Complete != 2 {
		t.Errorf("there are %+v", r.Trials)
	}
}

// TestSweepGoesOn: a sweep goes on with the workers that it was given, and counts no
// more trials done than there are to be.
func TestSweepGoesOn(t *testing.T) {
	dir := t.TempDir()
	must(t, dir, sweepArgs("--trials", "3", "--workers", "1", "--out", "s")...)
	resume := func(want string, args ...string) {
		t.Helper()
		code, _, stderr := cosfit(t, context.Background(), dir, append([]string{"sweep", "--resume", "--out", "s"}, args...)...)
		if code != 0 || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, printed %q, want %q", args, code, stderr, want)
		}
	}
	resume("\n4 trials, 3 of them done before, 1 at a time, of ", "--trials", "4")
	resume("\n4 trials, all of them done before: a larger --trials makes more\n")
	resume("\n4 trials, all of them done before: a larger --trials makes more\n", "--trials", "2")
	settings := filepath.Join(dir, "s", "sweep.yaml")
	text, err := os.ReadFile(settings)
	if err != nil || !strings.Contains(string(text), "\n  trials: 4\n") || !strings.Contains(string(text), "\n  workers: 1\n") {
		t.Errorf("the settings are %s, %v", text, err)
	}
	many := strings.Replace(string(text), "workers: 1\n", "workers: 100000\n", 1)
	if err := os.WriteFile(settings, []byte(many), 0o644); err != nil {
		t.Fatal(err)
	}
	resume("\n5 trials, 4 of them done before, 2 at a time, of ", "--trials", "5", "--threads", "2", "--device", "cpu")
}

func TestSweepMistakes(t *testing.T) {
	dir := t.TempDir()
	must(t, dir, sweepArgs("--trials", "1", "--out", "s")...)
	for name, text := range map[string]string{"bad.yaml": "learning-rate: 1e-4..1e-2:log\nlos: [mse]\n", "empty.yaml": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	known := "average, batch-size, components, decay-to-start, dims, "
	const ranged = " --dropout 0..0.5"
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"sweep", 2, "--out is missing: name a folder for the sweep, such as --out sweeps/first"},
		{"sweep --out q" + ranged, 2, "--data is missing"},
		{"sweep --data sample --out q", 2, "the space is empty: give at least one parameter a range or several values, such as --learning-rate 1e-4..1e-2:log"},
		{"sweep --data sample --out q --loss mse --space empty.yaml", 2, "the space is empty"},
		{"sweep --data sample --out q --los mse,cosent", 2, "unknown flag --los; parameters of a sweep are: " + known},
		{"sweep --data sample --out q --space bad.yaml", 2, "bad.yaml: line 2: --los is not a parameter of a sweep; there are: " + known},
		{"sweep --data sample --out q --space none.yaml", 2, "--space names none.yaml, which does not exist"},
		{"sweep --data sample --out q --learning-rate 1e-2..1e-4", 2, "--learning-rate has the range 0.01..0.0001, which is reversed: write 0.0001..0.01"},
		{"sweep --data sample --out q --learning-rate 0..1:log", 2, "--learning-rate has a logarithmic range from 0, want one from a number above 0"},
		{"sweep --data sample --out q --loss mse,hinge", 2, `--loss has "hinge", which is unknown; there are: angle, `},
		{"sweep --data sample --out q --temperature 0.01..0.1", 2, "--temperature goes with --loss infonce, not logistic"},
		{"sweep --data sample --out q --temperature 0.01..0.1 --loss mse,cosent", 2, "--temperature goes with --loss infonce, but loss is one of mse, cosent"},
		{"sweep --data sample --out q --dropout 0..1.5", 2, "--dropout is 1.5, want a number from 0 up to but not including 1"},
		{"sweep --data sample --out q --dims 128,512", 2, "--dims 512 is more than the embeddings' 384, which auto cannot fill: use at most 384, or --init random"},
		{"sweep --data sample --out q --sampler bayes" + ranged, 2, `--sampler "bayes" is unknown; there are: grid, random, tpe`},
		{"sweep --data sample --out q --pruner shears" + ranged, 2, `--pruner "shears" is unknown; there are: asha, none`},
		{"sweep --data sample --out q --preset slow", 2, `--preset "slow" is unknown; there are: notebook, quick`},
		{"sweep --data sample --out q --trials 0" + ranged, 2, "--trials is 0, want at least 1"},
		{"sweep --data sample --out q --budget -3s" + ranged, 2, "--budget is -3s, want a time such as 90s or 10m"},
		{"sweep --data sample --out q --device cpu --workers 2 --threads 1" + ranged, 2, "--workers is 2, more than the 1 threads there are: want at most one for each"},
		{"sweep --data sample --out q --device cpu,cpu" + ranged, 2, `--device is "cpu,cpu": several devices are GPUs, such as cuda:0,cuda:1`},
		{"sweep --data nowhere --out q" + ranged, 1, "open nowhere: file does not exist"},
		{"sweep --data sample --out ." + ranged, 1, ". holds bad.yaml, which is not part of a sweep: choose another folder"},
		{"sweep --data sample --out bad.yaml" + ranged, 1, "bad.yaml is a file: choose another folder with --out"},
		{"sweep --data sample --out s" + ranged, 1, "storage s/study.db: the study s is of another sweep: it has "},
		{"sweep --data sample --out q --storage none/x.db" + ranged, 1, "storage none/x.db: there is no folder none"},
		{"sweep --data sample --out q --storage mysql://x" + ranged, 1, "storage mysql://…: mysql:// is unknown: give a file, or postgres://user@host/database"},
		{"sweep --data sample --out q --storage postgres://nobody@127.0.0.1:1/x" + ranged, 1, "storage postgresql://nobody@127.0.0.1:1/x: "},
		{"sweep --data sample --out q --storage bad.yaml" + ranged, 1, "storage bad.yaml: "},
		{"sweep --resume --out q", 1, "q has no sweep to go on with: begin one without --resume"},
		{"sweep worker", 2, "--storage is missing: name that of the sweep, such as sweeps/first/study.db or postgres://user@host/database"},
		{"sweep worker --storage s/study.db", 2, "--study is missing: name the study in the storage, the last part of the sweep's --out"},
		{"sweep worker --storage s/study.db --study s", 2, "--data is missing"},
		{"sweep worker --storage s/study.db --study t --data sample", 1, "storage s/study.db: there is no study t; there are: s"},
		{"sweep worker --storage none.db --study t --data sample", 1, "storage none.db: "},
		{"sweep worker --storage s/study.db --study s --data sample --split-by component --split 60:20:20", 1, "sample is another data set than that of the study s: its vectors, pairs, labels or splits differ (fingerprint "},
	} {
		t.Run(test.args, func(t *testing.T) {
			code, stdout, stderr := cosfit(t, context.Background(), dir, strings.Fields(test.args)...)
			if code != test.code || !strings.HasPrefix(stderr, "cosfit: "+test.want) {
				t.Errorf("exit code %d, printed %q, want %d, %q", code, stderr, test.code, "cosfit: "+test.want)
			}
			if strings.Count(stderr, "\n") != 1 || stdout != "" {
				t.Errorf("printed more than one sentence: %q, %q", stdout, stderr)
			}
			if _, err := os.Stat(filepath.Join(dir, "q")); err == nil {
				t.Error("a folder was left behind")
				os.RemoveAll(filepath.Join(dir, "q"))
			}
		})
	}
	if _, err := rundir.Open(filepath.Join(dir, "s", "best")); err != nil {
		t.Error(err)
	}
}

// TestSweepOfAnother says which flag gets a sweep out of the way of another.
func TestSweepOfAnother(t *testing.T) {
	dir := t.TempDir()
	args := func(more string) []string {
		return strings.Fields("sweep --data sample --dims 4,8 --init random --epochs 1 --trials 1 " + more)
	}
	must(t, dir, args("--out s")...)
	for more, want := range map[string]string{
		"--learning-rate 0.1,0.2 --out s":                                "; choose another folder with --out\n",
		"--learning-rate 0.1,0.2 --out q --study s --storage s/study.db": "; give this one another name with --study\n",
	} {
		code, _, stderr := cosfit(t, context.Background(), dir, args(more)...)
		if code != exitFailed || !strings.Contains(stderr, "the study s is of another sweep: it has ") || !strings.HasSuffix(stderr, want) {
			t.Errorf("%s: exit code %d, %s", more, code, stderr)
		}
	}
}
