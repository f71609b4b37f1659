package backendtest

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/cosfit/cosfit/graph"
)

// inGo is a shape that a backend knows nothing more of.
type inGo struct{ graph.Shape }

// shapes compares matrices of each shape, and their gradients, with the formulas.
func (s *suite) shapes() {
	if _, ok := s.backend.(graph.ShapedBackend); !ok {
		s.Skip("this backend has full matrices only")
	}
	for _, shape := range []graph.Shape{graph.LowRank{Rank: 1}, graph.LowRank{Rank: 5}, graph.Diagonal{}, inGo{graph.LowRank{Rank: 2}}, inGo{graph.Diagonal{}}} {
		for _, sides := range []int{1, 2} {
			for _, size := range [][2]int{{9, 5}, {5, 9}, {64, 32}, {70, 67}} {
				d, k := size[0], size[1]
				kernel := s.newShape(shape, sides, d, k)
				for range 2 { // the second start takes the place of the first
					s.checkShape(kernel, shape, sides, d, k)
				}
			}
		}
	}
}

func (s *suite) checkShape(kernel graph.ShapeKernel, shape graph.Shape, sides, d, k int) {
	s.Helper()
	of := fmt.Sprintf(" of %T%v, %d of %d → %d", shape, shape, sides, d, k)
	start := s.random(sides * d * k)
	theta, err := kernel.Begin(start, s.rng.Uint64())
	s.must(err)
	m, err := kernel.Forward(s.array(theta, len(theta)))
	s.must(err)
	if got := s.download(m); !slices.Equal(got, start) {
		s.Errorf("the matrix%s does not begin with the start", of)
	}
	theta = s.random(len(theta))
	m, err = kernel.Forward(s.array(theta, len(theta)))
	s.must(err)
	s.near("matrix"+of, s.download(m), ShapedMatrix(shape, sides, d, k, start, Widen(theta)))
	dm := s.random(sides * d * k)
	dtheta, err := kernel.Backward(s.array(dm, sides*d, k))
	s.must(err)
	s.near("gradient"+of, s.download(dtheta), shapeGradient(shape, sides, d, k, start, theta, dm))
}

// ShapedMatrix is the matrix of θ [sides·d, k] in float64, formula by formula.
func ShapedMatrix(shape graph.Shape, sides, d, k int, start []float32, theta []float64) []float64 {
	m := Widen(start)
	for side := range sides {
		of := theta[side*len(theta)/sides:][:len(theta)/sides]
		for i := range d {
			for j := range k {
				at := (side*d+i)*k + j
				switch s := formula(shape).(type) {
				case graph.LowRank:
					for r := range s.Rank {
						m[at] += of[i*s.Rank+r] * of[(d+j)*s.Rank+r]
					}
				case graph.Diagonal:
					m[at] *= 1 + math.Sqrt(float64(k))*of[j]
				}
			}
		}
	}
	return m
}

// shapeGradient is the derivative by θ, given that by the matrix.
func shapeGradient(shape graph.Shape, sides, d, k int, start, theta, dm []float32) []float64 {
	out := make([]float64, len(theta))
	for side := range sides {
		n := len(theta) / sides
		of, to := theta[side*n:][:n], out[side*n:][:n]
		for i := range d {
			for j := range k {
				at := (side*d+i)*k + j
				by := float64(dm[at])
				switch s := formula(shape).(type) {
				case graph.LowRank:
					for r := range s.Rank {
						to[i*s.Rank+r] += by * float64(of[(d+j)*s.Rank+r])
						to[(d+j)*s.Rank+r] += by * float64(of[i*s.Rank+r])
					}
				case graph.Diagonal:
					to[j] += math.Sqrt(float64(k)) * float64(start[at]) * by
				}
			}
		}
	}
	return out
}

func formula(shape graph.Shape) graph.Shape {
	if s, ok := shape.(inGo); ok {
		return s.Shape
	}
	return shape
}

//go:embed testdata/shapes.json
var torchShapes []byte

// recordedShapes repeats steps of matrices of a shape and a side, which PyTorch
// recorded in float64; testdata/shapes.py wrote them.
func (s *suite) recordedShapes() {
	if _, ok := s.backend.(graph.ShapedBackend); !ok {
		s.Skip("this backend has full matrices only")
	}
	var all []struct {
		Shape, Side         string
		Rank, D, K          int
		Table, Start, Theta []float32
		Left, Right         []int32
		Labels              []float32
		Matrix, Gradient    []float64
		Value               float64
	}
	s.must(json.Unmarshal(torchShapes, &all))
	sides := map[string]graph.Side{"both": graph.Both, "query": graph.Query, "dual": graph.Dual}
	for _, r := range all {
		s.Run(fmt.Sprintf("%s %d %s", r.Shape, r.Rank, r.Side), func(t *testing.T) {
			s := &suite{t, s.backend, s.tolerance, s.rng}
			var shape graph.Shape = graph.LowRank{Rank: r.Rank}
			if r.Shape == (graph.Diagonal{}).Name() {
				shape = graph.Diagonal{}
			}
			model, err := graph.NewShapedModel(s.backend, shape, sides[r.Side], r.D, r.K, graph.MSE{})
			s.must(err)
			defer model.Close()
			_, err = model.Begin(r.Start, 1)
			s.must(err)
			s.must(s.backend.Upload(model.Weights(), r.Theta))
			m, err := model.MatrixOf(model.Weights())
			s.must(err)
			s.near("matrix", s.download(m), r.Matrix)
			s.must(model.Step(&graph.Batch{Table: s.array(r.Table, len(r.Table)/r.D, r.D), Left: r.Left, Right: r.Right, Labels: r.Labels}))
			value, err := model.Loss()
			s.must(err)
			s.near("loss", []float32{value}, []float64{r.Value})
			s.near("gradient", s.download(model.Gradient()), r.Gradient)
		})
	}
}
