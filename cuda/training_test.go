//go:build gpu && linux

package cuda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
)

// interrupting cancels a context after some updates.
type interrupting struct {
	*Backend
	left   int
	cancel func()
}

func (b *interrupting) NewUpdate(rule graph.Rule, size int) (graph.UpdateKernel, error) {
	u, err := b.Backend.NewUpdate(rule, size)
	return &counting{u, b}, err
}

type counting struct {
	graph.UpdateKernel
	backend *interrupting
}

func (u *counting) Apply(h graph.Hyper, w, g graph.Array) error {
	if u.backend.left == 0 {
		u.backend.cancel()
	}
	u.backend.left--
	return u.UpdateKernel.Apply(h, w, g)
}

// few is a file of pairs that a fake device gets through in a second: groups of
// a question and three answers, of which the first is near it in half of the
// dimensions. The other half is noise, which a matrix learns to leave out.
func few(t *testing.T) string {
	t.Helper()
	type row struct {
		Question []float32 `parquet:"question_text_EMB,list"`
		Answer   []float32 `parquet:"candidate_answers_EMB,list"`
		Label    int32     `parquet:"label"`
		Group    string    `parquet:"group"`
	}
	const d = 12
	var rows []row
	for group := range 80 {
		vectors := random(uint64(group), 4*d)
		question, near, second, third := vectors[:d], vectors[d:2*d], vectors[2*d:3*d], vectors[3*d:]
		for i := range d / 2 {
			near[i] = question[i] + near[i]/2
		}
		for i := range vectors {
			if i%d >= d/2 {
				vectors[i] *= 3
			}
		}
		for i, answer := range [][]float32{near, second, third} {
			rows = append(rows, row{question, answer, int32(min(i, 1) ^ 1), fmt.Sprint(group)})
		}
	}
	file := filepath.Join(t.TempDir(), "few.parquet")
	do(t, parquet.WriteFile(file, rows))
	return file
}

// trained is a run's matrix, after as many interruptions as there are numbers
// of steps; each call opens the backend anew, with options of its own or the
// last ones.
func trained(t *testing.T, file string, memory int64, steps []int, options ...settings) string {
	t.Helper()
	dir := must(rundir.Create(filepath.Join(t.TempDir(), "run"), false))(t)
	recipe := trainer.Default(12)
	recipe.Start, recipe.CrossValidate = trainer.Identity{}, 0
	recipe.Epochs, recipe.BatchSize, recipe.ShuffleWindow, recipe.Dropout, recipe.LearningRate = 4, 32, 60, 0.1, 0.05
	recipe.Optimizer = trainer.Adam{}
	for call := 0; ; call++ {
		data := must(loader.Open(context.Background(), file, loader.Options{Memory: memory, Scratch: t.TempDir(), Columns: loader.Columns{Group: "group"}}))(t)
		if streamed := data.Vectors.Data == nil; streamed != (memory > 0) {
			t.Fatalf("streamed is %v with %d bytes", streamed, memory)
		}
		ctx, cancel := context.WithCancel(context.Background())
		b := openWith(t, options[min(call, len(options)-1)])
		interrupted := &interrupting{b, -1, cancel}
		if call < len(steps) {
			interrupted.left = steps[call]
		}
		_, err := trainer.Train(ctx, data, trainer.Options{Recipe: recipe, Backend: interrupted, Dir: dir, Resume: call > 0})
		cancel()
		do(t, b.Close(), data.Close())
		if call < len(steps) {
			if !errors.Is(err, trainer.ErrInterrupted) {
				t.Fatalf("call %d: %v", call, err)
			}
			continue
		}
		do(t, err)
		p := must(dir.ReadMatrix())(t)
		if slices.Equal(p.Matrix, must(trainer.Identity{}.Begin(data, 12, 0))(t).Matrix) {
			t.Fatal("the result is the start, which shows nothing")
		}
		return string(must(os.ReadFile(dir.MatrixPath()))(t))
	}
}

// One matrix comes from every way to run: vectors in memory or streamed, steps
// recorded or told, interrupted and gone on with, then too on a backend that
// would choose other algorithms by itself.
func TestOneResultOnDevice(t *testing.T) {
	file := few(t)
	second := settings{algorithm: 2}
	want := trained(t, file, 0, nil, second)
	told, other := second, second
	told.recordNothing = true
	other.algorithm = 1
	if trained(t, file, 0, nil, other) == want && onFakeDevice(t) { // a GPU's algorithms may agree
		t.Error("another algorithm has the same bits, so this test shows nothing about choices")
	}
	const little = 4000 // bytes, of vectors that take twice as much
	for name, got := range map[string]string{
		"told call by call": trained(t, file, 0, nil, told),
		"streamed":          trained(t, file, little, nil, second),
		"interrupted":       trained(t, file, 0, []int{10, 1, 5}, second, other),
		"interrupted while it streams, gone on with by whatever is fastest": trained(t, file, little, []int{12}, second, settings{Options: Options{Cache: t.TempDir()}}),
	} {
		if got != want {
			t.Errorf("%s: another matrix", name)
		}
	}
}

// By the default recipe, whose loss learns numbers of its own, and by one that
// compares all vectors of a batch, a device learns what the CPU does.
func TestRecipesOnDevice(t *testing.T) {
	file := few(t)
	train := func(t *testing.T, b graph.Backend, loss graph.Objective) (matrix, learned []float32) {
		t.Helper()
		recipe := trainer.Default(12)
		if loss != nil {
			recipe.Loss = loss
		}
		recipe.Epochs, recipe.BatchSize, recipe.LearningRate, recipe.CrossValidate = 4, 32, 0.05, 0
		data := must(loader.Open(context.Background(), file, loader.Options{Columns: loader.Columns{Group: "group"}}))(t)
		dir := must(rundir.Create(filepath.Join(t.TempDir(), "run"), false))(t)
		summary := must(trainer.Train(context.Background(), data, trainer.Options{Recipe: recipe, Backend: b, Dir: dir}))(t)
		do(t, data.Close(), b.Close())
		if summary.BestEpoch == 0 {
			t.Fatal("the result is the start, which compares nothing")
		}
		var own struct{ Scale, Threshold, Temperature float32 }
		do(t, json.Unmarshal(summary.LearnedLoss.Settings, &own))
		return must(dir.ReadMatrix())(t).Matrix, []float32{own.Scale, own.Threshold, own.Temperature}
	}
	for name, loss := range map[string]graph.Objective{"default": nil, "infonce": graph.InfoNCE{Temperature: 0.1, Symmetric: true, Learn: true}} {
		want, wantLearned := train(t, cpu.New(1), loss)
		for precision, tolerance := range tolerances {
			if loss != nil && precision != TF32 { // a fake device takes its time
				continue
			}
			t.Run(name+"/"+string(precision), func(t *testing.T) {
				got, learned := train(t, openWith(t, settings{Options: Options{Precision: precision}, algorithm: 1}), loss)
				matrix, numbers := distance(got, want), distance(learned, wantLearned)
				if !(matrix <= tolerance && numbers <= tolerance) {
					t.Errorf("the matrix is off by %.2g, want at most %g; learned %v, on the CPU %v", matrix, tolerance, learned, wantLearned)
				}
			})
		}
	}
}

// onFakeDevice says whether the device is the fake one.
func onFakeDevice(t *testing.T) bool {
	t.Helper()
	devices := must(Devices())(t)
	return strings.HasPrefix(devices[0].Name, "fake device")
}
