package graph_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cosfit/cosfit/graph"
)

// recorder is a backend whose recording knows one step and does it by itself:
// it runs the tape for the first batch only.
type recorder struct {
	graph.Backend
	batches []*graph.Batch
	runs    int
}

func (r *recorder) NewRecording() (graph.Recording, error) { return r, nil }

func (r *recorder) Run(b *graph.Batch, run func() error) error {
	r.batches = append(r.batches, b)
	if r.runs > 0 {
		return nil
	}
	r.runs++
	return run()
}

// A step goes through the backend's recording, and the results are there where
// the tape does not run again.
func TestRecorder(t *testing.T) {
	p := newProblem(t, rand.New(rand.NewPCG(9, 0)), 11, 7, 9, 40, false)
	r := &recorder{Backend: p.backend}
	model, err := graph.NewModel(r, p.d, p.k, graph.MSE{})
	must(t, err)
	defer model.Close()
	must(t, p.backend.Upload(model.Matrix(), p.matrix))
	must(t, model.Step(p.batch))
	loss, err := model.Loss()
	must(t, err)
	gradient := download(t, p.backend, model.Gradient())
	near(t, "gradient", gradient, p.analytic(), tolerance)

	other := *p.batch
	must(t, model.Step(&other))
	again, err := model.Loss()
	must(t, err)
	if again != loss || !slices.Equal(download(t, p.backend, model.Gradient()), gradient) {
		t.Error("the results are gone after a step that was repeated")
	}
	if r.runs != 1 || !slices.Equal(r.batches, []*graph.Batch{p.batch, &other}) {
		t.Errorf("%d runs of the tape, batches %v", r.runs, r.batches)
	}
}
