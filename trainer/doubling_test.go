package trainer

import (
	"strings"
	"testing"

	"github.com/cosfit/cosfit/internal/rundir"
)

// TestDoubling: one noisy doubling is no reason to say that more labels bring little.
func TestDoubling(t *testing.T) {
	const cannot, all = "What twice the labels would bring cannot be told", "All 3 doublings together changed it by +0.020 (standard error 0.007), which is clear."
	for _, test := range []struct {
		name      string
		last, se  rundir.Figure
		all, ofSE rundir.Figure // the same of all doublings
		doublings int
		want, not string
	}{
		{"it rises", 0.02, 0.006, 0.05, 0.01, 3, "Twice the labels would bring about +0.020 more", "cannot"},
		{"it falls", -0.02, 0.006, 0.05, 0.01, 3, "More labels like these would not help", "cannot"},
		{"noise alone", 0.008, 0.006, 0.01, 0.007, 3, cannot, "doublings together"},
		{"noise in what is clear", 0.008, 0.006, 0.02, 0.007, 3, cannot + ": the last doubling changed the ROC AUC on validation by +0.008 (standard error 0.006). " + all, "too little"},
		{"a single one", 0.008, 0.006, 0.02, 0.007, 1, cannot, "together"},
		{"few groups", 0.008, rundir.None, 0.02, rundir.None, 3, "the validation split has too few groups", "together"},
	} {
		c := rundir.LearningCurve{Figure: byROCAUC, Gain: test.all, GainSE: test.ofSE, Points: make([]rundir.LearningPoint, test.doublings+1)}
		c.Points[test.doublings].Gain, c.Points[test.doublings].GainSE = test.last, test.se
		if text := doubling(c); !strings.Contains(text, test.want) || strings.Contains(text, test.not) {
			t.Errorf("%s: %q", test.name, text)
		}
	}
}
