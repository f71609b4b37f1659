package trainer_test

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
)

// accountOf trains a little and returns the summary.
func accountOf(t *testing.T, data *loader.Dataset, change func(*trainer.Recipe)) rundir.Summary {
	t.Helper()
	recipe := quick()
	recipe.Dims = 256
	if change != nil {
		change(&recipe)
	}
	s, err := trainer.Train(context.Background(), data, trainer.Options{Recipe: recipe, Backend: cpu.New(0), Dir: newDir(t)})
	if err != nil {
		t.Fatal(err)
	}
	if s.Account == nil || s.Account.PassageOnly == nil {
		t.Fatalf("account %+v", s.Account)
	}
	return s
}

// TestAccountOfPlanted: labels that take both texts are not told from one.
func TestAccountOfPlanted(t *testing.T) {
	s := accountOf(t, planted(t), nil)
	a := s.Account
	p, c := a.PassageOnly, s.Comparisons["test"]["roc_auc"]
	if a.Split != "test" || a.Figure != "roc_auc" || a.Groups < 2 || p.Most || p.Interval.Low > 0.5 || p.Interval.High < 0.5 || p.Chance != 0.5 {
		t.Errorf("account %+v, passages %+v", a, p)
	}
	if e := math.Abs(float64(a.MinimumDetectable - 2.802*c.GainSE)); !(e < 1e-12) {
		t.Errorf("a gain of %v could be detected, with a standard error of %v", a.MinimumDetectable, c.GainSE)
	}
	if e := math.Abs(float64(a.Headroom["roc_auc"] + c.Before - 1)); !(e < 1e-12) {
		t.Errorf("headroom %v above %v", a.Headroom["roc_auc"], c.Before)
	}
}

// TestAccountOfPassages: labels that follow from the right text are told without
// the left one, and the account says so.
func TestAccountOfPassages(t *testing.T) {
	data := planted(t)
	v, p := data.Vectors, &data.Pairs
	for i, r := range p.Right {
		p.Label[i] = 0
		if v.Data[int(r)*v.Dim] > 0 {
			p.Label[i] = 1
		}
	}
	for _, s := range []rundir.Summary{accountOf(t, data, nil), evaluated(t, data)} {
		if a := s.Account; !a.PassageOnly.Most || a.PassageOnly.Value < 0.9 || !strings.Contains(strings.Join(a.Remarks, " "), "without comparing anything") {
			t.Errorf("account %+v, passages %+v", a, a.PassageOnly)
		}
	}
}

// evaluated scores the identity on a data set.
func evaluated(t *testing.T, data *loader.Dataset) rundir.Summary {
	t.Helper()
	dir := newDir(t)
	recipe := quick()
	recipe.Dims = 256
	if _, err := trainer.Train(context.Background(), data, trainer.Options{Recipe: recipe, Backend: cpu.New(0), Dir: dir}); err != nil {
		t.Fatal(err)
	}
	p, err := dir.ReadMatrix()
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := trainer.Evaluate(context.Background(), data, p, trainer.EvaluateOptions{Backend: cpu.New(0), Split: loader.Validation})
	if err != nil {
		t.Fatal(err)
	}
	if s.Account.Split != "validation" {
		t.Errorf("asked for validation, the account is of %s", s.Account.Split)
	}
	return s
}

// TestAccountOfNothing: where the result is the start, which gains nothing, the
// account says what the learned matrix would have had to gain to be seen.
func TestAccountOfNothing(t *testing.T) {
	data := planted(t)
	rng := rand.New(rand.NewPCG(1, 1))
	rng.Shuffle(len(data.Pairs.Label), func(i, j int) {
		data.Pairs.Label[i], data.Pairs.Label[j] = data.Pairs.Label[j], data.Pairs.Label[i]
	})
	s := accountOf(t, data, func(r *trainer.Recipe) { r.Patience = 1 })
	if s.Judgement.Accepted {
		t.Fatalf("shuffled labels were learned: %s", s.Judgement.Text)
	}
	a := s.Account
	if !(a.MinimumDetectable > 0.001 && a.MinimumDetectable < 0.5) || !slices.ContainsFunc(a.Remarks, func(r string) bool { return strings.Contains(r, "would not be seen with these") }) {
		t.Errorf("account %+v", a)
	}
}

// TestAccountOfGrades: graded labels have ridge regression and Spearman's
// correlation, on any scale.
func TestAccountOfGrades(t *testing.T) {
	data := planted(t)
	v, p := data.Vectors, &data.Pairs
	for i, r := range p.Right {
		row := v.Data[int(r)*v.Dim : (int(r)+1)*v.Dim]
		p.Label[i] = min(5, max(0, 2.5+row[0]+row[1]))
	}
	data.Labels = loader.LabelRange{Max: 5, Graded: true}
	a := accountOf(t, data, func(r *trainer.Recipe) { r.Epochs = 1 }).Account
	if q := a.PassageOnly; a.Figure != "spearman" || q.Method != "ridge regression" || !q.Most || q.Value < 0.9 || q.Chance != 0 {
		t.Errorf("account %+v, passages %+v", a, q)
	}
	if _, ok := a.Headroom["spearman"]; !ok || len(a.Headroom) != 1 {
		t.Errorf("headroom %v, want that of Spearman's correlation alone", a.Headroom)
	}
}
