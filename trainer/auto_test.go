package trainer_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/sample"
	"github.com/cosfit/cosfit/trainer"
)

// TestAuto adds noise to all vectors in a few directions, which drowns what tells
// them apart: the start that makes all directions vary alike is to be chosen. In the sample as it is
// nothing is to be undone.
func TestAuto(t *testing.T) {
	r := quick()
	r.Dims, r.Epochs, r.Start, r.CrossValidate = 384, 1, trainer.Auto{}, 5
	for _, test := range []struct {
		name   string
		every  int32 // group alone, without a validation split; 0 for all with one
		noise  float64
		chosen bool
	}{
		{"as they are", 0, 0, false},
		{"drowned", 0, 1, true},
		{"in parts, as they are", 1, 0, false},
		{"in parts, drowned", 1, 1, true},
		{"few, drowned", 5, 1, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			data, err := loader.OpenFS(context.Background(), sample.FS(), sample.Name, loader.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if test.every > 0 {
				keep := make([]bool, data.Pairs.Len())
				for i, s := range data.Pairs.Split {
					keep[i] = (s == loader.Train || s == loader.Test) && data.Pairs.Group[i]%test.every == 0
				}
				data.Pairs = data.Pairs.Only(keep)
			}
			rng := rand.New(rand.NewPCG(1, 2))
			for row := data.Vectors.Data; len(row) > 0; row = row[384:] {
				for i := range 6 {
					row[i] += float32(test.noise * rng.NormFloat64())
				}
			}
			s, _ := train(t, data, r)
			notes := strings.Join(s.Data.Notes, "\n")
			if chosen := strings.Contains(notes, "training started from whitened embeddings"); chosen != test.chosen {
				t.Errorf("notes %q", notes)
			}
			if test.chosen && (!s.Judgement.Accepted || !strings.Contains(s.Judgement.Text, " the start had raised it from") || s.Judgement.Start != "whitened embeddings") {
				t.Errorf("judgement %+v", s.Judgement)
			}
			if gain := s.After["test"].ROCAUC - s.Before["test"].ROCAUC; test.chosen && gain < 0.05 {
				t.Errorf("test ROC AUC changed by %+.3f", gain)
			}
		})
	}
}

// comparing counts how often pairs are compared.
type comparing struct {
	graph.Backend
	times int
}

func (b *comparing) PairCosines(p graph.Array, left, right []int32, s []float32) error {
	b.times++
	return b.Backend.PairCosines(p, left, right, s)
}

// TestAutoOnce: trials of one workspace compare the starts once, unless something
// else is asked of them.
func TestAutoOnce(t *testing.T) {
	backend := &comparing{Backend: cpu.New(1)}
	w, err := trainer.NewWorkspace(planted(t), func() (graph.Backend, error) { return backend, nil })
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	recipe := quick()
	recipe.Epochs = 1
	compared := func() int {
		before := backend.times
		if _, err := trainer.Try(context.Background(), w, recipe, func(int, float64) bool { return true }); err != nil {
			t.Fatal(err)
		}
		return backend.times - before
	}
	without := compared()
	for _, test := range []struct {
		name   string
		change func()
		starts int // that are compared besides
	}{
		{"the first", func() { recipe.Start = trainer.Auto{} }, 4},
		{"another rate and loss", func() { recipe.LearningRate, recipe.Loss = recipe.LearningRate/2, &graph.CoSENT{Scale: 20} }, 0},
		{"other dimensions", func() { recipe.Dims = 10 }, 4},
		{"another seed", func() { recipe.Seed++ }, 4},
		{"another figure", func() { recipe.Metric = "ndcg_at_10" }, 4},
		{"the same once more", func() {}, 0},
		{"what was before", func() { recipe.Metric = "" }, 0},
	} {
		test.change()
		if got := compared() - without; got != test.starts {
			t.Errorf("%s: %d starts are compared, want %d", test.name, got, test.starts)
		}
	}
}
