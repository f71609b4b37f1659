package trainer

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// TestCalibrate compares with what testdata/calibration.py recorded from
// scikit-learn.
func TestCalibrate(t *testing.T) {
	raw, err := os.ReadFile("testdata/calibration.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		Cosines     []float32
		Positive    []bool
		Scale, Bias float64
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	for i, r := range all {
		c := calibrate(splitScores{cosines: r.Cosines, positive: r.Positive})
		for _, s := range []float64{-0.5, 0, 0.3, 0.6, 0.95} {
			want := 1 / (1 + math.Exp(-(r.Scale*s + r.Bias)))
			if got := c.Probability(s); !(math.Abs(got-want) <= 1e-4) {
				t.Errorf("case %d: a cosine of %g has the probability %.6f, scikit-learn says %.6f", i, s, got, want)
			}
		}
	}
	for name, s := range map[string]splitScores{
		"no pairs":    {},
		"all similar": {cosines: []float32{0.1, 0.2}, positive: []bool{true, true}},
		"graded":      {cosines: []float32{0.1, 0.2}, positive: []bool{true, false}, graded: true},
	} {
		if c := calibrate(s); c != nil {
			t.Errorf("%s: %+v, want none", name, c)
		}
	}
	// Perfectly separated pairs stay finite.
	c := calibrate(splitScores{cosines: []float32{0.1, 0.2, 0.8, 0.9}, positive: []bool{false, false, true, true}})
	if p := c.Probability(0.9); !(p > 0.6 && p < 1) || math.IsInf(c.Scale, 0) {
		t.Errorf("separated pairs: %+v", c)
	}
}
