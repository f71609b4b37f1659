package trainer_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
)

// planted opens pairs whose labels follow from a linear signal; planted.py
// wrote them with pandas.
func planted(t testing.TB) *loader.Dataset {
	t.Helper()
	data, err := loader.Open(context.Background(), "testdata/planted.parquet", loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func newDir(t testing.TB) rundir.Dir {
	t.Helper()
	dir, err := rundir.Create(filepath.Join(t.TempDir(), "run"), false)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// quick is a recipe small enough to run many times.
func quick() trainer.Recipe {
	r := trainer.Default(256)
	r.Dims, r.Epochs, r.BatchSize, r.Seed = 12, 3, 300, 5
	r.Start, r.Loss, r.CrossValidate = trainer.Identity{}, graph.MSE{}, 0
	return r
}

func matrixBytes(t *testing.T, dir rundir.Dir) string {
	t.Helper()
	b, err := os.ReadFile(dir.MatrixPath())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// asJSON makes unknown figures comparable.
func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestNotebookRecipe runs the notebook's recipe on a wide file that pandas
// wrote, and wants the planted signal back.
func TestNotebookRecipe(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for seconds")
	}
	recipe := trainer.Notebook(256)
	recipe.Dims = 128
	s, err := trainer.Train(context.Background(), planted(t), trainer.Options{Recipe: recipe, Backend: cpu.New(0), Dir: newDir(t)})
	if err != nil {
		t.Fatal(err)
	}
	before, after := s.Before["test"], s.After["test"]
	if before.AccuracyBestThreshold > 0.75 {
		t.Errorf("untrained accuracy is %.3f: the signal is not hidden", before.AccuracyBestThreshold)
	}
	if after.AccuracyBestThreshold < 0.95 {
		t.Errorf("accuracy is %.3f after training, want at least 0.95", after.AccuracyBestThreshold)
	}
	if s.SelectedOn != "test" || s.Epochs != 20 || s.Data.Pairs["validation"] != 0 {
		t.Errorf("selected on %s after %d epochs with %d validation pairs, want test, 20, 0", s.SelectedOn, s.Epochs, s.Data.Pairs["validation"])
	}
	if !strings.Contains(s.Judgement.Text, "flatters") {
		t.Errorf("the judgement does not say that test chose the epoch: %s", s.Judgement.Text)
	}
}

func TestDefaultRecipe(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for seconds")
	}
	data := planted(t)
	s, err := trainer.Train(context.Background(), data, trainer.Options{Recipe: trainer.Default(256), Backend: cpu.New(0), Dir: newDir(t)})
	if err != nil {
		t.Fatal(err)
	}
	if !s.Judgement.Accepted || s.After["test"].ROCAUC < 0.97 || s.Comparisons["test"]["roc_auc"].GainInterval.Low < 0.15 {
		t.Errorf("accepted %v with ROC AUC %.3f, want the planted signal found", s.Judgement.Accepted, s.After["test"].ROCAUC)
	}
	if chosen := s.After[s.SelectedOn].Threshold; s.SelectedOn != trainer.CrossValidation || chosen != s.After["test"].Threshold {
		t.Errorf("the test threshold %v is not %s's %v", s.After["test"].Threshold, s.SelectedOn, chosen)
	}
}

// TestNothingToLearn shuffles the labels: whatever training finds must be
// refused, and the result is the start, bit for bit.
func TestNothingToLearn(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for seconds")
	}
	refused := 0
	for seed := range uint64(5) {
		data := planted(t)
		rng := rand.New(rand.NewPCG(seed, 1))
		rng.Shuffle(len(data.Pairs.Label), func(i, j int) {
			data.Pairs.Label[i], data.Pairs.Label[j] = data.Pairs.Label[j], data.Pairs.Label[i]
		})
		recipe, dir := quick(), newDir(t)
		recipe.Dims = 256
		s, err := trainer.Train(context.Background(), data, trainer.Options{Recipe: recipe, Backend: cpu.New(0), Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if s.Judgement.Accepted {
			continue
		}
		refused++
		p, err := dir.ReadMatrix()
		if err != nil {
			t.Fatal(err)
		}
		identity, _ := trainer.Identity{}.Begin(data, 256, 0)
		if !slices.Equal(p.Matrix, identity.Matrix) {
			t.Error("a refused run's result is not its start")
		}
		if s.BestEpoch != 0 || s.After["test"].ROCAUC != s.Before["test"].ROCAUC {
			t.Errorf("best epoch %d, ROC AUC %v after and %v before, want the start's", s.BestEpoch, s.After["test"].ROCAUC, s.Before["test"].ROCAUC)
		}
	}
	if refused < 3 { // chance gains one standard error in about one run of six
		t.Errorf("%d of 5 runs on shuffled labels were refused", refused)
	}
}

// TestSameBits wants one matrix from any number of threads and any
// interruptions.
func TestSameBits(t *testing.T) {
	train := func(threads int, dir rundir.Dir) rundir.Summary {
		s, err := trainer.Train(context.Background(), planted(t), trainer.Options{Recipe: quick(), Backend: cpu.New(threads), Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	dir := newDir(t)
	summary := train(1, dir)
	want := matrixBytes(t, dir)
	for _, threads := range []int{2, 8} {
		other := newDir(t)
		train(threads, other)
		if matrixBytes(t, other) != want {
			t.Errorf("%d threads give another matrix than 1", threads)
		}
	}
	for _, after := range []int{0, 1, 2, 3, 5, 8} {
		other := newDir(t)
		s := interruptedRun(t, other, after)
		if matrixBytes(t, other) != want {
			t.Errorf("interrupted after every %d steps: another matrix", after+1)
		}
		if asJSON(t, s.After) != asJSON(t, summary.After) || s.Steps != summary.Steps || s.BestEpoch != summary.BestEpoch {
			t.Errorf("interrupted after every %d steps: another summary", after+1)
		}
		if entries, _ := os.ReadDir(filepath.Join(other.Path(), "checkpoint")); entries != nil {
			t.Error("a finished run keeps its checkpoint")
		}
	}
}

// interruptedRun ends each call after a few steps and resumes until the run
// is finished.
func interruptedRun(t *testing.T, dir rundir.Dir, after int) rundir.Summary {
	t.Helper()
	return interruptedRunOf(t, planted, quick(), dir, after)
}

func interruptedRunOf(t *testing.T, open func(testing.TB) *loader.Dataset, recipe trainer.Recipe, dir rundir.Dir, after int) rundir.Summary {
	t.Helper()
	for call := 0; call < 100; call++ {
		ctx, cancel := context.WithCancel(context.Background())
		backend := &interrupting{Backend: cpu.New(0), left: after, cancel: cancel}
		s, err := trainer.Train(ctx, open(t), trainer.Options{Recipe: recipe, Backend: backend, Dir: dir, Resume: call > 0})
		cancel()
		if err == nil {
			return s
		}
		if !errors.Is(err, trainer.ErrInterrupted) {
			t.Fatal(err)
		}
	}
	t.Fatal("the run makes no headway")
	return rundir.Summary{}
}

// interrupting cancels a context after some updates.
type interrupting struct {
	graph.Backend
	left   int
	cancel func()
}

func (b *interrupting) NewSidedProject(side graph.Side, d, k int) (graph.ProjectKernel, error) {
	return b.Backend.(graph.SidedBackend).NewSidedProject(side, d, k)
}

func (b *interrupting) NewShape(shape graph.Shape, sides, d, k int) (graph.ShapeKernel, error) {
	return b.Backend.(graph.ShapedBackend).NewShape(shape, sides, d, k)
}

func (b *interrupting) NewUpdate(rule graph.Rule, size int) (graph.UpdateKernel, error) {
	u, err := b.Backend.NewUpdate(rule, size)
	return &countingUpdate{u, b}, err
}

type countingUpdate struct {
	graph.UpdateKernel
	backend *interrupting
}

func (u *countingUpdate) Apply(h graph.Hyper, w, g graph.Array) error {
	if u.backend.left == 0 {
		u.backend.cancel()
	}
	u.backend.left--
	return u.UpdateKernel.Apply(h, w, g)
}

// TestCheckpointFails: a checkpoint that cannot be written ends the run, in the
// next epoch, or in the end where it was the last.
func TestCheckpointFails(t *testing.T) {
	recipe := quick()
	for _, failing := range []int{1, recipe.Epochs} {
		dir, last := newDir(t), 0
		where := filepath.Join(dir.Path(), "checkpoint")
		_, err := trainer.Train(context.Background(), planted(t), trainer.Options{Recipe: recipe, Backend: cpu.New(0), Dir: dir,
			Progress: func(p trainer.Progress) {
				if last = p.Epoch; p.Epoch != failing {
					return
				}
				for errors.Join(os.RemoveAll(where), os.WriteFile(where, nil, 0o666)) != nil { // beside the last one, which may still be written
				}
			}})
		if err == nil || !strings.Contains(err.Error(), where) {
			t.Errorf("the checkpoint of epoch %d of %d failed: the error is %v", failing, recipe.Epochs, err)
		}
		if last > failing+1 {
			t.Errorf("the checkpoint of epoch %d failed, and epoch %d was trained", failing, last)
		}
		if _, err := dir.ReadSummary(); err == nil {
			t.Error("there is a result all the same")
		}
	}
}

// TestCheckpointAfterOneThatFailed interrupts a training while a checkpoint fails, and
// makes room for the next: that is written, and the run goes on from it.
func TestCheckpointAfterOneThatFailed(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	backend, dir := &mending{Backend: cpu.New(0)}, newDir(t)
	where := filepath.Join(dir.Path(), "checkpoint")
	backend.mend = func() { os.Remove(where) }
	opts := trainer.Options{Recipe: quick(), Backend: backend, Dir: dir, Progress: func(p trainer.Progress) {
		if p.Epoch == 1 {
			for errors.Join(os.RemoveAll(where), os.WriteFile(where, nil, 0o666)) != nil {
			}
			backend.armed = true
			cancel()
		}
	}}
	if _, err := trainer.Train(ctx, planted(t), opts); !errors.Is(err, trainer.ErrInterrupted) {
		t.Fatalf("the error is %v", err)
	}
	opts.Resume, opts.Progress, opts.Backend = true, nil, cpu.New(0)
	if s, err := trainer.Train(context.Background(), planted(t), opts); err != nil || s.Epochs != opts.Recipe.Epochs {
		t.Errorf("resumed, %d epochs, %v", s.Epochs, err)
	}
}

// mending calls mend, once armed, when the array that is downloaded first is downloaded
// again, which a second checkpoint does.
type mending struct {
	graph.Backend
	armed bool
	first graph.Array
	mend  func()
}

func (b *mending) Download(dst []float32, src graph.Array) error {
	switch {
	case b.armed && b.first == nil:
		b.first = src
	case b.armed && b.first == src:
		b.mend()
	}
	return b.Backend.Download(dst, src)
}

// TestCheckpointInTime breaks runs off without a word, as a crash does, and
// wants them to go on from within the epoch where checkpoints are close, and
// from its beginning where they are not.
func TestCheckpointInTime(t *testing.T) {
	const perEpoch, updates = 4, 6 // steps in an epoch, steps before the crash
	train := func(dir rundir.Dir, every time.Duration, left int, resume bool) (rundir.Summary, int, error) {
		backend := &crashing{Backend: cpu.New(0), left: left}
		s, err := trainer.Train(context.Background(), planted(t), trainer.Options{
			Recipe: quick(), Backend: backend, Dir: dir, Resume: resume, CheckpointEvery: every,
		})
		return s, left - backend.left, err
	}
	dir := newDir(t)
	summary, steps, err := train(dir, 0, 1000, false)
	if err != nil || steps%perEpoch != 0 || steps != summary.Steps {
		t.Fatalf("%d steps, the summary says %d, %v", steps, summary.Steps, err)
	}
	want := matrixBytes(t, dir)
	for _, try := range []struct {
		every time.Duration
		left  int
	}{
		{time.Nanosecond, steps - updates},
		{0, steps - perEpoch},
	} {
		dir := newDir(t)
		if _, _, err := train(dir, try.every, updates, false); !errors.Is(err, errCrash) {
			t.Fatalf("error is %v, want the crash", err)
		}
		s, left, err := train(dir, try.every, 1000, true)
		if err != nil {
			t.Fatal(err)
		}
		if left != try.left {
			t.Errorf("a checkpoint every %v: the resumed run took %d steps, want %d", try.every, left, try.left)
		}
		if matrixBytes(t, dir) != want || asJSON(t, s.After) != asJSON(t, summary.After) || s.Steps != summary.Steps {
			t.Errorf("a checkpoint every %v: another result", try.every)
		}
	}
}

var errCrash = errors.New("crash")

// crashing fails after some updates.
type crashing struct {
	graph.Backend
	left int
}

func (b *crashing) NewUpdate(rule graph.Rule, size int) (graph.UpdateKernel, error) {
	u, err := b.Backend.NewUpdate(rule, size)
	return &crashingUpdate{u, b}, err
}

type crashingUpdate struct {
	graph.UpdateKernel
	backend *crashing
}

func (u *crashingUpdate) Apply(h graph.Hyper, w, g graph.Array) error {
	if u.backend.left == 0 {
		return errCrash
	}
	u.backend.left--
	return u.UpdateKernel.Apply(h, w, g)
}

func TestResumeRefusesOtherSettings(t *testing.T) {
	dir := newDir(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := trainer.Train(ctx, planted(t), trainer.Options{Recipe: quick(), Backend: cpu.New(0), Dir: dir})
	if !errors.Is(err, trainer.ErrInterrupted) {
		t.Fatalf("error is %v", err)
	}
	other := quick()
	other.LearningRate, other.Seed = 0.5, 6
	data := planted(t)
	wider, plain := quick(), quick()
	wider.Dims, plain.Optimizer = 13, trainer.SGD{}
	for name, try := range map[string]struct {
		recipe  trainer.Recipe
		data    *loader.Dataset
		version string
		want    string
	}{
		"version":   {quick(), data, "0.9", `cosfit_version was "" and is "0.9"`},
		"settings":  {other, data, "", "learning_rate was 0.0025 and is 0.5; seed was 5 and is 6"},
		"dims":      {wider, data, "", "dims was 12 and is 13"},
		"optimizer": {plain, data, "", "optimizer was"},
		"data":      {quick(), changedLabel(t), "", "data was"},
	} {
		_, err := trainer.Train(context.Background(), try.data, trainer.Options{Recipe: try.recipe, Backend: cpu.New(0), Dir: dir, Resume: true, Version: try.version})
		if err == nil || !strings.Contains(err.Error(), try.want) {
			t.Errorf("other %s: error is %v, want one with %q", name, err, try.want)
		}
	}
}

func changedLabel(t *testing.T) *loader.Dataset {
	data := planted(t)
	data.Pairs.Label[0] = 1 - data.Pairs.Label[0]
	return data
}

// TestRepeatedPairs: pairs that come again are counted, those of other splits are not.
func TestRepeatedPairs(t *testing.T) {
	data := planted(t)
	p := &data.Pairs
	again := slices.Concat(data.Indices(loader.Train)[:3], data.Indices(loader.Train)[:1], data.Indices(loader.Test)[:5])
	for _, i := range again {
		p.Left, p.Right, p.Label = append(p.Left, p.Left[i]), append(p.Right, p.Right[i]), append(p.Label, p.Label[i])
		p.Group, p.Split, p.Kind = append(p.Group, p.Group[i]), append(p.Split, p.Split[i]), append(p.Kind, p.Kind[i])
	}
	recipe := quick()
	recipe.Epochs = 1
	s, err := trainer.Train(context.Background(), data, trainer.Options{Recipe: recipe, Backend: cpu.New(1), Dir: newDir(t)})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, note := range s.Data.Notes {
		if strings.HasPrefix(note, "4 of the ") && strings.Contains(note, " training pairs repeat the two texts of another one") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("the notes are %q", s.Data.Notes)
	}
}

func TestDiverged(t *testing.T) {
	recipe := quick()
	recipe.LearningRate = 1e38
	_, err := trainer.Train(context.Background(), planted(t), trainer.Options{Recipe: recipe, Backend: cpu.New(0), Dir: newDir(t)})
	if err == nil || !strings.Contains(err.Error(), "diverged") {
		t.Errorf("error is %v, want one that says that the training diverged", err)
	}
}

func TestPrepare(t *testing.T) {
	valid := func() trainer.Recipe { return quick() }
	oneClass := planted(t)
	for i := range oneClass.Pairs.Label {
		oneClass.Pairs.Label[i] = 1
	}
	noTrain := planted(t)
	for i := range noTrain.Pairs.Split {
		noTrain.Pairs.Split[i] = loader.Test
	}
	change := func(f func(*trainer.Recipe)) trainer.Recipe {
		r := valid()
		f(&r)
		return r
	}
	for name, try := range map[string]struct {
		data   *loader.Dataset
		recipe trainer.Recipe
		want   string
	}{
		"dims":          {planted(t), change(func(r *trainer.Recipe) { r.Dims = 0 }), "--dims is 0, want a positive number"},
		"epochs":        {planted(t), change(func(r *trainer.Recipe) { r.Epochs = 0 }), "--epochs is 0, want at least 1"},
		"batch size":    {planted(t), change(func(r *trainer.Recipe) { r.BatchSize = -1 }), "--batch-size is -1, want at least 1"},
		"learning rate": {planted(t), change(func(r *trainer.Recipe) { r.LearningRate = -1 }), "--learning-rate is -1, want a positive number"},
		"dropout":       {planted(t), change(func(r *trainer.Recipe) { r.Dropout = 1 }), "--dropout is 1, want a number from 0 up to but not including 1"},
		"patience":      {planted(t), change(func(r *trainer.Recipe) { r.Patience = -1 }), "--patience is -1, want 0 or more"},
		"k > d":         {planted(t), change(func(r *trainer.Recipe) { r.Dims = 257 }), `--dims 257 is more than the embeddings' 256, which identity cannot fill: use at most 256, or --init random`},
		"odd halves":    {planted(t), change(func(r *trainer.Recipe) { r.Loss, r.Dims = graph.AnglE{Scale: 20}, 15 }), "--loss angle wants vectors of an even number of dimensions: --dims and --matryoshka must be even"},
		"one class":     {oneClass, valid(), "testdata/planted.parquet: all 1188 pairs of the train split are similar: --loss mse needs both kinds, so use --loss infonce, or add negatives (cosfit mine)"},
		"no train":      {noTrain, valid(), `testdata/planted.parquet: the train split is empty: too few groups, or none marked "train"; label pairs of more groups, or mark some`},
	} {
		t.Run(name, func(t *testing.T) {
			if err := trainer.Prepare(try.data, try.recipe); err == nil || err.Error() != try.want {
				t.Errorf("error is %q, want %q", err, try.want)
			}
		})
	}
}

// TestWiderThanDeep trains with k > d, which only a random start can.
func TestWiderThanDeep(t *testing.T) {
	recipe := trainer.Notebook(256)
	recipe.Dims, recipe.Epochs = 300, 1
	dir := newDir(t)
	if _, err := trainer.Train(context.Background(), planted(t), trainer.Options{Recipe: recipe, Backend: cpu.New(0), Dir: dir}); err != nil {
		t.Fatal(err)
	}
	if p, err := dir.ReadMatrix(); err != nil || p.Out != 300 {
		t.Errorf("the matrix is %v wide, %v", p.Out, err)
	}
}

// TestGradedLabels trains on scores between 0 and 1 and is judged by
// Spearman's correlation.
func TestGradedLabels(t *testing.T) {
	data := planted(t)
	rng := rand.New(rand.NewPCG(3, 3))
	for i, l := range data.Pairs.Label {
		data.Pairs.Label[i] = 0.7*l + 0.3*rng.Float32()
	}
	data.Labels.Graded = true
	s, err := trainer.Train(context.Background(), data, trainer.Options{Recipe: quick(), Backend: cpu.New(0), Dir: newDir(t)})
	if err != nil {
		t.Fatal(err)
	}
	m := s.After["test"]
	if s.Selection != "spearman" || !m.Spearman.Known() || !m.Pearson.Known() || m.ROCAUC.Known() || m.Accuracy.Known() || m.MRR.Known() {
		t.Errorf("selection %s, metrics %+v: want correlations and nothing else", s.Selection, m)
	}
	if m.Spearman <= s.Before["test"].Spearman {
		t.Errorf("Spearman went from %.3f to %.3f", s.Before["test"].Spearman, m.Spearman)
	}
}

// TestEvaluateAgrees scores a finished run again from its files.
func TestEvaluateAgrees(t *testing.T) {
	for name, change := range map[string]func(*trainer.Recipe){
		"both":    func(*trainer.Recipe) {},
		"centred": func(r *trainer.Recipe) { r.Start = trainer.Centred{} },
		"query":   func(r *trainer.Recipe) { r.Side, r.Dims, r.Start = graph.Query, 256, trainer.Identity{} },
		"low rank, dual": func(r *trainer.Recipe) {
			r.Shape, r.Side, r.Start = graph.LowRank{Rank: 5}, graph.Dual, trainer.Whitened{Power: 0.5}
		},
		"diagonal":      func(r *trainer.Recipe) { r.Shape, r.Start, r.Average = graph.Diagonal{}, trainer.Identity{}, 0.5 },
		"averaged":      func(r *trainer.Recipe) { r.Average = 0.9 },
		"dual, centred": func(r *trainer.Recipe) { r.Side, r.Start = graph.Dual, trainer.Centred{} },
	} {
		t.Run(name, func(t *testing.T) { evaluateAgrees(t, change) })
	}
}

func evaluateAgrees(t *testing.T, change func(*trainer.Recipe)) {
	dir, data, recipe := newDir(t), planted(t), quick()
	change(&recipe)
	want, err := trainer.Train(context.Background(), data, trainer.Options{Recipe: recipe, Backend: cpu.New(0), Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	p, err := dir.ReadMatrix()
	if err != nil {
		t.Fatal(err)
	}
	got, scores, err := trainer.Evaluate(context.Background(), data, p, trainer.EvaluateOptions{Backend: cpu.New(0), Split: loader.Test})
	if err != nil {
		t.Fatal(err)
	}
	if asJSON(t, got.Before) != asJSON(t, want.Before) || asJSON(t, got.After) != asJSON(t, want.After) {
		t.Errorf("got %s, want %s", asJSON(t, got.After), asJSON(t, want.After))
	}
	recorded, err := dir.ReadScores()
	if err != nil || !slices.Equal(scores, recorded) {
		t.Errorf("the scores differ from scores.parquet, %v", err)
	}
	p.In, p.Matrix, p.MatrixRight = 255, p.Matrix[:255*p.Out], nil
	if _, _, err := trainer.Evaluate(context.Background(), data, p, trainer.EvaluateOptions{Backend: cpu.New(0), Split: loader.Test}); err == nil || !strings.Contains(err.Error(), "256 dimensions, but the matrix takes 255") {
		t.Errorf("a matrix of another size: error is %v", err)
	}
}

// TestConstantScores wants a plain refusal where graded labels do not vary.
func TestConstantScores(t *testing.T) {
	data := planted(t)
	data.CarveValidation()
	data.Labels.Graded = true
	for _, i := range data.Indices(loader.Validation) {
		data.Pairs.Label[i] = 0.5
	}
	err := trainer.Prepare(data, quick())
	if want := "testdata/planted.parquet: all 212 pairs of the validation split have the label 0.5: different ones are needed"; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}
