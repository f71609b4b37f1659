package graph_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/cpu"
)

// sidedLoss is the mean squared error of the cosines in float64. m has a matrix
// for each side that has one, [d, k] each.
func sidedLoss(side graph.Side, d, k int, m []float64, table []float32, b *graph.Batch) float64 {
	apply := func(row int32, m []float64) []float64 {
		x, y := table[int(row)*d:(int(row)+1)*d], make([]float64, k)
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
			r = widen(table[int(b.Right[i])*d:][:k])
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
		for _, size := range [][3]int{{9, 9, 20}, {33, 17, 5}, {40, 40, 1}} {
			d, k, n := size[0], size[1], size[2]
			t.Run(fmt.Sprintf("%s %d → %d, %d pairs", side, d, k, n), func(t *testing.T) {
				backend := cpu.New(2)
				defer backend.Close()
				table, m := random(rng, 30*d), random(rng, side.Rows(d)*k)
				batch := &graph.Batch{Table: upload(t, backend, table, 30, d), Left: rows(rng, n, 30), Right: rows(rng, n, 30), Labels: random(rng, n)}
				model, err := graph.NewSidedModel(backend, side, d, k, graph.MSE{})
				must(t, err)
				defer model.Close()
				must(t, backend.Upload(model.Matrix(), m))
				must(t, model.Step(batch))
				loss, err := model.Loss()
				must(t, err)
				wide := widen(m)
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

// TestSidedProjector: rows of both sides, of one, and of none.
func TestSidedProjector(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 3))
	const d, k = 13, 7
	backend := cpu.New(2)
	defer backend.Close()
	x := random(rng, 10*d)
	table := upload(t, backend, x, 10, d)
	for _, side := range []graph.Side{graph.Both, graph.Query, graph.Dual} {
		m := random(rng, side.Rows(d)*k)
		projector, err := graph.NewProjector(backend, side, d, upload(t, backend, m, side.Rows(d), k))
		must(t, err)
		defer projector.Close()
		for _, rows := range [][2][]int32{{{1, 2, 3}, {4, 1}}, {{5}, nil}, {nil, {9, 0, 9, 2}}} {
			p, err := projector.Run(table, rows[0], rows[1])
			must(t, err)
			got := make([]float32, p.Size())
			must(t, backend.Download(got, p))
			var want []float64
			for right, some := range rows {
				for _, r := range some {
					row := x[int(r)*d : (int(r)+1)*d]
					for j := range k {
						sum := 0.0
						for i, v := range row {
							sum += float64(v) * float64(m[(side.Rows(d)-d)*right*k+i*k+j])
						}
						if side == graph.Query && right == 1 {
							sum = float64(row[j])
						}
						want = append(want, sum)
					}
				}
			}
			if e := relative(got, want); len(got) != len(want) || !(e <= tolerance) {
				t.Errorf("%s, rows %v: off by %g", side, rows, e)
			}
		}
	}
}

// TestLeftBy: where left rows stand elsewhere in the table than the same texts'
// right ones, InfoNCE still knows them.
func TestLeftBy(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 3))
	const d, texts, by = 8, 12, 12
	backend := cpu.New(2)
	defer backend.Close()
	x := random(rng, texts*d)
	table := upload(t, backend, slices.Concat(x, x), 2*texts, d)
	left, right := []int32{0, 1, 2, 3}, []int32{1, 2, 7, 8} // two passages are queries too
	moved := make([]int32, len(left))
	for i, r := range left {
		moved[i] = r + by
	}
	m := random(rng, d*d)
	loss := func(b *graph.Batch) float32 {
		b.Table, b.Right, b.Labels, b.Groups = table, right, []float32{1, 1, 1, 1}, []int32{0, 1, 2, 3}
		model := sidedModel(t, backend, graph.Query, d, d, graph.InfoNCE{Temperature: 0.3, Symmetric: true}, m)
		defer model.Close()
		must(t, model.Step(b))
		value, err := model.Loss()
		must(t, err)
		return value
	}
	want := loss(&graph.Batch{Left: left})
	if got := loss(&graph.Batch{Left: moved, LeftBy: by}); got != want {
		t.Errorf("the loss is %g, want %g", got, want)
	}
	if got := loss(&graph.Batch{Left: moved}); got == want {
		t.Error("the rows alone tell the texts, so this shows nothing")
	}
}
