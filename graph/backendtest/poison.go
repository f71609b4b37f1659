package backendtest

import (
	"math"
	"slices"

	"github.com/cosfit/cosfit/graph"
)

// A kernel object owns its results and workspaces, so a test cannot fill them.
// The functions here make a kernel and run it on NaN alone, in a batch of the
// given size: where that exceeds the next batch, every number that the kernel
// then forgets to write, or reads before it is written, shows as NaN.

func nans(n int) []float32 { return slices.Repeat([]float32{float32(math.NaN())}, n) }

// poisoned checks that a result has become NaN throughout.
func (s *suite) poisoned(what string, a graph.Array) {
	s.Helper()
	if i := slices.IndexFunc(s.download(a), func(x float32) bool { return x == x }); i >= 0 {
		s.Errorf("%s of NaN: number %d is not NaN", what, i)
	}
}

// poison is a batch of NaN with n pairs.
func (s *suite) poison(d, n int) *graph.Batch {
	s.Helper()
	rows := make([]int32, n)
	return &graph.Batch{Table: s.array(nans(d), 1, d), Left: rows, Right: rows, Labels: nans(n)}
}

func (s *suite) newScore(d, k, n int) graph.ScoreKernel {
	s.Helper()
	kernel, err := s.backend.NewScore(d, k)
	s.must(err)
	scores, err := kernel.Forward(s.array(nans(d*k), d, k), s.poison(d, n))
	s.must(err)
	s.poisoned("cosines", scores)
	dm, err := kernel.Backward(s.array(nans(n), n))
	s.must(err)
	s.poisoned("gradient", dm)
	return kernel
}

func (s *suite) newProject(d, k, n int) graph.ProjectKernel {
	s.Helper()
	return s.newSidedProject(graph.Both, d, k, n)
}

func (s *suite) newSidedProject(side graph.Side, d, k, n int) graph.ProjectKernel {
	s.Helper()
	var kernel graph.ProjectKernel
	var err error
	if side == graph.Both {
		kernel, err = s.backend.NewProject(d, k)
	} else {
		kernel, err = s.backend.(graph.SidedBackend).NewSidedProject(side, d, k)
	}
	s.must(err)
	rows := side.Rows(d)
	projected, err := kernel.Forward(s.array(nans(rows*k), rows, k), s.poison(side.Width(d, k), n))
	s.must(err)
	s.poisoned("projection", projected)
	dm, err := kernel.Backward(s.array(nans(2*n*k), 2*n, k))
	s.must(err)
	s.poisoned("gradient", dm)
	return kernel
}

func (s *suite) newLoss(n int) graph.LossKernel {
	s.Helper()
	kernel, err := s.backend.NewLoss(graph.MSE{})
	s.must(err)
	value, err := kernel.Forward(s.array(nans(n), n), s.poison(1, n))
	s.must(err)
	s.poisoned("loss", value)
	for _, upstream := range []float32{0.5, 1} { // they may be kept in two places
		ds, err := kernel.Backward(upstream)
		s.must(err)
		s.poisoned("gradient", ds)
	}
	return kernel
}

// newVectorLoss runs the kernel on NaN in a batch with n pairs of both kinds, k wide.
func (s *suite) newVectorLoss(loss graph.VectorLoss, n, k int) graph.VectorLossKernel {
	s.Helper()
	kernel, err := s.backend.NewVectorLoss(loss)
	s.must(err)
	v := s.vectors(n, k)
	v.P = nans(len(v.P))
	v.Labels[0], v.Labels[1] = 1, v.Low
	value, err := s.forward(kernel, loss, v)
	s.must(err)
	s.poisoned("loss", value)
	for _, upstream := range []float32{0.5, 1} {
		dp, err := kernel.Backward(upstream)
		s.must(err)
		s.poisoned("gradient", dp)
	}
	return kernel
}

// newShape runs the kernel on NaN alone.
func (s *suite) newShape(shape graph.Shape, sides, d, k int) graph.ShapeKernel {
	s.Helper()
	kernel, err := s.backend.(graph.ShapedBackend).NewShape(shape, sides, d, k)
	s.must(err)
	_, err = kernel.Begin(nans(sides*d*k), 1)
	s.must(err)
	m, err := kernel.Forward(s.array(nans(kernel.Size()), kernel.Size()))
	s.must(err)
	s.poisoned("matrix", m)
	dtheta, err := kernel.Backward(s.array(nans(sides*d*k), sides*d, k))
	s.must(err)
	s.poisoned("gradient", dtheta)
	return kernel
}

// poisonRow gives the table of a problem one more row, of NaN, and returns its
// number n times.
func (s *suite) poisonRow(p *problem, n int) []int32 {
	s.Helper()
	texts := len(p.ref.Table) / p.d
	p.batch.Table = s.array(append(Narrow(p.ref.Table), nans(p.d)...), texts+1, p.d)
	return slices.Repeat([]int32{int32(texts)}, n)
}
