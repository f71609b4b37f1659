package trainer_test

import (
	"context"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/trainer"
)

// TestShapedRun: the matrix that a run leaves is the start and what its shape allows
// besides, multiplied out, and it has learned something.
func TestShapedRun(t *testing.T) {
	const rank = 3
	for _, shape := range []graph.Shape{graph.LowRank{Rank: rank}, graph.Diagonal{}} {
		for _, average := range []float64{0, 0.5} {
			data, dir, recipe := planted(t), newDir(t), quick()
			recipe.Shape, recipe.Average, recipe.Epochs, recipe.Dims = shape, average, 8, 40
			recipe.Start = trainer.Identity{}
			s, err := trainer.Train(context.Background(), data, trainer.Options{Recipe: recipe, Backend: cpu.New(0), Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			if s.BestEpoch == 0 {
				t.Fatalf("%s: the result is the start: %s", shape.Name(), s.Judgement.Text)
			}
			p, err := dir.ReadMatrix()
			if err != nil {
				t.Fatal(err)
			}
			start, err := recipe.Start.Begin(data, recipe.Dims, 0)
			if err != nil {
				t.Fatal(err)
			}
			moved := mat.NewDense(p.In, p.Out, nil)
			for i, v := range p.Matrix {
				moved.Set(i/p.Out, i%p.Out, float64(v)-float64(start.Matrix[i]))
			}
			if shape == (graph.Diagonal{}) {
				some := false
				for i := range p.In {
					for j := range p.Out {
						v := moved.At(i, j)
						some = some || v != 0
						if i != j && v != 0 {
							t.Fatalf("a diagonal matrix has moved by %g at %d, %d", v, i, j)
						}
					}
				}
				if !some {
					t.Error("a diagonal matrix has not moved")
				}
				continue
			}
			var svd mat.SVD
			if !svd.Factorize(moved, mat.SVDNone) {
				t.Fatal("no singular values")
			}
			if v := svd.Values(nil); !(v[rank-1] > 1e-3*v[0]) || !(v[rank] < 1e-5*v[0]) {
				t.Errorf("singular values %v of a matrix of rank %d", v[:rank+2], rank)
			}
		}
	}
}
