package graph_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/backendtest"
)

func TestMSE(t *testing.T) { backendtest.CheckLoss(t, graph.MSE{}) }

// Every number here is exact in float32, so the results are compared as they are.
func TestMSEByHand(t *testing.T) {
	tests := map[string]struct {
		cosines, labels, gradient []float32
		value                     float64
	}{
		"a pair on its label":      {[]float32{0.5}, []float32{0.5}, []float32{0}, 0},
		"a pair above":             {[]float32{0.75}, []float32{0}, []float32{1.5}, 0.5625},
		"the ends of -1..1":        {[]float32{-1, 1}, []float32{1, -1}, []float32{-2, 2}, 4},
		"graded, mean over four":   {[]float32{0, 0.25, -0.5, 1}, []float32{1, 0.75, -0.5, 0.5}, []float32{-0.5, -0.25, 0, 0.25}, 0.375},
		"a cosine rounded above 1": {[]float32{1.25}, []float32{1}, []float32{0.5}, 0.0625},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			gradient := make([]float32, len(test.cosines))
			if got := (graph.MSE{}).Evaluate(graph.Scored{Cosines: test.cosines, Labels: test.labels}, gradient); got != test.value {
				t.Errorf("value is %g, want %g", got, test.value)
			}
			for i, want := range test.gradient {
				if gradient[i] != want {
					t.Errorf("gradient is %v, want %v", gradient, test.gradient)
					break
				}
			}
		})
	}
}

// The value is that of the formula multiplied out, (Σs² − 2Σsy + Σy²)/B, in float64.
func TestMSEValue(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 0))
	for _, n := range []int{1, 2, 37, 5000} {
		s, y := random(rng, n), random(rng, n)
		var ss, sy, yy float64
		for i := range s {
			ss += float64(s[i]) * float64(s[i])
			sy += float64(s[i]) * float64(y[i])
			yy += float64(y[i]) * float64(y[i])
		}
		want := (ss - 2*sy + yy) / float64(n)
		got := graph.MSE{}.Evaluate(graph.Scored{Cosines: s, Labels: y}, make([]float32, n))
		if !(math.Abs(got-want) <= 1e-12*(ss+yy)/float64(n)) {
			t.Errorf("value of %d pairs is %g, want %g", n, got, want)
		}
	}
}
