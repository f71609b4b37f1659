package report

import (
	"bytes"
	"testing"

	"github.com/cosfit/cosfit/internal/rundir"
)

func TestLearningCurveGolden(t *testing.T) {
	c := rundir.LearningCurve{Split: "validation", Figure: "roc_auc", Start: 0.75, Text: "A sentence that says what twice the labels would bring, long enough for a second line.",
		Points: []rundir.LearningPoint{
			{Groups: 375, Pairs: 1500, Mean: 0.7501, Gain: rundir.None, GainSE: rundir.None},
			{Groups: 750, Pairs: 3000, Mean: 0.7, Gain: -0.05, GainSE: 0.0125},
			{Groups: 1500, Pairs: 1234567, Mean: 0.8, Gain: 0.1, GainSE: rundir.None},
		}}
	var b bytes.Buffer
	LearningCurve(&b, c, "cosfit eval · made up", nil, Style{})
	golden(t, "learning_curve.txt", b.String())
}
