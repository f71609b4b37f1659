package backendtest

import (
	"math"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/kernel"
)

// A Reference computes the model in plain float64, formula by formula.
type Reference struct {
	D, K  int
	Table []float64 // [n, D]
	Less  []float64 // [D], the batch's offset; nil: none
	M     []float64 // [D, K]
}

// Embedding returns row i of a side of the batch, less the offset, after dropout.
func (r *Reference) Embedding(row int32, i int, side uint32, drop graph.Dropout) []float64 {
	x := make([]float64, r.D)
	for c := range x {
		x[c] = r.Table[int(row)*r.D+c]
		if r.Less != nil {
			x[c] -= r.Less[c]
		}
		x[c] *= keep(drop, side, drop.Row+uint32(i), c)
	}
	return x
}

// keep is the factor of an element under dropout: 0 or 1/(1−rate).
func keep(drop graph.Dropout, side, row uint32, column int) float64 {
	if drop.Rate == 0 {
		return 1
	}
	words := kernel.Philox([4]uint32{drop.Step, side, row, uint32(column / 4)},
		[2]uint32{uint32(drop.Seed), uint32(drop.Seed >> 32)})
	if float64(words[column%4]) < drop.Rate*(1<<32) {
		return 0
	}
	return 1 / (1 - drop.Rate)
}

// Project returns x·M.
func (r *Reference) Project(x []float64) []float64 {
	p := make([]float64, r.K)
	for c, v := range x {
		for j := range p {
			p[j] += v * r.M[c*r.K+j]
		}
	}
	return p
}

// Cosine returns a·b/(|a||b|), or 0 where a vector is zero.
func Cosine(a, b []float64) float64 {
	n := math.Sqrt(dot(a, a)) * math.Sqrt(dot(b, b))
	if n == 0 {
		return 0
	}
	return dot(a, b) / n
}

func dot(a, b []float64) (sum float64) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

// Scores returns the cosines of a batch.
func (r *Reference) Scores(b *graph.Batch) []float64 {
	s := make([]float64, len(b.Left))
	for i := range s {
		s[i] = Cosine(r.Project(r.Embedding(b.Left[i], i, 0, b.Dropout)), r.Project(r.Embedding(b.Right[i], i, 1, b.Dropout)))
	}
	return s
}

// ScoreGradient returns dM = Σ_i ds_i·(a_iᵀ·∂s/∂(a_iM) + b_iᵀ·∂s/∂(b_iM)).
func (r *Reference) ScoreGradient(b *graph.Batch, ds []float64) []float64 {
	dm := make([]float64, r.D*r.K)
	for i := range ds {
		a := r.Embedding(b.Left[i], i, 0, b.Dropout)
		c := r.Embedding(b.Right[i], i, 1, b.Dropout)
		p, q := r.Project(a), r.Project(c)
		pp, qq := dot(p, p), dot(q, q)
		if pp == 0 || qq == 0 {
			continue
		}
		s, inverse := Cosine(p, q), 1/math.Sqrt(pp*qq)
		for row := range a {
			for j := range p {
				dm[row*r.K+j] += ds[i] * (a[row]*(q[j]*inverse-s*p[j]/pp) + c[row]*(p[j]*inverse-s*q[j]/qq))
			}
		}
	}
	return dm
}
