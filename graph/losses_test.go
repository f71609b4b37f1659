package graph_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
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

// recorded is what testdata/losses.py wrote: values and gradients that PyTorch
// computed in float64 with the classes of sentence-transformers, where it has
// them.
type recorded struct {
	Loss     string          `json:"loss"`
	Settings json.RawMessage `json:"settings"`
	Low      float32         `json:"low"`
	Cosines  []float32       `json:"cosines"`
	Labels   []float32       `json:"labels"`
	Groups   []int32         `json:"groups"`
	Value    float64         `json:"value"`
	Gradient []float64       `json:"gradient"`
}

func TestLossesAgainstPyTorch(t *testing.T) {
	raw, err := os.ReadFile("testdata/losses.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []recorded
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i, r := range all {
		loss := map[string]func() graph.Loss{
			"mse":         func() graph.Loss { return &graph.MSE{} },
			"contrastive": func() graph.Loss { return &graph.Contrastive{} },
			"logistic":    func() graph.Loss { return &graph.Logistic{} },
			"cosent":      func() graph.Loss { return &graph.CoSENT{} },
			"triplet":     func() graph.Loss { return &graph.Triplet{} },
			"pairwise":    func() graph.Loss { return &graph.Pairwise{} },
		}[r.Loss]()
		if err := json.Unmarshal(r.Settings, loss); err != nil {
			t.Fatal(err)
		}
		seen[r.Loss] = true
		t.Run(fmt.Sprintf("%d %s%s", i, r.Loss, r.Settings), func(t *testing.T) {
			gradient := make([]float32, len(r.Cosines))
			value := loss.Evaluate(graph.Scored{Cosines: r.Cosines, Labels: r.Labels, Low: r.Low, Groups: r.Groups}, gradient)
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
