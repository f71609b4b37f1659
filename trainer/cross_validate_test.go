package trainer_test

import (
	"cmp"
	"context"
	"math"
	"slices"
	"testing"

	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
)

// few is the planted data set with about n training pairs and no validation
// split, whole groups.
func few(t *testing.T, n int) *loader.Dataset {
	t.Helper()
	data := planted(t)
	keep, kept := make([]bool, data.Pairs.Len()), map[int32]bool{}
	left := n
	for i, s := range data.Pairs.Split {
		g := data.Pairs.Group[i]
		if s == loader.Train && left > 0 {
			kept[g] = true
		}
		keep[i] = s == loader.Test || s == loader.Train && kept[g]
		if s == loader.Train && kept[g] {
			left--
		}
	}
	data.Pairs = data.Pairs.Only(keep)
	return data
}

func train(t *testing.T, data *loader.Dataset, r trainer.Recipe) (rundir.Summary, rundir.Dir) {
	t.Helper()
	dir := newDir(t)
	s, err := trainer.Train(context.Background(), data, trainer.Options{Recipe: r, Backend: cpu.New(1), Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

// TestFewPairs trains without each part by hand, with the part as the validation
// split, and wants the figures that the cosines of all parts together have.
func TestFewPairs(t *testing.T) {
	r := quick()
	r.Dims, r.Epochs, r.LearningRate = 256, 1, 0.02
	data := few(t, 400)
	pairs := len(data.Indices(loader.Train))
	if pairs >= 500 {
		t.Fatalf("%d training pairs", pairs)
	}
	folds, err := data.Folds(r.CrossValidate, r.Seed)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := train(t, data, r)
	if s.SelectedOn != trainer.CrossValidation || len(data.Indices(loader.Train)) != pairs {
		t.Fatalf("selected on %s, learned from %d of %d pairs", s.SelectedOn, len(data.Indices(loader.Train)), pairs)
	}

	type scored struct {
		cosine  float32
		similar bool
	}
	var before, after []scored
	for part := range int32(r.CrossValidate) {
		without := few(t, 400)
		for i, f := range folds {
			if f == part {
				without.Pairs.Split[i] = loader.Validation
			}
		}
		_, dir := train(t, without, r)
		rows, err := dir.ReadScores()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if row.Split == "validation" {
				before = append(before, scored{row.Before, row.Label == 1})
				after = append(after, scored{row.After, row.Label == 1})
			}
		}
	}
	auc := func(all []scored) float64 { // the share of right comparisons
		slices.SortFunc(all, func(a, b scored) int { return cmp.Compare(a.cosine, b.cosine) })
		right, dissimilar := 0.0, 0.0
		for _, x := range all {
			if x.similar {
				right += dissimilar
			} else {
				dissimilar++
			}
		}
		return right / (dissimilar * (float64(len(all)) - dissimilar))
	}
	for name, want := range map[string][2]float64{
		"before": {float64(s.Before[trainer.CrossValidation].ROCAUC), auc(before)},
		"after":  {float64(s.After[trainer.CrossValidation].ROCAUC), auc(after)},
	} {
		if math.Abs(want[0]-want[1]) > 1e-9 {
			t.Errorf("ROC AUC %s is %v in the summary, and %v when trained by hand", name, want[0], want[1])
		}
	}
	if !s.Judgement.Accepted {
		t.Errorf("not accepted: %s", s.Judgement.Text)
	}
}

// TestFewPairsOfNoise wants the start where labels say nothing.
func TestFewPairsOfNoise(t *testing.T) {
	accepted := 0
	for seed := range uint64(5) {
		data := few(t, 300)
		labels := data.Pairs.Label
		for i := range labels { // a label for each pair that has nothing to do with it
			labels[i] = float32((uint64(i)*2654435761 + seed*977) >> 7 & 1)
		}
		r := quick()
		r.Dims, r.Epochs, r.Seed = 256, 10, seed
		if s, _ := train(t, data, r); s.Judgement.Accepted {
			accepted++
		}
	}
	if accepted > 2 { // one in six exceeds one standard error by chance
		t.Errorf("%d of 5 accepted", accepted)
	}
}
