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
