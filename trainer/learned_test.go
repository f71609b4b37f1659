package trainer_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
)

// fewPlanted has so few training pairs, and wrong ones among them, that the best epoch is not the last.
func fewPlanted(t *testing.T) *loader.Dataset {
	data := planted(t)
	data.CarveValidation()
	for i, of := range data.Indices(loader.Train) {
		switch {
		case i%8 > 0:
			data.Pairs.Split[of] = loader.Test
		case i%24 == 0:
			label := &data.Pairs.Label[of]
			*label = float32(data.Labels.Min+data.Labels.Max) - *label
		}
	}
	return data
}

// TestLearnedLoss: the summary has what the loss had learned by the best epoch,
// which is not the last, and reports the loss with it, also after an interruption
// in an epoch behind it.
func TestLearnedLoss(t *testing.T) {
	recipe := quick()
	recipe.Epochs, recipe.LearningRate, recipe.BatchSize, recipe.Schedule = 30, 0.1, 20, trainer.Constant{}
	recipe.Optimizer = trainer.Adam{}
	recipe.Loss = graph.Logistic{Scale: 20, Threshold: 0.5, Learn: true}
	check := func(s rundir.Summary, dir rundir.Dir) {
		t.Helper()
		if s.BestEpoch == 0 || s.BestEpoch == s.Epochs {
			t.Fatalf("epoch %d of %d is the best: nothing is shown", s.BestEpoch, s.Epochs)
		}
		if s.LearnedLoss == nil || s.LearnedLoss.Name != "logistic" {
			t.Fatalf("learned %+v", s.LearnedLoss)
		}
		var learned graph.Logistic
		if err := json.Unmarshal(s.LearnedLoss.Settings, &learned); err != nil || learned.Scale == 20 || learned.Threshold == 0.5 || learned.Learn {
			t.Errorf("learned %+v, %v", learned, err)
		}
		scores, err := dir.ReadScores()
		if err != nil {
			t.Fatal(err)
		}
		var of graph.Scored
		for _, score := range scores {
			if score.Split == "test" {
				of.Cosines, of.Labels = append(of.Cosines, score.After), append(of.Labels, score.Label)
			}
		}
		if want := learned.Evaluate(of, make([]float32, len(of.Labels))); math.Abs(float64(s.After["test"].Loss)-want) > 1e-6 {
			t.Errorf("the loss on test is %v, want %v", s.After["test"].Loss, want)
		}
	}
	dir := newDir(t)
	var history []rundir.Epoch
	want, err := trainer.Train(context.Background(), fewPlanted(t), trainer.Options{Recipe: recipe, Backend: cpu.New(0), Dir: dir,
		Progress: func(p trainer.Progress) { history = append(history, p.Rows...) }})
	if err != nil {
		t.Fatal(err)
	}
	check(want, dir)
	for _, e := range history {
		if got := want.After["validation"].Loss; e.Epoch == want.BestEpoch && e.Split == "validation" && math.Abs(float64(e.Loss-got)) > 1e-6 {
			t.Errorf("the loss on validation was %v in the best epoch, and is %v at the end", e.Loss, got)
		}
	}

	dir = newDir(t)
	ctx, cancel := context.WithCancel(context.Background())
	opts := trainer.Options{Recipe: recipe, Backend: cpu.New(0), Dir: dir}
	opts.Progress = func(p trainer.Progress) {
		if p.Epoch == want.BestEpoch+1 {
			cancel()
		}
	}
	if _, err := trainer.Train(ctx, fewPlanted(t), opts); !errors.Is(err, trainer.ErrInterrupted) {
		t.Fatalf("not interrupted: %v", err)
	}
	opts.Resume, opts.Progress = true, nil
	got, err := trainer.Train(context.Background(), fewPlanted(t), opts)
	if err != nil {
		t.Fatal(err)
	}
	check(got, dir)
	if asJSON(t, got.LearnedLoss) != asJSON(t, want.LearnedLoss) || asJSON(t, got.After) != asJSON(t, want.After) {
		t.Errorf("resumed, it learned %s, want %s", asJSON(t, got.LearnedLoss), asJSON(t, want.LearnedLoss))
	}
}
