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
		says                bool
	}{
		{"pairs gain, search falls", byROCAUC, 0.05, 0.8, 0.79, true},
		{"of grades too", bySpearman, 0.05, 0.8, 0.79, true},
		{"search falls hardly", byROCAUC, 0.05, 0.8, 0.796, false},
		{"search gains", byROCAUC, 0.05, 0.8, 0.81, false},
		{"nothing gained", byROCAUC, 0, 0.8, 0.7, false},
		{"search judged", byNDCG, 0.05, 0.8, 0.7, false},
		{"no search", byROCAUC, 0.05, rundir.None, rundir.None, false},
	} {
		remarks := searchRemark(&rundir.Account{Figure: test.figure}, rundir.Comparison{Gain: test.gain}, rundir.Metrics{MRR: test.before}, rundir.Metrics{MRR: test.after})
		if says := len(remarks) > 0; says != test.says {
			t.Errorf("%s: %q", test.name, remarks)
		}
	}
}
