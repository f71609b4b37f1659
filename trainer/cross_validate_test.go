package trainer_test

import (
	"cmp"
	"context"
	"errors"
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

// mislabelled turns the labels of every fourth pair around, which is soon learned by
// heart.
func mislabelled(data *loader.Dataset) *loader.Dataset {
	for i := 0; i < data.Pairs.Len(); i += 4 {
		data.Pairs.Label[i] = 1 - data.Pairs.Label[i]
	}
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

// TestFewPairs trains without each part by hand, with the part as the test split, and
// wants the figures that the cosines of all parts together have: after all epochs of
// the fewest, else after the best. The rate is constant, so that a training of fewer
// epochs is the beginning of a longer one.
func TestFewPairs(t *testing.T) {
	for _, test := range []struct {
		pairs  int
		choose bool
	}{{400, false}, {600, true}} {
		const epochs = 3
		r := quick()
		r.Dims, r.Epochs, r.LearningRate, r.Schedule = 256, epochs, 0.002, trainer.Constant{}
		r.Dropout, r.BatchSize, r.Optimizer, r.CrossValidate = 0, 16, trainer.AdamW{}, 5
		data := mislabelled(few(t, test.pairs))
		pairs := len(data.Indices(loader.Train))
		if pairs >= 500 != test.choose {
			t.Fatalf("%d training pairs", pairs)
		}
		s, _ := train(t, data, r)
		if s.SelectedOn != trainer.CrossValidation || len(data.Indices(loader.Train)) != pairs {
			t.Fatalf("selected on %s, learned from %d of %d pairs", s.SelectedOn, len(data.Indices(loader.Train)), pairs)
		}
		var best int
		var before, after float64
		for n := range epochs {
			r.Epochs = n + 1
			if b, a := withoutEach(t, test.pairs, r); !test.choose || a > after {
				best, before, after = r.Epochs, b, a
			}
		}
		if s.Epochs != best || test.choose && best == epochs {
			t.Errorf("%d pairs: %d epochs, want %d", pairs, s.Epochs, best)
		}
		for name, want := range map[string][2]float64{
			"before": {float64(s.Before[trainer.CrossValidation].ROCAUC), before},
			"after":  {float64(s.After[trainer.CrossValidation].ROCAUC), after},
		} {
			if math.Abs(want[0]-want[1]) > 1e-9 {
				t.Errorf("%d pairs: ROC AUC %s is %v in the summary, and %v when trained by hand", pairs, name, want[0], want[1])
			}
		}
		if !s.Judgement.Accepted {
			t.Errorf("%d pairs: not accepted: %s", pairs, s.Judgement.Text)
		}
	}
}

// TestCrossValidating: what is told of a cross-validation ends with all of it, whether
// a start is chosen or given; the epochs come after it. A context that ends in it ends
// the training at once, with nothing to go on from.
func TestCrossValidating(t *testing.T) {
	for _, start := range []trainer.Start{trainer.Identity{}, trainer.Auto{}} {
		recipe := quick()
		recipe.Epochs, recipe.CrossValidate, recipe.Start, recipe.Optimizer = 2, 5, start, trainer.AdamW{}
		var told []int
		all := 0
		opts := trainer.Options{Recipe: recipe, Backend: cpu.New(1), Dir: newDir(t)}
		opts.CrossValidating = func(done, of int) { told, all = append(told, done), of }
		opts.Progress = func(trainer.Progress) {
			if len(told) == 0 || told[len(told)-1] != all {
				t.Fatalf("%s: an epoch was scored when %v of %d were done", start.Name(), told, all)
			}
		}
		s, err := trainer.Train(context.Background(), few(t, 600), opts)
		if err != nil {
			t.Fatal(err)
		}
		if in := s.Timing; !(in.StartSeconds > 0) || in.StartSeconds+in.TrainSeconds > in.TotalSeconds {
			t.Errorf("%s: the cross-validation took %v of %v s", start.Name(), in.StartSeconds, in.TotalSeconds)
		}
		if !slices.IsSorted(told) || len(told) != all || all%5 != 0 || all < 5*3 {
			t.Errorf("%s: told %v of %d", start.Name(), told, all)
		}

		ctx, cancel := context.WithCancel(context.Background())
		opts.Dir, opts.Progress = newDir(t), nil
		opts.CrossValidating = func(done, _ int) {
			if done == 7 {
				cancel()
			}
			if done > 7 {
				t.Errorf("%s: went on after its context had ended", start.Name())
			}
		}
		if _, err := trainer.Train(ctx, few(t, 600), opts); !errors.Is(err, context.Canceled) || errors.Is(err, trainer.ErrInterrupted) || opts.Dir.HasCheckpoint() {
			t.Errorf("%s: the error is %v, there is a checkpoint: %v", start.Name(), err, opts.Dir.HasCheckpoint())
		}
	}
}

// withoutEach is the ROC AUC of all training pairs, before and after, each as a
// training without its part has it.
func withoutEach(t *testing.T, n int, r trainer.Recipe) (aucBefore, aucAfter float64) {
	data := mislabelled(few(t, n))
	folds, err := data.Folds(r.CrossValidate, r.Seed)
	if err != nil {
		t.Fatal(err)
	}
	type scored struct {
		cosine  float32
		similar bool
	}
	var before, after []scored
	for part := range int32(r.CrossValidate) {
		without, keep := mislabelled(few(t, n)), make([]bool, len(folds))
		for i, f := range folds {
			keep[i] = f >= 0
			if f == part {
				without.Pairs.Split[i] = loader.Test
			}
		}
		without.Pairs = without.Pairs.Only(keep)
		of := r
		of.CrossValidate = 2 // so few again that all epochs are trained
		s, dir := train(t, without, of)
		if s.Epochs != r.Epochs || s.BestEpoch != r.Epochs {
			t.Fatalf("%d pairs, rate %v: epoch %d of %d is the result of %d", n, r.LearningRate, s.BestEpoch, s.Epochs, r.Epochs)
		}
		rows, err := dir.ReadScores()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if row.Split == "test" {
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
	return auc(before), auc(after)
}

// TestFewDissimilar: a part that is left out need not have both kinds of pairs.
func TestFewDissimilar(t *testing.T) {
	data := few(t, 600)
	labels, left := data.Pairs.Label, 4
	for i, s := range data.Pairs.Split {
		if s == loader.Train {
			labels[i] = 1
			if left > 0 && i%7 == 0 {
				labels[i], left = 0, left-1
			}
		}
	}
	r := quick()
	r.Dims, r.Epochs, r.CrossValidate = 256, 2, 5
	if s, _ := train(t, data, r); s.SelectedOn != trainer.CrossValidation || !s.After[s.SelectedOn].ROCAUC.Known() {
		t.Errorf("selected on %s: %+v", s.SelectedOn, s.After[s.SelectedOn])
	}
}

// TestFewPairsOfNoise wants the start where labels say nothing.
func TestFewPairsOfNoise(t *testing.T) {
	accepted := 0
	for seed := range uint64(6) {
		data := few(t, 300+300*int(seed%2))
		labels := data.Pairs.Label
		for i := range labels { // a label for each pair that has nothing to do with it
			labels[i] = float32((uint64(i)*2654435761 + seed*977) >> 7 & 1)
		}
		r := quick()
		r.Dims, r.Epochs, r.Seed, r.CrossValidate = 256, 10, seed, 5
		if s, _ := train(t, data, r); s.Judgement.Accepted {
			accepted++
		}
	}
	if accepted > 2 { // one in six exceeds one standard error by chance
		t.Errorf("%d of 6 accepted", accepted)
	}
}
