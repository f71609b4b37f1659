package trainer_test

import (
	"context"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
)

// TestEvaluateByMetric: the metric that a run was judged by judges other data too,
// where their pairs have it, and else theirs does, which a note says.
func TestEvaluateByMetric(t *testing.T) {
	recipe := quick()
	recipe.Metric = "ndcg_at_10"
	s, dir := train(t, planted(t), recipe)
	p, err := dir.ReadMatrix()
	if err != nil {
		t.Fatal(err)
	}
	graded := planted(t)
	graded.Labels.Graded = true
	for i := range graded.Pairs.Label {
		graded.Pairs.Label[i] = float32(i%5) / 4
	}
	for name, test := range map[string]struct {
		data         *loader.Dataset
		metric, want string
		note         bool
	}{
		"search":              {planted(t), "ndcg_at_10", "ndcg_at_10", false},
		"by the labels":       {planted(t), "", "roc_auc", false},
		"grades of two kinds": {planted(t), "spearman", "roc_auc", true},
		"search of grades":    {graded, "ndcg_at_10", "spearman", true},
		"classes of grades":   {graded, "roc_auc", "spearman", true},
		"classes of one":      {similarAlone(t), "roc_auc", "ndcg_at_10", true},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := trainer.Evaluate(context.Background(), test.data, p, trainer.EvaluateOptions{Backend: cpu.New(0), Split: loader.Test, Metric: test.metric})
			if err != nil {
				t.Fatal(err)
			}
			if got.Selection != test.want || got.Account.Figure != test.want || !strings.HasPrefix(got.Judgement.Text, trainer.FigureName(test.want)+" on test went from") {
				t.Errorf("by %s, accounted by %s: %s", got.Selection, got.Account.Figure, got.Judgement.Text)
			}
			notes := strings.Join(got.Data.Notes, "; ")
			if has := strings.Contains(notes, "which these pairs have no figure for: "+trainer.FigureName(test.want)+" judges here"); has != test.note {
				t.Errorf("notes: %s", notes)
			}
			if c := got.Comparisons["test"]["ndcg_at_10"]; name == "search" && c != s.Comparisons["test"]["ndcg_at_10"] {
				t.Errorf("%+v, the run has %+v", c, s.Comparisons["test"]["ndcg_at_10"])
			}
		})
	}
	if _, _, err := trainer.Evaluate(context.Background(), planted(t), p, trainer.EvaluateOptions{Backend: cpu.New(0), Metric: "mrr"}); err == nil || !strings.Contains(err.Error(), `"mrr", want one of`) {
		t.Errorf("an unknown metric: %v", err)
	}
}

// TestEvaluateOtherModel: vectors of another model than the matrix's are said first.
func TestEvaluateOtherModel(t *testing.T) {
	_, dir := train(t, planted(t), quick())
	p, err := dir.ReadMatrix()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		matrix, data string
		want         bool
	}{
		{"acme/large", "acme/small", true},
		{"acme/large", "large", false}, // the same
		{"", "large", false},
		{"large", "", false},
	} {
		data := planted(t)
		p.Metadata.Model, data.Model = test.matrix, test.data
		s, _, err := trainer.Evaluate(context.Background(), data, p, trainer.EvaluateOptions{Backend: cpu.New(0), Split: loader.Test})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(s.Data.Notes) > 0 && strings.Contains(s.Data.Notes[0], "learned from vectors of acme/large, and these are of acme/small"); got != test.want {
			t.Errorf("%q on %q: %q", test.matrix, test.data, s.Data.Notes)
		}
	}
}

// TestEvaluateWhatWasSeen: a gain is real on pairs that were held out alone.
func TestEvaluateWhatWasSeen(t *testing.T) {
	_, dir := train(t, planted(t), quick())
	p, err := dir.ReadMatrix()
	if err != nil {
		t.Fatal(err)
	}
	const learned, chose, real = "learned from these pairs, so that says nothing about new ones", "chose the epoch of the matrix, which flatters", "a real gain"
	for _, test := range []struct {
		split      loader.Split
		selectedOn string
		want       string
	}{
		{loader.Train, "validation", learned},
		{loader.Validation, "validation", chose},
		{loader.Test, "validation", real},
		{loader.Test, "test", chose},
		{loader.Train, "", real}, // other data
	} {
		data := planted(t)
		trainer.HoldOut(data, 0)
		s, _, err := trainer.Evaluate(context.Background(), data, p, trainer.EvaluateOptions{Backend: cpu.New(0), Split: test.split, SelectedOn: test.selectedOn})
		if err != nil {
			t.Fatal(err)
		}
		text := s.Judgement.Text
		for _, sentence := range []string{learned, chose, real} {
			if strings.Contains(text, sentence) != (sentence == test.want) {
				t.Errorf("%s, selected on %q: %s", test.split, test.selectedOn, text)
			}
		}
		if s.Judgement.Accepted != (test.want == real) {
			t.Errorf("%s, selected on %q: accepted %v: %s", test.split, test.selectedOn, s.Judgement.Accepted, text)
		}
	}
}
