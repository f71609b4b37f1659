package graph_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/backendtest"
	"github.com/cosfit/cosfit/graph/cpu"
)

// sidedLoss is the mean squared error of the cosines in float64. m has a matrix
// for each side that has one, [d, k] each.
func sidedLoss(side graph.Side, d, k int, m []float64, table []float32, b *graph.Batch) float64 {
	width := side.Width(d, k)
	apply := func(row int32, m []float64) []float64 {
		x, y := table[int(row)*width:][:d], make([]float64, k)
		for j := range y {
			for i, v := range x {
				y[j] += float64(v) * m[i*k+j]
			}
		}
		return y
	}
	sum := 0.0
	for i := range b.Left {
		l, r := apply(b.Left[i], m[:d*k]), []float64(nil)
		switch side {
		case graph.Both:
			r = apply(b.Right[i], m)
		case graph.Query:
			r = backendtest.Widen(table[int(b.Right[i])*width:][:k])
		case graph.Dual:
			r = apply(b.Right[i], m[d*k:])
		}
		var lr, ll, rr float64
		for j := range l {
			lr, ll, rr = lr+l[j]*r[j], ll+l[j]*l[j], rr+r[j]*r[j]
		}
		diff := lr/math.Sqrt(ll*rr) - float64(b.Labels[i])
		sum += diff * diff
	}
	return sum / float64(len(b.Left))
}

// TestSides compares a step's loss and gradient with differences in float64.
func TestSides(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 3))
	for _, side := range []graph.Side{graph.Query, graph.Dual} {
		for _, size := range [][3]int{{9, 9, 20}, {33, 17, 5}, {17, 33, 5}, {40, 40, 1}} {
			d, k, n := size[0], size[1], size[2]
			t.Run(fmt.Sprintf("%s %d → %d, %d pairs", side, d, k, n), func(t *testing.T) {
				backend := cpu.New(2)
				defer backend.Close()
				width := side.Width(d, k)
				table, m := random(rng, 30*width), random(rng, side.Rows(d)*k)
				batch := &graph.Batch{Table: upload(t, backend, table, 30, width), Left: rows(rng, n, 30), Right: rows(rng, n, 30), Labels: random(rng, n)}
				model, err := graph.NewSidedModel(backend, side, d, k, graph.MSE{})
				must(t, err)
				defer model.Close()
				must(t, backend.Upload(model.Matrix(), m))
				must(t, model.Step(batch))
				loss, err := model.Loss()
				must(t, err)
				wide := backendtest.Widen(m)
				if want := sidedLoss(side, d, k, wide, table, batch); !(math.Abs(float64(loss)-want) <= 1e-5*want) {
					t.Errorf("loss %g, want %g", loss, want)
				}
				gradient, want := make([]float32, len(m)), make([]float64, len(m))
				must(t, backend.Download(gradient, model.Gradient()))
				for i := range want {
					const step = 1e-5
					at := func(by float64) float64 {
						moved := slices.Clone(wide)
						moved[i] += by
						return sidedLoss(side, d, k, moved, table, batch)
					}
					want[i] = (at(step) - at(-step)) / (2 * step)
				}
				if e := relative(gradient, want); !(e <= tolerance) {
					t.Errorf("the gradient is off by %g of its length", e)
				}
			})
		}
	}
}

// TestSidedProjector: rows of both sides, of one, and of none, with an offset,
// which only a matrix takes off.
func TestSidedProjector(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 3))
	backend := cpu.New(2)
	defer backend.Close()
	for _, size := range [][2]int{{13, 7}, {7, 13}} {
		d, k := size[0], size[1]
		less := random(rng, d)
		offset := upload(t, backend, less, d)
		for _, side := range []graph.Side{graph.Both, graph.Query, graph.Dual} {
			width := side.Width(d, k)
			x, m := random(rng, 10*width), random(rng, side.Rows(d)*k)
			table := upload(t, backend, x, 10, width)
			projector, err := graph.NewProjector(backend, side, d, upload(t, backend, m, side.Rows(d), k))
			must(t, err)
			defer projector.Close()
			for _, rows := range [][2][]int32{{{1, 2, 3}, {4, 1}}, {{5}, nil}, {nil, {9, 0, 9, 2}}} {
				p, err := projector.Run(table, offset, rows[0], rows[1])
				must(t, err)
				got := make([]float32, p.Size())
				must(t, backend.Download(got, p))
				var want []float64
				for right, some := range rows {
					for _, r := range some {
						row := x[int(r)*width:]
						for j := range k {
							sum := 0.0
							for i, v := range row[:d] {
								sum += (float64(v) - float64(less[i])) * float64(m[(side.Rows(d)-d)*right*k+i*k+j])
							}
							if side == graph.Query && right == 1 {
								sum = float64(row[j])
							}
							want = append(want, sum)
						}
					}
				}
				if e := relative(got, want); len(got) != len(want) || !(e <= tolerance) {
					t.Errorf("%s %d → %d, rows %v: off by %g", side, d, k, rows, e)
				}
			}
		}
	}
}
