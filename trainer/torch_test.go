package trainer_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/trainer"
)

// recording is torch.json, which torch.py beside it describes.
type recording struct {
	D        int                 `json:"d"`
	K        int                 `json:"k"`
	MaxRate  float64             `json:"max_rate"`
	Table    []float32           `json:"table"` // [n, d]
	Start    []float32           `json:"start"` // [d, k]
	Left     []int32             `json:"left"`
	Right    []int32             `json:"right"`
	Labels   []float32           `json:"labels"`
	Batches  [][]int             `json:"batches"` // of a step: its pairs
	Training map[string]training `json:"runs"`
}

// training is what PyTorch recorded: by step, and the matrix after the last one.
type training struct {
	Rates   []float64 `json:"rates"`
	Momenta []float64 `json:"momenta"`
	Losses  []float64 `json:"losses"`
	Matrix  []float64 `json:"matrix"`
}

func readRecording(t *testing.T) *recording {
	t.Helper()
	data, err := os.ReadFile("../graph/testdata/torch.json")
	must(t, err)
	r := new(recording)
	must(t, json.Unmarshal(data, r))
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// batch gathers the pairs of a step.
func (r *recording) batch(table graph.Array, step int) *graph.Batch {
	b := &graph.Batch{Table: table}
	for _, pair := range r.Batches[step] {
		b.Left = append(b.Left, r.Left[pair])
		b.Right = append(b.Right, r.Right[pair])
		b.Labels = append(b.Labels, r.Labels[pair])
	}
	return b
}

// replay trains as the recording did and returns the loss of each step and the matrix after the last one.
func (r *recording) replay(t *testing.T, rule graph.Rule, rates, momenta []float64) (losses []float64, matrix []float32) {
	t.Helper()
	backend := cpu.New(2)
	defer backend.Close()
	table, err := backend.NewArray(len(r.Table)/r.D, r.D)
	must(t, err)
	must(t, backend.Upload(table, r.Table))
	model, err := graph.NewModel(backend, r.D, r.K, graph.MSE{})
	must(t, err)
	defer model.Close()
	must(t, backend.Upload(model.Matrix(), r.Start))
	update, err := backend.NewUpdate(rule, r.D*r.K)
	must(t, err)
	for step, rate := range rates {
		must(t, model.Step(r.batch(table, step)))
		loss, err := model.Loss()
		must(t, err)
		losses = append(losses, float64(loss))
		must(t, update.Apply(graph.Hyper{LearningRate: rate, Momentum: momenta[step], Step: step + 1}, model.Matrix(), model.Gradient()))
	}
	matrix = make([]float32, r.D*r.K)
	must(t, backend.Download(matrix, model.Matrix()))
	return losses, matrix
}

// A training gives what it gives in PyTorch: every loss, every learning rate, and the matrix.
func TestTrainingAgainstPyTorch(t *testing.T) {
	r := readRecording(t)
	tests := map[string]struct {
		rule     graph.Rule
		schedule trainer.Schedule
		rate     float64
	}{
		"sgd":                      {trainer.SGD{}, trainer.OneCycle{}, r.MaxRate},
		"sgd with cycled momentum": {trainer.SGD{}, trainer.OneCycle{CycleMomentum: true}, r.MaxRate},
		"adam":                     {trainer.Adam{}, trainer.Constant{}, 0.05},
		"adamw":                    {trainer.AdamW{WeightDecay: 0.01}, trainer.Constant{}, 0.05},
	}
	for name, want := range r.Training {
		t.Run(name, func(t *testing.T) {
			test, ok := tests[name]
			if !ok {
				t.Fatal("recorded, but not replayed")
			}
			total := len(want.Rates)
			var rates []float64
			momenta := make([]float64, total)
			for step := 1; step <= total; step++ {
				rate := test.rate * test.schedule.Rate(step, total)
				if w := want.Rates[step-1]; !(math.Abs(rate-w) <= 1e-12*w) {
					t.Errorf("learning rate of step %d is %v, want %v", step, rate, w)
				}
				rates = append(rates, rate)
				if s, ok := test.schedule.(trainer.MomentumSchedule); ok && want.Momenta != nil {
					momenta[step-1] = s.Momentum(step, total)
					if w := want.Momenta[step-1]; !(math.Abs(momenta[step-1]-w) <= 1e-12) {
						t.Errorf("momentum of step %d is %v, want %v", step, momenta[step-1], w)
					}
				}
			}
			losses, matrix := r.replay(t, test.rule, rates, momenta)
			for i, loss := range losses {
				if w := want.Losses[i]; !(math.Abs(loss-w) <= 1e-5*w) {
					t.Errorf("loss of step %d is %v, want %v", i+1, loss, w)
				}
			}
			var diff, norm float64
			for i, w := range want.Matrix {
				diff += (float64(matrix[i]) - w) * (float64(matrix[i]) - w)
				norm += w * w
			}
			if e := math.Sqrt(diff / norm); !(e <= 1e-5) {
				t.Errorf("matrix: relative error %.3g, want at most 1e-5", e)
			}
		})
	}
}
