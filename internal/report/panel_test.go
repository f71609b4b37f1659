package report

import (
	"bytes"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cosfit/cosfit/internal/rundir"
)

var update = flag.Bool("update", false, "write the golden files anew")

// example is a summary and scores with figures that are easy to recognise.
func example() (rundir.Summary, []rundir.Score) {
	interval := func(low, high rundir.Figure) rundir.Interval { return rundir.Interval{Low: low, High: high} }
	before := rundir.Metrics{Pairs: 12345, Majority: 0.75, Threshold: 0.5, F1: 0.5, Spearman: rundir.None,
		MRR: 0.5, RecallAt1: 0.25, RecallAt10: 0.75, NDCGAt10: 0.625}
	after := before
	after.Threshold, after.F1, after.MRR, after.RecallAt10 = 0.9, 0.75, 0.25, 1
	s := rundir.Summary{
		SelectedOn: "validation", Selection: "roc_auc", BestEpoch: 7, Epochs: 15, Config: rundir.Config{Recipe: rundir.Recipe{Epochs: 30}},
		Before: map[string]rundir.Metrics{"test": before}, After: map[string]rundir.Metrics{"test": after},
		Comparisons: map[string]map[string]rundir.Comparison{"test": {
			"roc_auc": {Before: 0.8, BeforeInterval: interval(0.75, 0.85), After: 0.9, AfterInterval: interval(0.875, 0.925),
				Gain: 0.1, GainInterval: interval(0.05, 0.15)},
			"accuracy": {Before: 0.75, BeforeInterval: interval(0.7, 0.8), After: 0.5, AfterInterval: interval(0.45, 0.55),
				Gain: -0.25, GainInterval: interval(-0.3, -0.2)},
		}},
		Judgement: rundir.Judgement{Accepted: true, Text: "Accepted: a sentence that is long enough to need a second line, since eighty columns end somewhere here."},
		Data:      rundir.Data{Notes: []string{"no split given: some pairs became the test split"}},
	}
	var scores []rundir.Score
	for i := range 200 {
		wave := float32(math.Sin(float64(i)))
		scores = append(scores,
			rundir.Score{Split: "test", Label: 1, Before: 0.5 + wave/4, After: 0.75 + wave/8},
			rundir.Score{Split: "test", Label: 0, Before: 0.4 + wave/3, After: 0.1 + wave/3},
			rundir.Score{Split: "train", Label: 0, Before: -1, After: -1})
	}
	return s, scores
}

func panel(style Style) string {
	s, scores := example()
	var b bytes.Buffer
	Panel(&b, s, scores, "test", "cosfit test · made up", []Command{{"Then:", "cosfit demo"}}, style)
	return b.String()
}

func TestPanelGolden(t *testing.T) {
	golden(t, "panel.txt", panel(Style{}))
}

// What a loss learned stands in the panel.
func TestLearnedLoss(t *testing.T) {
	s, scores := example()
	s.LearnedLoss = &rundir.Part{Name: "logistic", Settings: []byte(`{"threshold":0.4567,"scale":21.57,"learn":true}`)}
	var b bytes.Buffer
	Panel(&b, s, scores, "test", "", nil, Style{})
	if want := "Learned beside the matrix: scale 21.6, threshold 0.457 of logistic\n"; !strings.Contains(b.String(), want) {
		t.Errorf("no %q in\n%s", want, b.String())
	}
}

// Between two models there is nothing before.
func TestAcrossGolden(t *testing.T) {
	s, scores := example()
	before, none := s.Before["test"], rundir.None
	before.Threshold, before.F1, before.MRR, before.RecallAt1, before.RecallAt10, before.NDCGAt10, before.Majority = none, none, none, none, none, none, none
	s.Before["test"] = before
	for name, c := range s.Comparisons["test"] {
		unknown := rundir.Interval{Low: none, High: none}
		s.Comparisons["test"][name] = rundir.Comparison{Before: none, BeforeInterval: unknown, After: c.After, AfterInterval: c.AfterInterval, Gain: none, GainInterval: unknown}
	}
	for i := range scores {
		scores[i].Before = float32(math.NaN())
	}
	var b bytes.Buffer
	Panel(&b, s, scores, "test", "cosfit test · made up", nil, Style{})
	golden(t, "across.txt", b.String())
}

// leakyPanel has figures without the pairs that share with training.
func leakyPanel(left int) string {
	s, scores := example()
	m := s.After["test"]
	m.Pairs = left
	s.WithoutShared = &rundir.WithoutShared{Split: "test", TooFew: left < 10, SharedPairs: 12345 - left, Before: s.Before["test"], After: m, Comparisons: s.Comparisons["test"]}
	var b bytes.Buffer
	Panel(&b, s, scores, "test", "cosfit test · made up", nil, Style{})
	return b.String()
}

func TestPanelOfLeakyData(t *testing.T) {
	golden(t, "panel_leaky.txt", leakyPanel(10000))
	if text := leakyPanel(0); !strings.Contains(text, "\n Each of these pairs shares a text or a group with training, so there are no\n figures without those.\n") {
		t.Errorf("nothing is left, and the panel is\n%s", text)
	}
	if text := leakyPanel(2); !strings.Contains(text, "\n 12,343 of these pairs share a text or a group with training. Of the others, 2,\n there are too few for figures of their own.\n") || strings.Count(text, "ROC AUC") != 1 {
		t.Errorf("two are left, and the panel is\n%s", text)
	}
}

func TestPanelAccount(t *testing.T) {
	s, scores := example()
	s.Account = &rundir.Account{Remarks: []string{"Little room: a figure is already high.", "A second remark, which goes on in the same lines as the first one does."}}
	s.Guard = &rundir.Guard{Path: "other texts.parquet", Neighbours: 10, NeighboursKept: 0.755, Spearman: 0.9449}
	var b bytes.Buffer
	Panel(&b, s, scores, "test", "cosfit test · made up", nil, Style{})
	_, end, _ := strings.Cut(b.String(), "somewhere here.\n")
	want := `
 Little room: a figure is already high. A second remark, which goes on in the
 same lines as the first one does. On texts it was not learned for (other
 texts.parquet), 76 % of the 10 nearest neighbours stay, and Spearman's
 correlation of cosines before and after is 0.94.

`
	if end != want {
		t.Errorf("the panel ends with\n%s\nwant\n%s", end, want)
	}
}

// TestPanelOfFewPairs: what judged them in parts, whether it chose the epoch too, and
// what the loss learned.
func TestPanelOfFewPairs(t *testing.T) {
	for epochs, want := range map[int]string{
		30: " Few pairs: all 30 epochs on all of them, judged by training 5 times without a part\n Learned beside the matrix: scale 18.8 of logistic\n",
		6:  " Few pairs: 6 of 30 epochs, chosen and judged by 5 trainings without a part\n Learned beside the matrix: scale 18.8 of logistic\n",
	} {
		s, scores := example()
		s.SelectedOn, s.Epochs, s.BestEpoch, s.Config.Epochs, s.Config.CrossValidate = "cross-validation", epochs, epochs, 30, 5
		s.LearnedLoss = &rundir.Part{Name: "logistic", Settings: []byte(`{"scale": 18.8}`)}
		var b bytes.Buffer
		Panel(&b, s, scores, "test", "cosfit test · made up", nil, Style{})
		if !strings.Contains(b.String(), want) {
			t.Errorf("%d epochs:\n%s\nwant\n%s", epochs, b.String(), want)
		}
	}
}

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("panel is\n%s\nwant\n%s\n(go test -update writes the golden anew)", got, want)
	}
}

func TestPanelFits(t *testing.T) {
	for i, line := range strings.Split(panel(Style{}), "\n") {
		if n := utf8.RuneCountInString(line); n > Width {
			t.Errorf("line %d has %d columns, want at most %d: %s", i, n, Width, line)
		}
		if strings.ContainsRune(line, '\x1b') {
			t.Errorf("line %d has an escape sequence without colour: %q", i, line)
		}
	}
	if !strings.Contains(panel(Style{Color: true}), "\x1b[32m+0.100") {
		t.Error("with colour a sure gain is not green")
	}
}

func TestSigned(t *testing.T) {
	for x, want := range map[float64]string{0.25: "+0.250", -0.25: "-0.250", -0.0001: "+0.000", 0: "+0.000"} {
		if got := signed("%.3f", x); got != want {
			t.Errorf("%g is %s, want %s", x, got, want)
		}
	}
}

// TestBars checks that the drawing keeps the proportions of the counts.
func TestBars(t *testing.T) {
	rows := bars([]int{0, 1, 100, 200})
	for i, want := range []struct{ top, bottom rune }{{' ', ' '}, {' ', '▁'}, {' ', '█'}, {'█', '█'}} {
		if rows[0][i] != want.top || rows[histogramHeight-1][i] != want.bottom {
			t.Errorf("bin %d is %q over %q, want %q over %q", i, rows[0][i], rows[histogramHeight-1][i], want.top, want.bottom)
		}
	}
}

func TestHistogramOfOneValue(t *testing.T) {
	s, _ := example()
	var b bytes.Buffer
	Panel(&b, s, []rundir.Score{{Split: "test", Label: 1, Before: 1, After: 1}}, "test", "", nil, Style{})
	if !strings.Contains(b.String(), "█") {
		t.Errorf("a single pair is not drawn:\n%s", b.String())
	}
}
