package backendtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cosfit/cosfit/graph"
)

// A sidedProblem is random inputs of a side in the backend's memory and in a
// reference for the texts of each side.
type sidedProblem struct {
	side        graph.Side
	d, k        int
	table       []float32 // [_, side.Width(d, k)]
	m           graph.Array
	batch       *graph.Batch
	left, right *Reference
}

func (s *suite) sidedProblem(side graph.Side, d, k, n int) *sidedProblem {
	s.Helper()
	texts, width, rows := n+3, side.Width(d, k), side.Rows(d)
	table, m := s.random(texts*width), s.random(rows*k)
	var plain []float64
	for row := range slices.Chunk(table, width) {
		plain = append(plain, Widen(row[:min(d, width)])...)
	}
	return &sidedProblem{side, d, k, table, s.array(m, rows, k),
		&graph.Batch{Table: s.array(table, texts, width), Left: s.rows(n, texts), Right: s.rows(n/2+1, texts)}, // sides of different length
		&Reference{D: d, K: k, Table: plain, M: Widen(m[:d*k])},
		&Reference{D: d, K: k, Table: plain, M: Widen(m[(rows-d)*k:])},
	}
}

// sides tells left texts from right ones.
func (s *suite) sides() {
	if _, ok := s.backend.(graph.SidedBackend); !ok {
		s.Skip("this backend has one matrix for both sides")
	}
	for _, side := range []graph.Side{graph.Query, graph.Dual} {
		for _, size := range sizes {
			p := s.sidedProblem(side, size[0], size[1], size[2])
			kernel := s.newSidedProject(side, p.d, p.k, size[2]+5)
			s.checkSides(kernel, p)
			s.alone(kernel, p)
			rightAlone := *p.batch
			rightAlone.Left = nil
			fresh, err := s.backend.(graph.SidedBackend).NewSidedProject(side, p.d, p.k) // whose memory no left texts have grown
			s.must(err)
			s.checkSides(fresh, &sidedProblem{side, p.d, p.k, p.table, p.m, &rightAlone, p.left, p.right})
			p.batch.Dropout = graph.Dropout{Rate: 0.3, Seed: s.rng.Uint64(), Step: s.rng.Uint32(), Row: s.rng.Uint32N(1000)}
			s.checkSides(kernel, p)
			less := s.random(p.d)
			p.left.Less, p.right.Less, p.batch.Offset = Widen(less), Widen(less), s.array(less, p.d)
			s.checkSides(kernel, p)
			p.batch.Right = nil
			s.checkSides(kernel, p)
			p.batch.Left, p.batch.Right = nil, s.rows(3, size[2])
			s.checkSides(kernel, p)
		}
		p := s.sidedProblem(side, 6, 4, 3)
		kernel := s.newSidedProject(side, 6, 4, 3)
		for want, wrong := range map[string]struct {
			m     graph.Array
			width int
		}{
			fmt.Sprintf("want (%d, 4)", side.Rows(6)): {s.array(nans(20), 5, 4), 6},
			"embeddings of 7 dimensions":              {p.m, 7},
		} {
			batch := &graph.Batch{Table: s.array(nans(wrong.width), 1, wrong.width), Left: []int32{0}}
			if _, err := kernel.Forward(wrong.m, batch); err == nil || !strings.Contains(err.Error(), want) {
				s.Errorf("%s: error is %v, want %q", side, err, want)
			}
		}
	}
}

// checkSides compares a projection and its gradient.
func (s *suite) checkSides(kernel graph.ProjectKernel, p *sidedProblem) {
	s.Helper()
	projected, err := kernel.Forward(p.m, p.batch)
	s.must(err)
	var x [][]float64 // of each row; nil where no matrix takes it
	var want []float64
	for i, row := range p.batch.Left {
		x = append(x, p.left.Embedding(row, i, 0, p.batch.Dropout))
		want = append(want, p.left.Project(x[i])...)
	}
	for i, row := range p.batch.Right {
		if p.side == graph.Query {
			x = append(x, nil)
			want = append(want, Widen(p.table[int(row)*p.side.Width(p.d, p.k):][:p.k])...)
			continue
		}
		x = append(x, p.right.Embedding(row, i, 1, p.batch.Dropout))
		want = append(want, p.right.Project(x[len(x)-1])...)
	}
	of := fmt.Sprintf(" of %d left and %d right texts, %s %d → %d", len(p.batch.Left), len(p.batch.Right), p.side, p.d, p.k)
	s.near("projection"+of, s.download(projected), want)
	dp := s.random(len(want))
	dm, err := kernel.Backward(s.array(dp, len(x), p.k))
	s.must(err)
	gradient := make([]float64, p.side.Rows(p.d)*p.k)
	for i := range x {
		to := gradient
		if i >= len(p.batch.Left) {
			to = gradient[len(gradient)-p.d*p.k:]
		}
		for c, v := range x[i] {
			for j := range p.k {
				to[c*p.k+j] += v * float64(dp[i*p.k+j])
			}
		}
	}
	s.near("gradient"+of, s.download(dm), gradient)
}

// alone projects texts by themselves: to the same bits.
func (s *suite) alone(kernel graph.ProjectKernel, p *sidedProblem) {
	s.Helper()
	projected, err := kernel.Forward(p.m, p.batch)
	s.must(err)
	all := s.download(projected)
	last := len(p.batch.Right) - 1
	for at, one := range map[int]graph.Batch{
		0:                        {Left: p.batch.Left[:1]},
		len(p.batch.Left) + last: {Right: p.batch.Right[last:]},
	} {
		one.Table = p.batch.Table
		alone, err := kernel.Forward(p.m, &one)
		s.must(err)
		if got, want := s.download(alone), all[at*p.k:(at+1)*p.k]; !slices.Equal(got, want) {
			s.Errorf("%s: row %d of %d is %v among others and %v by itself", p.side, at, len(all)/p.k, want, got)
		}
	}
}
