//go:build gpu && linux

package cuda

import (
	"slices"
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/backendtest"
)

// A projection of more rows than are gathered at a time, of each side, with
// dropout: against float64, and a vector's is the same bits wherever it stands.
func TestLargeProjectionOnDevice(t *testing.T) {
	b := openWith(t, settings{Options: Options{Precision: BF16}, algorithm: 3})
	defer func() { do(t, b.Close()) }()
	const d, k, texts, lefts, rights = 5, 3, 50, 64*keptBlocks + 77, 64*keptBlocks - 30
	for _, side := range []graph.Side{graph.Both, graph.Query, graph.Dual} {
		vectors, matrix := random(5, texts*d), random(6, side.Rows(d)*k)
		table, m := must(b.NewTable(d))(t), must(b.NewArray(side.Rows(d), k))(t)
		do(t, table.Set(vectors), b.Upload(m, matrix))
		left := &backendtest.Reference{D: d, K: k, Table: backendtest.Widen(vectors), M: backendtest.Widen(matrix[:d*k])}
		right := &backendtest.Reference{D: d, K: k, Table: backendtest.Widen(vectors), M: backendtest.Widen(matrix[len(matrix)-d*k:])}
		kernel := must(b.NewSidedProject(side, d, k))(t)
		for _, rate := range []float64{0, 0.4} {
			batch := &graph.Batch{Table: table, Left: make([]int32, lefts), Right: make([]int32, rights), Dropout: graph.Dropout{Rate: rate, Seed: 3, Step: 9, Row: 1000}}
			for i := range batch.Left {
				batch.Left[i] = int32(i * 7 % texts)
			}
			for i := range batch.Right {
				batch.Right[i] = int32(i * 11 % texts)
			}
			p := must(kernel.Forward(m, batch))(t)
			got := make([]float32, (lefts+rights)*k)
			do(t, b.Download(got, p))
			dp := random(7, len(got))
			var want []float64
			gradient := make([]float64, len(matrix))
			for row := range lefts + rights {
				ref, to := left, gradient
				x := left.Embedding(batch.Left[min(row, lefts-1)], row, 0, batch.Dropout)
				if row >= lefts {
					if side == graph.Query {
						want = append(want, left.Embedding(batch.Right[row-lefts], 0, 0, graph.Dropout{})[:k]...)
						continue
					}
					x = right.Embedding(batch.Right[row-lefts], row-lefts, 1, batch.Dropout)
					ref, to = right, gradient[len(gradient)-d*k:]
				}
				want = append(want, ref.Project(x)...)
				for c, v := range x {
					for j := range k {
						to[c*k+j] += v * float64(dp[row*k+j])
					}
				}
			}
			if e := distance(got, backendtest.Narrow(want)); !(e <= backendtest.FP32) {
				t.Errorf("%s, dropout %g: the projection is off by %.2g", side, rate, e)
			}
			for row := range lefts + rights {
				all, of, at := batch.Left, 0, row
				if row >= lefts && side != graph.Both {
					all, of, at = batch.Right, lefts, row-lefts
				}
				text := batch.Right[max(0, row-lefts)]
				if row < lefts {
					text = batch.Left[at]
				}
				first := of + slices.Index(all, text)
				if rate == 0 && !slices.Equal(got[row*k:(row+1)*k], got[first*k:(first+1)*k]) {
					t.Fatalf("%s: text %d is %v in row %d and %v in row %d", side, text, got[row*k:(row+1)*k], row, got[first*k:(first+1)*k], first)
				}
			}
			upstream := must(b.NewArray(lefts+rights, k))(t)
			do(t, b.Upload(upstream, dp))
			dm := make([]float32, len(matrix))
			do(t, b.Download(dm, must(kernel.Backward(upstream))(t)))
			if e := distance(dm, backendtest.Narrow(gradient)); !(e <= backendtest.FP32) {
				t.Errorf("%s, dropout %g: the gradient is off by %.2g", side, rate, e)
			}
		}
	}
}

// Steps of each side that are repeated have the bits of those that are told call by
// call.
func TestRepeatedSidesOnDevice(t *testing.T) {
	b := openWith(t, settings{algorithm: 2})
	defer func() { do(t, b.Close()) }()
	const d, k = 6, 5
	for _, side := range []graph.Side{graph.Both, graph.Query, graph.Dual} {
		table, m := must(b.NewTable(d))(t), must(b.NewArray(side.Rows(d), k))(t)
		do(t, table.Set(random(3, 30*d)), b.Upload(m, random(4, side.Rows(d)*k)))
		type results struct{ p, dm graph.Array }
		var recorded, plain results
		of, other := must(b.NewSidedProject(side, d, k))(t), must(b.NewSidedProject(side, d, k))(t)
		r := must(b.NewRecording())(t).(*recording)
		for i, n := range []int{7, 3, 7, 3, 7, 3, 3, 7} {
			batch := &graph.Batch{Table: table, Left: make([]int32, n), Right: make([]int32, 2*n), Dropout: graph.Dropout{Rate: 0.2, Step: uint32(i)}}
			for j := range 2 * n {
				batch.Left[j/2], batch.Right[j] = int32(i+j/2), int32(29-j)
			}
			step := func(kernel graph.ProjectKernel, to *results) func() error {
				return func() (err error) {
					if to.p, err = kernel.Forward(m, batch); err != nil {
						return err
					}
					to.dm, err = kernel.Backward(to.p) // any numbers will do
					return err
				}
			}
			do(t, r.Run(batch, step(of, &recorded)), step(other, &plain)())
			for _, a := range [][2]graph.Array{{recorded.p, plain.p}, {recorded.dm, plain.dm}} {
				got, want := make([]float32, a[0].Size()), make([]float32, a[1].Size())
				do(t, b.Download(got, a[0]), b.Download(want, a[1]))
				if !slices.Equal(got, want) {
					t.Errorf("%s, step %d: another result of shape %v, want that of %v", side, i, a[0].Shape(), a[1].Shape())
				}
			}
		}
		if len(r.steps) != 2 || r.never {
			t.Errorf("%s: %d shapes were recorded, want 2", side, len(r.steps))
		}
	}
}
