package graph_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/cosfit/cosfit/graph"
)

var errFull = errors.New("the device is full: take a smaller batch")

// full is a backend on which no cosine and no projection has room.
type full struct{ graph.Backend }

func (b full) NewScore(d, k int) (graph.ScoreKernel, error) {
	kernel, err := b.Backend.NewScore(d, k)
	return fullScore{kernel}, err
}

func (b full) NewProject(d, k int) (graph.ProjectKernel, error) {
	kernel, err := b.Backend.NewProject(d, k)
	return fullProject{kernel}, err
}

type fullScore struct{ graph.ScoreKernel }

func (fullScore) Forward(graph.Array, *graph.Batch) (graph.Array, error) { return nil, errFull }

type fullProject struct{ graph.ProjectKernel }

func (fullProject) Forward(graph.Array, *graph.Batch) (graph.Array, error) { return nil, errFull }

// What a kernel says comes out of a step as it is, without the words of
// Gorgonia's machine around it.
func TestErrorsOfKernels(t *testing.T) {
	p := newProblem(t, rand.New(rand.NewPCG(9, 0)), 5, 3, 4, 10, false)
	b := full{p.backend}
	model, err := graph.NewModel(b, p.d, p.k, graph.MSE{})
	must(t, err)
	defer model.Close()
	projector, err := graph.NewProjector(b, graph.Both, p.d, model.Matrix())
	must(t, err)
	defer projector.Close()
	for range 2 { // an error leaves the machine usable
		if err := model.Step(p.batch); err != errFull {
			t.Errorf("a step: %v", err)
		}
		if _, err := projector.Run(p.batch.Table, nil, p.batch.Left, nil); err != errFull {
			t.Errorf("a projection: %v", err)
		}
	}
}
