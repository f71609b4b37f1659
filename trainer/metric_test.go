package trainer_test

import (
	"context"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
)

// similarAlone are the planted data without their dissimilar pairs.
func similarAlone(t testing.TB) *loader.Dataset {
	t.Helper()
	data := planted(t)
	keep := make([]bool, data.Pairs.Len())
	for i, label := range data.Pairs.Label {
		keep[i] = label == 1
	}
	data.Pairs = data.Pairs.Only(keep)
	return data
}

// TestSimilarAlone: without dissimilar pairs the default recipe finds the planted
// signal by a search, and says nothing of classes.
func TestSimilarAlone(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for seconds")
	}
	s, dir := train(t, similarAlone(t), trainer.Default(256))
	c := s.Comparisons["test"]["ndcg_at_10"]
	if s.Selection != "ndcg_at_10" || s.Config.Loss.Name != "infonce" || !s.Judgement.Accepted || !strings.Contains(s.Judgement.Text, "nDCG@10 on validation went from") {
		t.Errorf("selection %s, loss %s, accepted %v: %s", s.Selection, s.Config.Loss.Name, s.Judgement.Accepted, s.Judgement.Text)
	}
	if !(c.GainInterval.Low > 0.05) || c.After != s.After["test"].NDCGAt10 || c.Before != s.Before["test"].NDCGAt10 {
		t.Errorf("nDCG@10 on test %+v, %v in the figures: want a gain", c, s.After["test"].NDCGAt10)
	}
	if m := s.After["test"]; m.ROCAUC.Known() || m.Accuracy.Known() || m.Threshold.Known() || len(s.Comparisons["test"]) != 3 {
		t.Errorf("figures of classes without two: %+v", m)
	}
	if notes := strings.Join(s.Data.Notes, "; "); !strings.Contains(notes, "all pairs are similar") || !strings.Contains(notes, "--loss infonce") {
		t.Errorf("notes: %s", notes)
	}
	if m, err := dir.ReadMatrix(); err != nil || m.Metadata.Threshold != nil || m.Metadata.Calibration != nil {
		t.Errorf("%v: the matrix has a threshold or a calibration", err)
	}
}

// TestSearchDecides: nDCG@10 chooses among pairs of both kinds too, and a run
// that is interrupted ends with the same bits.
func TestSearchDecides(t *testing.T) {
	recipe := quick()
	recipe.Metric, recipe.Loss, recipe.Start = "ndcg_at_10", graph.InfoNCE{Temperature: 0.05}, trainer.Auto{}
	s, dir := train(t, planted(t), recipe)
	if s.Selection != "ndcg_at_10" || s.Config.Metric != "ndcg_at_10" || !s.After["test"].ROCAUC.Known() {
		t.Errorf("selection %s, metric %s, %+v", s.Selection, s.Config.Metric, s.After["test"])
	}
	if s.BestEpoch == 0 {
		t.Fatal("nothing was learned, so nothing is compared")
	}
	for _, open := range []func(testing.TB) *loader.Dataset{planted, similarAlone} {
		want, wantDir := s, dir
		if open(t).Pairs.Len() != planted(t).Pairs.Len() {
			want, wantDir = train(t, open(t), recipe)
		}
		other := newDir(t)
		got := interruptedRunOf(t, open, recipe, other, 1)
		if matrixBytes(t, other) != matrixBytes(t, wantDir) || asJSON(t, got.After) != asJSON(t, want.After) || asJSON(t, got.Comparisons) != asJSON(t, want.Comparisons) {
			t.Error("interrupted: another result")
		}
	}
}

// TestFewSimilar: few pairs are not judged in parts where a search judges.
func TestFewSimilar(t *testing.T) {
	data := few(t, 400)
	recipe := quick()
	recipe.Metric = "ndcg_at_10"
	if s, _ := train(t, data, recipe); s.SelectedOn != "validation" || s.Data.Pairs["validation"] == 0 {
		t.Errorf("selected on %s with %d pairs", s.SelectedOn, s.Data.Pairs["validation"])
	}
}

// TestTrySearch: a try reports the figures of the training.
func TestTrySearch(t *testing.T) {
	recipe := trainer.Default(256)
	recipe.Dims, recipe.Epochs, recipe.Start = 12, 2, trainer.Identity{}
	s, _ := train(t, similarAlone(t), recipe)
	w, err := trainer.NewWorkspace(similarAlone(t), func() (graph.Backend, error) { return cpu.New(0), nil })
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	tried, err := trainer.Try(context.Background(), w, recipe, func(int, float64) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	if s.BestEpoch == 0 || tried.Figure != s.Selection || tried.Best != float64(s.Comparisons["validation"]["ndcg_at_10"].After) {
		t.Errorf("tried %+v, the training reached %+v in epoch %d", tried, s.Comparisons["validation"], s.BestEpoch)
	}
}

func TestMetricRefused(t *testing.T) {
	graded := planted(t)
	graded.Labels.Graded = true
	for i := range graded.Pairs.Label {
		graded.Pairs.Label[i] = float32(i%5) / 4
	}
	several := planted(t)
	for i := range several.Pairs.Group {
		several.Pairs.Group[i] = 0
	}
	several.Pairs.Split = make([]loader.Split, several.Pairs.Len())
	for i := range several.Pairs.Split {
		several.Pairs.Split[i] = loader.Split(i % 3)
	}
	for name, test := range map[string]struct {
		data   *loader.Dataset
		metric string
		want   string
	}{
		"unknown":        {planted(t), "mrr", `--metric is "mrr", want one of [ndcg_at_10 roc_auc spearman]`},
		"search grades":  {graded, "ndcg_at_10", "--metric is ndcg_at_10, but the labels of testdata/planted.parquet are grades, which do not say what is similar: leave it out, or use spearman"},
		"order of two":   {planted(t), "spearman", "--metric is spearman, but testdata/planted.parquet has only two kinds of label, which have no order to compare: leave it out, or use roc_auc"},
		"several texts":  {several, "ndcg_at_10", "testdata/planted.parquet: nothing can be searched for in the validation split, where no group has one left text and a right one that is similar: nDCG@10 takes such groups"},
		"loss of labels": {similarAlone(t), "ndcg_at_10", "are similar: --loss mse needs both kinds, so use --loss infonce, or add negatives (cosfit mine)"},
		"ROC AUC of one": {similarAlone(t), "roc_auc", "are similar: --loss mse needs both kinds"},
	} {
		t.Run(name, func(t *testing.T) {
			recipe := quick()
			recipe.Metric = test.metric
			if err := trainer.Prepare(test.data, recipe); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %q, want %q", err, test.want)
			}
		})
	}
}
