package graph_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/backendtest"
)

func TestLosses(t *testing.T) {
	for _, loss := range []graph.Loss{
		graph.Contrastive{Margin: 0.5}, graph.Contrastive{Margin: 2},
		graph.Logistic{Scale: 20, Threshold: 0.4}, graph.Logistic{Scale: 1},
		graph.CoSENT{Scale: 20}, graph.CoSENT{Scale: 0.5},
		graph.Triplet{Margin: 0.3}, graph.Triplet{Margin: 5},
		graph.Pairwise{Scale: 10}, graph.Pairwise{Scale: 40},
	} {
		t.Run(fmt.Sprintf("%s%+v", loss.Name(), loss), func(t *testing.T) { backendtest.CheckLoss(t, loss) })
	}
}

// TestLossesAgainstPyTorch compares with what PyTorch recorded.
func TestLossesAgainstPyTorch(t *testing.T) {
	seen := map[string]bool{}
	for i, r := range backendtest.PyTorchLosses(t) {
		seen[r.Loss] = true
		t.Run(fmt.Sprintf("%d %s%s", i, r.Loss, r.Settings), func(t *testing.T) {
			gradient := make([]float32, len(r.Cosines))
			value := r.Objective(t).(graph.Loss).Evaluate(graph.Scored{Cosines: r.Cosines, Labels: r.Labels, Low: r.Low, Groups: r.Groups}, gradient)
			if !(math.Abs(value-r.Value) <= 1e-6*(1+math.Abs(r.Value))) {
				t.Errorf("value %g, PyTorch has %g", value, r.Value)
			}
			largest := 0.0
			for _, g := range r.Gradient {
				largest = max(largest, math.Abs(g))
			}
			for i, want := range r.Gradient {
				if !(math.Abs(float64(gradient[i])-want) <= 1e-6*largest) {
					t.Errorf("derivative by cosine %d is %g, PyTorch has %g", i, gradient[i], want)
				}
			}
		})
	}
	if len(seen) != 6 {
		t.Errorf("recorded are only %v", seen)
	}
}
