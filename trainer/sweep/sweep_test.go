package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/sample"
	"github.com/cosfit/cosfit/trainer"
	"github.com/cosfit/cosfit/trainer/sweep"
	"github.com/cosfit/cosfit/trainer/sweep/search"
	"github.com/cosfit/cosfit/trainer/sweep/space"
	"github.com/cosfit/cosfit/trainer/sweep/study"
)

// rates is a space of one parameter.
func rates() space.Space {
	return space.Space{{Name: "learning-rate", Distribution: space.Float{Low: 1e-3, High: 1e-1, Log: true}}}
}

// small makes a recipe that trains in milliseconds.
func small(p space.Point) (trainer.Recipe, error) {
	r := trainer.Default(384)
	r.Dims, r.Epochs, r.LearningRate = 4, 4, p["learning-rate"]
	return r, nil
}

// newStudy makes a study in a file of the test's own.
func newStudy(t *testing.T, s space.Space) *study.Study {
	t.Helper()
	st, err := study.Create(context.Background(), filepath.Join(t.TempDir(), "study.db"), study.Definition{Name: "s", Space: s, Metric: "roc_auc"}, study.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// options are those of a sweep of n workers over the sample.
func options(t *testing.T, storage sweep.Storage, n int) sweep.Options {
	t.Helper()
	data, err := loader.OpenFS(context.Background(), sample.FS(), sample.Name, loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o := sweep.Options{Space: rates(), Sampler: search.Random{}, Pruner: search.NoPruner{}, Storage: storage, Recipe: small}
	for i, d := range data.Share(n) {
		o.Workers = append(o.Workers, sweep.Worker{Name: strconv.Itoa(i), Data: d, Open: func() (graph.Backend, error) { return cpu.New(1), nil }})
	}
	return o
}

func trialsOf(t *testing.T, s sweep.Storage) []study.Trial {
	t.Helper()
	all, err := s.Trials(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestRun wants as many trials as asked for from several workers, each with all
// its reports, and what was shown of them to be what is kept.
func TestRun(t *testing.T) {
	storage := newStudy(t, rates())
	o := options(t, storage, 3)
	o.Trials, o.Seed = 7, 5
	shown := map[int]sweep.Progress{}
	o.Progress = func(p sweep.Progress) {
		if p.State != search.Running {
			shown[p.Trial] = p
		}
	}
	for range 2 { // the second time there is nothing to do
		if err := sweep.Run(context.Background(), o); err != nil {
			t.Fatal(err)
		}
	}
	all := trialsOf(t, storage)
	if len(all) != 7 || len(shown) != 7 {
		t.Fatalf("there are %d trials, and %d were shown", len(all), len(shown))
	}
	for _, trial := range all {
		best := math.Inf(-1)
		for _, r := range trial.Reports {
			best = max(best, r.Value)
		}
		if trial.State != search.Complete || len(trial.Reports) != 4 || trial.Value != best || shown[trial.Number].Value != best {
			t.Errorf("trial %d is %+v, shown as %+v", trial.Number, trial, shown[trial.Number])
		}
		if trial.Attributes["pairs"] != float64(4*1350) || trial.Attributes["epochs"] != 4.0 || trial.Attributes["device"] != "cpu" {
			t.Errorf("trial %d has the attributes %v", trial.Number, trial.Attributes)
		}
	}
	best, ok := sweep.Best(all)
	if ranked := sweep.Ranked(all); !ok || ranked[0].Number != best.Number || !slices.IsSortedFunc(ranked, func(a, b study.Trial) int {
		return int(math.Copysign(1, b.Value-a.Value))
	}) {
		t.Errorf("the best is trial %d, the ranking %v", best.Number, ranked)
	}
}

// TestGridEnds makes each point of a grid once.
func TestGridEnds(t *testing.T) {
	s := space.Space{{Name: "learning-rate", Distribution: space.Categorical{Choices: []string{"0.001", "0.01", "0.1"}}}}
	storage := newStudy(t, s)
	o := options(t, storage, 2)
	o.Space, o.Sampler = s, search.Grid{}
	o.Recipe = func(p space.Point) (trainer.Recipe, error) {
		return small(space.Point{"learning-rate": math.Pow(10, p["learning-rate"]-3)})
	}
	if err := sweep.Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	seen := map[float64]int{}
	for _, trial := range trialsOf(t, storage) {
		seen[trial.Point["learning-rate"]]++
	}
	if len(seen) != 3 || seen[0]+seen[1]+seen[2] != 3 {
		t.Errorf("points were tried as often as %v", seen)
	}
}

// TestInterrupted ends a sweep in the middle of its trials: they are given
// back, and the next one goes on with them without waiting for a lease.
func TestInterrupted(t *testing.T) {
	storage := newStudy(t, rates())
	o := options(t, storage, 2)
	o.Trials = 4
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	o.Progress = func(p sweep.Progress) {
		if p.Epoch == 2 {
			cancel()
		}
	}
	if err := sweep.Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("the error is %v", err)
	}
	if n := sweep.CountOf(trialsOf(t, storage)); n.Running == 0 || n.Failed > 0 {
		t.Errorf("an interruption leaves %+v", n)
	}
	o.Progress = nil
	began := time.Now()
	if err := sweep.Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	if n := sweep.CountOf(trialsOf(t, storage)); n.Complete != 4 || n.Running > 0 || time.Since(began) > study.DefaultLease {
		t.Errorf("after %v there are %+v", time.Since(began), n)
	}
}

// TestDeadline ends the trial under way with its epoch and begins none.
func TestDeadline(t *testing.T) {
	storage := newStudy(t, rates())
	o := options(t, storage, 1)
	o.Deadline = time.Now().Add(2 * time.Second)
	o.Progress = func(p sweep.Progress) {
		if p.Trial == 1 && p.Epoch == 1 {
			time.Sleep(time.Until(o.Deadline))
		}
	}
	if err := sweep.Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	all := trialsOf(t, storage)
	if len(all) < 2 {
		t.Skip("the machine took two seconds for a trial")
	}
	if last := all[1]; len(all) != 2 || last.State != search.Pruned || last.Attributes["ended_by"] != "budget" || len(last.Reports) != 1 {
		t.Errorf("there are %d trials, the last %+v", len(all), last)
	}
}

// A faulty storage answers reports and beats as a test likes.
type faulty struct {
	*study.Study
	lock   sync.Mutex
	report func(a study.Attempt, step int) error
	told   []int
}

func (f *faulty) Report(ctx context.Context, a study.Attempt, step int, value float64) error {
	if err := f.report(a, step); err != nil {
		return err
	}
	return f.Study.Report(ctx, a, step, value)
}

func (f *faulty) Tell(ctx context.Context, a study.Attempt, state search.State, value float64, attributes map[string]any) error {
	f.lock.Lock()
	f.told = append(f.told, a.Trial)
	f.lock.Unlock()
	return f.Study.Tell(ctx, a, state, value, attributes)
}

// TestLost drops a trial that another worker has taken over, without a word.
func TestLost(t *testing.T) {
	storage := &faulty{Study: newStudy(t, rates())}
	lost := false
	storage.report = func(a study.Attempt, step int) error {
		if a.Trial == 1 && step == 2 && !lost { // the lease ran out, and the next Ask takes it over
			lost = true
			if err := storage.Release(context.Background(), a); err != nil {
				return err
			}
			return fmt.Errorf("report: %w", study.ErrLost)
		}
		return nil
	}
	o := options(t, storage, 1)
	o.Trials = 3
	if err := sweep.Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(storage.told, []int{0, 1, 2}) {
		t.Errorf("told of trials %v, want each once", storage.told)
	}
	if all := trialsOf(t, storage); all[1].Attributes["attempt"] != 2.0 || len(all[1].Reports) != 4 {
		t.Errorf("the trial that was lost is %+v", all[1])
	}
}

// TestStorageGone ends the sweep with the storage's error.
func TestStorageGone(t *testing.T) {
	gone := errors.New("the disk is full")
	storage := &faulty{Study: newStudy(t, rates()), report: func(study.Attempt, int) error { return gone }}
	o := options(t, storage, 2)
	o.Trials = 3
	if err := sweep.Run(context.Background(), o); !errors.Is(err, gone) {
		t.Errorf("the error is %v", err)
	}
}

// TestFailures tells why trials fail, goes on where the fault is theirs, and
// ends where it seems to be another.
func TestFailures(t *testing.T) {
	for _, test := range []struct {
		fault  error
		failed int
		want   string
	}{
		{&trainer.SettingError{Flag: "dims", Text: "is wrong"}, 5, ""},
		{&trainer.DivergedError{Epoch: 1}, 5, ""},
		{errors.New("the GPU is gone"), 3, "3 trials in a row failed, trial 2 with: the GPU is gone"},
	} {
		storage := newStudy(t, rates())
		o := options(t, storage, 1)
		o.Trials, o.Recipe = 5, func(space.Point) (trainer.Recipe, error) { return trainer.Recipe{}, test.fault }
		err := sweep.Run(context.Background(), o)
		if test.want == "" && err != nil || test.want != "" && (err == nil || err.Error() != test.want) {
			t.Errorf("%v: the error is %v", test.fault, err)
		}
		all := trialsOf(t, storage)
		if n := sweep.CountOf(all); n.Failed != test.failed || len(all) != test.failed || all[0].Attributes["error"] != test.fault.Error() {
			t.Errorf("%v: there are %+v, the first with %v", test.fault, n, all[0].Attributes)
		}
		if _, ok := sweep.Best(all); ok {
			t.Errorf("%v: there is a best trial", test.fault)
		}
	}
}

// TestReleased wants a trial to be made that was given back again and again.
func TestReleased(t *testing.T) {
	storage := newStudy(t, rates())
	ctx := context.Background()
	for range 9 {
		a, err := storage.Ask(ctx, "interrupted", func(int, []search.Trial) (space.Point, error) { return space.Point{"learning-rate": 0.01}, nil })
		if err != nil || a.Trial != 0 {
			t.Fatalf("trial %d, %v", a.Trial, err)
		}
		if err := storage.Release(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	o := options(t, storage, 1)
	o.Trials = 1
	if err := sweep.Run(ctx, o); err != nil {
		t.Fatal(err)
	}
	if all := trialsOf(t, storage); len(all) != 1 || all[0].State != search.Complete {
		t.Errorf("%+v", all)
	}
}

// TestPoison fails a trial that has taken its worker with it again and again.
func TestPoison(t *testing.T) {
	storage := newStudy(t, rates())
	ctx := context.Background()
	for range 5 {
		a, err := storage.Ask(ctx, "victim", func(int, []search.Trial) (space.Point, error) { return space.Point{"learning-rate": 0.01}, nil })
		if err != nil || a.Trial != 0 {
			t.Fatalf("trial %d, %v", a.Trial, err)
		}
		if _, err := storage.Reclaim(ctx, "victim"); err != nil { // as after its end
			t.Fatal(err)
		}
	}
	o := options(t, storage, 1)
	o.Trials = 2
	if err := sweep.Run(ctx, o); err != nil {
		t.Fatal(err)
	}
	all := trialsOf(t, storage)
	if all[0].State != search.Failed || all[1].State != search.Complete {
		t.Errorf("the trials are %v and %v", all[0].State, all[1].State)
	}
	if why, _ := all[0].Attributes["error"].(string); !strings.Contains(why, "5 times its worker ended") {
		t.Errorf("it failed with %q", why)
	}
}

// TestBest prefers trials that were trained to their end, and the first of
// equals.
func TestBest(t *testing.T) {
	trial := func(n int, state search.State, value float64, reports int) study.Trial {
		return study.Trial{Trial: search.Trial{Number: n, State: state, Value: value, Reports: make([]search.Report, reports)}}
	}
	all := []study.Trial{
		trial(0, search.Failed, math.NaN(), 1), trial(1, search.Pruned, 0.99, 1), trial(2, search.Complete, 0.8, 9),
		trial(3, search.Complete, 0.9, 9), trial(4, search.Running, math.NaN(), 5), trial(5, search.Complete, 0.9, 9), trial(6, search.Pruned, 0.7, 4),
	}
	if best, ok := sweep.Best(all); !ok || best.Number != 3 {
		t.Errorf("the best is trial %d", best.Number)
	}
	var order []int
	for _, trial := range sweep.Ranked(all) {
		order = append(order, trial.Number)
	}
	if !slices.Equal(order, []int{3, 5, 2, 6, 1, 4, 0}) {
		t.Errorf("the order is %v", order)
	}
	if n := sweep.CountOf(all); n != (sweep.Count{Complete: 3, Pruned: 2, Failed: 1, Running: 1}) {
		t.Errorf("counted %+v", n)
	}
}

// TestDir takes a folder of a sweep alone, for one process at a time.
func TestDir(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "s")
	d, err := sweep.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sweep.OpenDir(path); err == nil || !strings.Contains(err.Error(), "is in use") {
		t.Errorf("a folder in use: %v", err)
	}
	if d.Begun() {
		t.Error("a new folder has a sweep")
	}
	if err := d.WriteSettings([]byte("sweep:\n")); err != nil || !d.Begun() {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(path, ".trials.csv-0123456789abcdef") // of a killed process
	if err := os.WriteFile(left, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if d, err = sweep.OpenDir(path); err != nil {
		t.Fatal(err)
	}
	d.Close()
	if _, err := os.Stat(left); err == nil {
		t.Error("what a killed process left stands there")
	}
	if err := os.WriteFile(filepath.Join(path, "thesis.tex"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := sweep.OpenDir(path); err == nil || !strings.Contains(err.Error(), "thesis.tex, which is not part of a sweep") {
		t.Errorf("a folder with something else: %v", err)
	}
}
