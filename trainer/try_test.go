package trainer_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
)

// recipesToTry differ in everything that a workspace must tell apart: shapes,
// sides, losses with and without numbers of their own, optimisers, settings of
// one optimiser, starts with and without an offset.
func recipesToTry() map[string]trainer.Recipe {
	change := func(f func(r *trainer.Recipe)) trainer.Recipe {
		r := quick()
		r.Optimizer = &trainer.AdamW{WeightDecay: 2, ToStart: true}
		f(&r)
		return r
	}
	return map[string]trainer.Recipe{
		"plain":         change(func(*trainer.Recipe) {}),
		"other numbers": change(func(r *trainer.Recipe) { r.LearningRate, r.Dropout, r.BatchSize, r.Seed = 0.01, 0.3, 128, 9 }),
		"other decay":   change(func(r *trainer.Recipe) { r.Optimizer = &trainer.AdamW{WeightDecay: 30, ToStart: true} }),
		"to zero":       change(func(r *trainer.Recipe) { r.Optimizer = &trainer.AdamW{WeightDecay: 30} }),
		"sgd":           change(func(r *trainer.Recipe) { r.Optimizer, r.LearningRate = &trainer.SGD{}, 1 }),
		"momentum":      change(func(r *trainer.Recipe) { r.Optimizer, r.LearningRate = &trainer.SGD{Momentum: 0.9}, 1 }),
		"dims":          change(func(r *trainer.Recipe) { r.Dims = 10 }),
		"dual":          change(func(r *trainer.Recipe) { r.Side = graph.Dual }),
		"fitted":        change(func(r *trainer.Recipe) { r.Loss = &graph.Logistic{Scale: 20, Threshold: 0.5, Learn: true} }),
		"fitted more":   change(func(r *trainer.Recipe) { r.Loss = &graph.Logistic{Scale: 10, Threshold: 0.5, Learn: true} }),
		"infonce":       change(func(r *trainer.Recipe) { r.Loss = &graph.InfoNCE{Temperature: 0.05} }),
		"centred":       change(func(r *trainer.Recipe) { r.Start = trainer.Centred{} }),
		"pca":           change(func(r *trainer.Recipe) { r.Start = trainer.PCA{} }),
		"auto":          change(func(r *trainer.Recipe) { r.Start = trainer.Auto{} }),
		"auto, queries": change(func(r *trainer.Recipe) { r.Start, r.Side, r.Dims = trainer.Auto{}, graph.Query, 256 }),
		"auto, search":  change(func(r *trainer.Recipe) { r.Start, r.Metric = trainer.Auto{}, "ndcg_at_10" }),
		"closed form":   closed(&trainer.Ridge{Penalty: 1}, graph.Query, 256),
	}
}

// closed is a closed form that a validation split judges.
func closed(f trainer.ClosedForm, side graph.Side, dims int) trainer.Recipe {
	r := trainer.Closed(f, side, dims)
	r.CrossValidate = 0
	return r
}

// history trains as cosfit train does and returns validation's figures.
func trained(t *testing.T, recipe trainer.Recipe) (figures []float64) {
	t.Helper()
	_, err := trainer.Train(context.Background(), planted(t), trainer.Options{Recipe: recipe, Backend: cpu.New(1), Dir: newDir(t),
		Progress: func(p trainer.Progress) { figures = append(figures, float64(p.Rows[1].Selection)) }})
	if err != nil {
		t.Fatal(err)
	}
	return figures
}

// TestTry wants the figures of Train to the bit, from one workspace for all
// recipes in any order, after more of them than it keeps, and again.
func TestTry(t *testing.T) {
	data := planted(t)
	recipes, opened := recipesToTry(), 0
	w, err := trainer.NewWorkspace(data, func() (graph.Backend, error) { opened++; return cpu.New(1), nil })
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range recipes {
			if !yield(name) {
				return
			}
		}
	})
	want := map[string][]float64{}
	for turn := range 2 {
		for _, name := range names {
			if turn == 0 {
				want[name] = trained(t, recipes[name])
			}
			var got []float64
			tried, err := trainer.Try(context.Background(), w, recipes[name], func(epoch int, figure float64) bool {
				if got = append(got, figure); len(got) != epoch {
					t.Errorf("%s: figure %d is called that of epoch %d", name, len(got), epoch)
				}
				return true
			})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if w := want[name]; !slices.Equal(got, w[1:]) || tried.Start != w[0] || tried.Best != slices.Max(w[1:]) || tried.BestEpoch != 1+slices.Index(got, tried.Best) || tried.Epochs != len(got) || tried.Stopped {
				t.Errorf("%s, turn %d: tried %+v with %v, trained %v", name, turn, tried, got, w)
			}
		}
		slices.Reverse(names)
	}
	if opened < 2 || opened > 6 {
		t.Errorf("%d backends were opened for %d recipes that share some of their parts", opened, 2*len(recipes))
	}
}

// TestTryStops ends a training in its middle, and wants the next one untouched
// by that.
func TestTryStops(t *testing.T) {
	data := planted(t)
	w, err := trainer.NewWorkspace(data, func() (graph.Backend, error) { return cpu.New(1), nil })
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	tried, err := trainer.Try(context.Background(), w, quick(), func(epoch int, _ float64) bool { return epoch < 2 })
	if err != nil || !tried.Stopped || tried.Epochs != 2 || tried.Pairs != int64(2*len(data.Indices(loader.Train))) {
		t.Errorf("tried %+v, %v; want an end after epoch 2", tried, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := trainer.Try(ctx, w, quick(), func(int, float64) bool { cancel(); return true }); !errors.Is(err, trainer.ErrInterrupted) {
		t.Errorf("the end of the context gives %v", err)
	}
	var got []float64
	if _, err := trainer.Try(context.Background(), w, quick(), func(_ int, f float64) bool { got = append(got, f); return true }); err != nil {
		t.Fatal(err)
	}
	if want := trained(t, quick())[1:]; !slices.Equal(got, want) {
		t.Errorf("figures are %v, of a training by itself %v", got, want)
	}
}

// TestTryKeepsTestApart refuses to choose on the test split.
func TestTryKeepsTestApart(t *testing.T) {
	w, err := trainer.NewWorkspace(planted(t), func() (graph.Backend, error) { return cpu.New(1), nil })
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := trainer.Try(context.Background(), w, trainer.Notebook(256), nil); err == nil {
		t.Error("a recipe that chooses on test was tried")
	}
}
