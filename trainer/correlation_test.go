package trainer

import (
	"math"
	"testing"
)

func TestCorrelationAgainstScipy(t *testing.T) {
	golden := readMetricsGolden(t)
	if len(golden.Correlations) == 0 {
		t.Fatal("the golden holds no correlations")
	}
	for _, g := range golden.Correlations {
		t.Run(g.Name, func(t *testing.T) {
			checkFigure(t, "pearson", pearson(g.X, g.Y), g.Pearson)
			checkFigure(t, "spearman", spearman(g.X, g.Y), g.Spearman)
			checkFigure(t, "pearson with sides exchanged", pearson(g.Y, g.X), g.Pearson)
			checkFigure(t, "spearman with sides exchanged", spearman(g.Y, g.X), g.Spearman)
		})
	}
}

func TestCorrelationUndefined(t *testing.T) {
	nan := float32(math.NaN())
	tests := []struct {
		name string
		x, y []float32
	}{
		{"no pairs", nil, nil},
		{"constant, mean not exact", []float32{0.1, 0.1, 0.1}, []float32{1, 2, 3}},
		{"zeros of both signs", []float32{0, float32(math.Copysign(0, -1)), 0}, []float32{1, 2, 3}},
		{"NaN left", []float32{1, nan, 3}, []float32{1, 2, 3}},
		{"NaN right", []float32{1, 2, 3}, []float32{nan, 2, 3}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			checkFigure(t, "pearson", pearson(test.x, test.y), nil)
			checkFigure(t, "spearman", spearman(test.x, test.y), nil)
		})
	}
}

func TestCorrelationStaysWithinBounds(t *testing.T) {
	x, y := make([]float32, 1000), make([]float32, 1000)
	for i := range x {
		x[i] = float32(i) / 7
		y[i] = -x[i]
	}
	if r := pearson(x, x); r > 1 || r < 1-1e-12 {
		t.Errorf("pearson of equal sides = %v, want 1", r)
	}
	if r := pearson(x, y); r < -1 || r > -1+1e-12 {
		t.Errorf("pearson of opposite sides = %v, want -1", r)
	}
}
