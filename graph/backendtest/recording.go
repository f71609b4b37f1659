package backendtest

import (
	_ "embed"
	"encoding/json"
	"math"
	"testing"

	"github.com/cosfit/cosfit/graph"
)

//go:embed testdata/torch.json
var torch []byte

// A Recording is a small training that PyTorch did with several optimisers,
// step by step; testdata/torch.py wrote it.
type Recording struct {
	D       int                 `json:"d"`
	K       int                 `json:"k"`
	MaxRate float64             `json:"max_rate"`
	Table   []float32           `json:"table"` // [n, d]
	Start   []float32           `json:"start"` // [d, k]
	Left    []int32             `json:"left"`
	Right   []int32             `json:"right"`
	Labels  []float32           `json:"labels"`
	Batches [][]int             `json:"batches"` // of a step: its pairs
	Runs    map[string]Recorded `json:"runs"`
}

// Recorded is one optimiser's training: by step, and the matrix after the last
// one.
type Recorded struct {
	Rates   []float64 `json:"rates"`
	Momenta []float64 `json:"momenta"`
	Losses  []float64 `json:"losses"`
	Matrix  []float64 `json:"matrix"`
}

// PyTorch reads the recording.
func PyTorch(t *testing.T) *Recording {
	t.Helper()
	r := new(Recording)
	if err := json.Unmarshal(torch, r); err != nil {
		t.Fatal(err)
	}
	return r
}

// Replay trains on a backend as the recording did, and compares each loss and
// the last matrix by relative error.
func (r *Recording) Replay(t *testing.T, b graph.Backend, rule graph.Rule, run Recorded, rates, momenta []float64, tolerance float64) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	table, err := b.NewArray(len(r.Table)/r.D, r.D)
	must(err)
	must(b.Upload(table, r.Table))
	model, err := graph.NewModel(b, r.D, r.K, graph.MSE{})
	must(err)
	defer model.Close()
	must(b.Upload(model.Matrix(), r.Start))
	update, err := b.NewUpdate(rule, r.D*r.K)
	must(err)
	for step, rate := range rates {
		must(model.Step(r.batch(table, step)))
		loss, err := model.Loss()
		must(err)
		if want := run.Losses[step]; !(math.Abs(float64(loss)-want) <= tolerance*want) {
			t.Errorf("loss of step %d is %v, want %v", step+1, loss, want)
		}
		must(update.Apply(graph.Hyper{LearningRate: rate, Momentum: momenta[step], Step: step + 1}, model.Matrix(), model.Gradient()))
	}
	s := &suite{T: t, backend: b, tolerance: tolerance}
	s.near("matrix", s.download(model.Matrix()), run.Matrix)
}

// batch gathers the pairs of a step.
func (r *Recording) batch(table graph.Array, step int) *graph.Batch {
	b := &graph.Batch{Table: table}
	for _, pair := range r.Batches[step] {
		b.Left = append(b.Left, r.Left[pair])
		b.Right = append(b.Right, r.Right[pair])
		b.Labels = append(b.Labels, r.Labels[pair])
	}
	return b
}
