package backendtest

import (
	_ "embed"
	"encoding/json"
	"testing"

	"github.com/cosfit/cosfit/graph"
)

//go:embed testdata/losses.json
var losses []byte

//go:embed testdata/vector_losses.json
var vectorLosses []byte

// A RecordedLoss is a loss of one batch and its derivative as PyTorch computed them
// in float64, with the classes of sentence-transformers where it has them.
// testdata/losses.py and vector_losses.py wrote them.
type RecordedLoss struct {
	Loss     string          `json:"loss"`
	Settings json.RawMessage `json:"settings"`
	Low      float32         `json:"low"`
	Cosines  []float32       `json:"cosines"` // [n], of a loss on them
	K        int             `json:"k"`       // of a loss on vectors, as are
	P        []float32       `json:"p"`       // [2n, k]
	Dims     []int           `json:"dims"`    // and, where they are cut, the lengths
	Labels   []float32       `json:"labels"`
	Groups   []int32         `json:"groups"`
	Value    float64         `json:"value"`
	Gradient []float64       `json:"gradient"` // by the cosines, or by P
}

// PyTorchLosses are those on the cosine.
func PyTorchLosses(t *testing.T) []RecordedLoss { return readLosses(t, losses) }

// PyTorchVectorLosses are those on the vectors.
func PyTorchVectorLosses(t *testing.T) []RecordedLoss { return readLosses(t, vectorLosses) }

func readLosses(t *testing.T, text []byte) (all []RecordedLoss) {
	t.Helper()
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// Objective is the loss with its settings.
func (r RecordedLoss) Objective(t *testing.T) graph.Objective {
	t.Helper()
	loss := map[string]graph.Objective{
		"mse": &graph.MSE{}, "contrastive": &graph.Contrastive{}, "logistic": &graph.Logistic{}, "cosent": &graph.CoSENT{},
		"triplet": &graph.Triplet{}, "pairwise": &graph.Pairwise{}, "infonce": &graph.InfoNCE{}, "angle": &graph.AnglE{},
	}[r.Loss]
	if err := json.Unmarshal(r.Settings, loss); err != nil {
		t.Fatal(err)
	}
	if r.Dims != nil {
		loss = graph.Matryoshka{Loss: loss, Dims: r.Dims}
	}
	return loss
}

// Vectors are those of a loss on them. No text comes twice.
func (r RecordedLoss) Vectors() graph.Vectors {
	v := graph.Vectors{K: r.K, P: r.P, Labels: r.Labels, Low: r.Low, Groups: r.Groups}
	for i := range int32(len(r.Labels)) {
		v.Left, v.Right = append(v.Left, i), append(v.Right, int32(len(r.Labels))+i)
	}
	return v
}
