package trainer

import (
	"testing"

	"github.com/cosfit/cosfit/internal/rundir"
)

func TestSearchRemark(t *testing.T) {
	for _, test := range []struct {
		name                string
		figure              string
		gain, before, after rundir.Figure
		high                rundir.Figure // of the interval of the change
		says                bool
	}{
		{"pairs gain, search falls", byROCAUC, 0.05, 0.8, 0.79, -0.002, true},
		{"of grades too", bySpearman, 0.05, 0.8, 0.79, -0.002, true},
		{"search falls hardly", byROCAUC, 0.05, 0.8, 0.796, -0.001, false},
		{"search gains", byROCAUC, 0.05, 0.8, 0.81, 0.02, false},
		{"nothing gained", byROCAUC, 0, 0.8, 0.7, -0.05, false},
		{"search judged", byNDCG, 0.05, 0.8, 0.7, -0.05, false},
		{"no search", byROCAUC, 0.05, rundir.None, rundir.None, rundir.None, false},
		{"not clear from chance", byROCAUC, 0.05, 0.847, 0.831, 0.013, false},
	} {
		remarks := searchRemark(&rundir.Account{Figure: test.figure}, rundir.Comparison{Gain: test.gain},
			rundir.Comparison{Before: test.before, After: test.after, Gain: test.after - test.before, GainInterval: rundir.Interval{Low: -0.06, High: test.high}})
		if says := len(remarks) > 0; says != test.says {
			t.Errorf("%s: %q", test.name, remarks)
		}
	}
}
