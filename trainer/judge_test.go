package trainer

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
)

func TestJudgement(t *testing.T) {
	change := func(before, after, se, low, high rundir.Figure) rundir.Comparison {
		return rundir.Comparison{Before: before, After: after, Gain: after - before, GainSE: se, GainInterval: rundir.Interval{Low: low, High: high}}
	}
	gained := change(0.8, 0.9, 0.02, 0.05, 0.15)
	for _, test := range []struct {
		name     string
		outcome  outcome
		accepted bool
		want     []string
	}{
		{"a gain", outcome{byROCAUC, "validation", "", gained, 0.8, tested{all: gained}, true}, true,
			[]string{"Accepted: ROC AUC on validation went from 0.800 to 0.900", "a real gain"}},
		{"within one standard error", outcome{byROCAUC, "validation", "", change(0.8, 0.81, 0.02, -1, 1), 0.8, tested{all: gained}, true}, false,
			[]string{"Nothing gained:", "the result is the matrix that the training started from"}},
		{"too few groups", outcome{byROCAUC, "validation", "", change(0.8, 0.9, rundir.None, rundir.None, rundir.None), 0.8, tested{all: gained}, true}, false,
			[]string{"Undecided:", "too few groups"}},
		{"below the embeddings as they are", outcome{byROCAUC, "validation", "", gained, 0.95, tested{all: change(0.95, 0.9, 0.01, -0.07, -0.03)}, true}, false,
			[]string{"Worse than no matrix:", "The embeddings as they are reach 0.950", "a real loss"}},
		{"test disagrees", outcome{byROCAUC, "validation", "", gained, 0.8, tested{all: change(0.8, 0.7, 0.02, -0.15, -0.05)}, true}, true,
			[]string{"Accepted on validation, but test says otherwise:", "a real loss"}},
		{"test cannot tell", outcome{bySpearman, "validation", "", gained, 0.8, tested{all: change(0.8, 0.81, 0.02, -0.03, 0.05)}, true}, true,
			[]string{"Spearman correlation", "too little to tell from chance"}},
		{"no test", outcome{byROCAUC, "validation", "", gained, 0.8, tested{}, false}, true, []string{"There is no test split"}},
		{"a gain of shared pairs alone", outcome{byROCAUC, "validation", "", gained, 0.8, tested{all: gained, shared: 758, left: 52, apart: change(0.7, 0.753, 0.03, -0.009, 0.127)}, true}, true,
			[]string{"it went from 0.800 to 0.900, but 758 of its 810 pairs share a text or a group with training. On the others it went from 0.700 to 0.753: too little to tell from chance, 95 % interval of the gain -0.009 to +0.127."}},
		{"others disagree", outcome{byROCAUC, "validation", "", gained, 0.8, tested{all: gained, shared: 1, left: 52, apart: change(0.8, 0.7, 0.02, -0.15, -0.05)}, true}, true,
			[]string{"Accepted on validation, but test says otherwise:", "a real loss"}},
		{"from another start", outcome{byROCAUC, "validation", "whitening", gained, 0.7, tested{all: change(0.75, 0.9, 0.02, 0.05, 0.15)}, true}, true,
			[]string{"ROC AUC on validation went from 0.800 under the start, whitening, to 0.900 (a change", "it went from 0.750 untrained to 0.900: a real gain"}},
		{"nothing from another start", outcome{byROCAUC, "validation", "pca", change(0.8, 0.81, 0.02, -1, 1), 0.7, tested{all: gained}, true}, false,
			[]string{"went from 0.800 under the start, pca, to 0.810"}},
		{"too few others", outcome{byROCAUC, "validation", "", gained, 0.8, tested{all: gained, shared: 808, left: 2, tooFew: true, apart: gained}, true}, true,
			[]string{"went from 0.800 to 0.900, but 808 of its 810 pairs share a text or a group with training, and of the others, 2, there are too few to tell a gain from chance."}},
		{"no others", outcome{byROCAUC, "validation", "", gained, 0.8, tested{all: gained, shared: 810, tooFew: true}, true}, true,
			[]string{"but all of its pairs share a text or a group with training, so"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := test.outcome.judgement()
			if j.Accepted != test.accepted {
				t.Errorf("accepted %v, want %v", j.Accepted, test.accepted)
			}
			for _, want := range test.want {
				if !strings.Contains(j.Text, want) {
					t.Errorf("%q lacks %q", j.Text, want)
				}
			}
			if j.Start != test.outcome.start || j.OverStart.Before != test.outcome.learned.Before {
				t.Errorf("%+v, want the start's figure", j)
			}
			if c, ok := test.outcome.test.gain(); strings.Contains(j.Text, "a real gain") && !(ok && c.GainInterval.Low > 0) {
				t.Errorf("%q rests on what cannot tell", j.Text)
			}
		})
	}
}

// TestRetrieval searches a data set that can be followed by hand: the query
// "a" finds its answer second, behind "d"; the query "b" is among the passages
// itself, which must not count, and finds its answer first.
func TestRetrieval(t *testing.T) {
	data := &loader.Dataset{
		Vectors: &loader.Table{Dim: 2, IDs: []string{"a", "b", "c", "d", "e"}, Data: []float32{
			1, 0, // a
			0, 1, // b
			0.8, 0.6, // c, answers a
			0.9, 0.1, // d
			0.6, 0.8, // e, answers b
		}},
		Labels: loader.LabelRange{Min: 0, Max: 1},
	}
	data.Pairs = loader.Pairs{
		Left: []int32{0, 0, 1, 1}, Right: []int32{2, 3, 4, 0}, Label: []float32{1, 0, 1, 0},
		Split: []loader.Split{loader.Test, loader.Test, loader.Test, loader.Test}, Group: []int32{0, 0, 1, 1}, Groups: []string{"a", "b"},
	}
	data.Pairs.Right = append(data.Pairs.Right, 1) // b is a passage too, of a third group whose query is d
	data.Pairs.Left = append(data.Pairs.Left, 3)
	data.Pairs.Label = append(data.Pairs.Label, 0)
	data.Pairs.Split = append(data.Pairs.Split, loader.Train)
	data.Pairs.Group = append(data.Pairs.Group, 2)
	data.Pairs.Groups = append(data.Pairs.Groups, "d")

	backend := cpu.New(1)
	table, err := backend.NewTable(2)
	if err != nil {
		t.Fatal(err)
	}
	e := &evaluator{data: data, backend: backend, table: table}
	into := map[string]rundir.Metrics{"test": unknownMetrics()}
	if _, err := e.retrieve(context.Background(), newRetrievalTask(data), false, into, nil); err != nil {
		t.Fatal(err)
	}
	m := into["test"]
	if m.Queries != 2 || math.Abs(float64(m.MRR)-0.75) > 1e-12 || m.RecallAt1 != 0.5 || m.RecallAt10 != 1 {
		t.Errorf("%d queries, MRR %v, recall@1 %v, recall@10 %v, want 2, 0.75, 0.5, 1", m.Queries, m.MRR, m.RecallAt1, m.RecallAt10)
	}

	// Of two queries a resample has the first twice, each once, or the second twice.
	compared := map[string]rundir.Comparison{}
	newRetrievalTask(data).compare(compared, [][]int{{2}, {1}}, [][]int{{11}, {1}}, func(q query) bool { return q.split == loader.Test })
	if c := compared["mrr"]; c.Before != 0.75 || math.Abs(float64(c.Gain)+4.5/22) > 1e-12 || math.Abs(float64(c.GainInterval.Low)+9./22) > 1e-12 || c.GainInterval.High != 0 {
		t.Errorf("a fall from second to eleventh: %+v", c)
	}
	if c := compared["recall_at_10"]; c.Before != 1 || c.After != 0.5 || c.GainInterval.Low != -1 {
		t.Errorf("a fall from second to eleventh: %+v", c)
	}

	// The one answer counts 1/log2(3) in the second place and 1 in the first.
	e.task = newRetrievalTask(data)
	all := counting(data.Pairs.Len())
	measured, err := e.measure(context.Background(), all, false)
	if err != nil {
		t.Fatal(err)
	}
	want := (1/math.Log2(3) + 1) / 2
	test := e.split(all, measured, loader.Test)
	if got := test.figure(byNDCG); math.Abs(got-want) > 1e-12 || math.Abs(float64(m.NDCGAt10)-want) > 1e-12 {
		t.Errorf("nDCG@10 %v and %v, want %v", got, m.NDCGAt10, want)
	}
	c := comparisons(test, test, 0.5, 0.5)[byNDCG]
	if math.Abs(float64(c.After)-want) > 1e-12 || c.Gain != 0 || c.AfterInterval.Low > 0.631 || c.AfterInterval.High != 1 {
		t.Errorf("compared with itself: %+v, want %v between 0.631 and 1", c, want)
	}
}
