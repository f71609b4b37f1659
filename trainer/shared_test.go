package trainer_test

import (
	"context"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
)

// TestWithoutShared: the figures without shared pairs are those of a data set
// whose test split never had them.
func TestWithoutShared(t *testing.T) {
	dir := newDir(t)
	if s, err := trainer.Train(context.Background(), planted(t), trainer.Options{Recipe: quick(), Backend: cpu.New(0), Dir: dir}); err != nil || s.WithoutShared != nil {
		t.Fatalf("without a leak: %v, %v", s.WithoutShared, err)
	}
	p, err := dir.ReadMatrix()
	if err != nil {
		t.Fatal(err)
	}
	evaluate := func(data *loader.Dataset) rundir.Summary {
		data.CarveValidation()
		s, _, err := trainer.Evaluate(context.Background(), data, p, trainer.EvaluateOptions{Backend: cpu.New(0), Split: loader.Test})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}

	leaky, clean := planted(t), planted(t)
	leaky.CarveValidation()
	clean.CarveValidation()
	seen, shared := map[int32]bool{}, 0
	for i, g := range leaky.Pairs.Group {
		if leaky.Pairs.Split[i] != loader.Test || g%3 != 0 {
			continue
		}
		clean.Pairs.Split[i] = loader.Train
		if !seen[g] { // one pair of the group is trained on
			seen[g] = true
			leaky.Pairs.Split[i] = loader.Train
			continue
		}
		shared++
	}
	got, want := evaluate(leaky), evaluate(clean)
	w := got.WithoutShared
	if w == nil || w.SharedPairs != shared || shared == 0 {
		t.Fatalf("%+v, want %d shared pairs", w, shared)
	}
	test := loader.Test.String()
	if w.Split != test || w.TooFew || got.Judgement.Accepted != (w.Comparisons["roc_auc"].GainInterval.Low > 0) || !strings.Contains(got.Judgement.Text, "share a text or a group with training. On the others it went from") {
		t.Errorf("%+v: %s", w, got.Judgement.Text)
	}
	if w.Before.Pairs == got.Before[test].Pairs || want.WithoutShared != nil {
		t.Errorf("nothing is left out, or from the clean ones: %+v", want.WithoutShared)
	}
	for _, c := range []struct{ got, want any }{
		{w.Before, want.Before[test]}, {w.After, want.After[test]}, {w.Comparisons, want.Comparisons[test]},
	} {
		if asJSON(t, c.got) != asJSON(t, c.want) {
			t.Errorf("\n%s\nwant\n%s", asJSON(t, c.got), asJSON(t, c.want))
		}
	}
}
