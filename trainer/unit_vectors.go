package trainer

import (
	"math"
	"runtime"

	"github.com/cosfit/cosfit/internal/kernel"
	"github.com/cosfit/cosfit/loader"
)

// unitVectors are rows of a table [n, d], each divided by its length and less a
// mean: u_i = x_i/|x_i| − μ. They are read again whenever they are needed, so
// that they take no memory.
type unitVectors struct {
	table *loader.Table
	rows  []int32
	scale []float64 // [n] 1/|x_i|, or 0
	mean  []float64 // [d] μ
	pool  *kernel.Pool
	parts [][]float64 // memory of sum
}

func newUnitVectors(table *loader.Table, rows []int32) (*unitVectors, error) {
	u := &unitVectors{table: table, rows: rows, scale: make([]float64, len(rows)), mean: make([]float64, table.Dim)}
	u.pool = kernel.NewPool(runtime.GOMAXPROCS(0))
	err := u.each(func(first, n int, row func(i int) []float32) {
		for i := first; i < first+n; i++ {
			var square float64
			for _, v := range row(i) {
				square += float64(v) * float64(v)
			}
			if square > 0 {
				u.scale[i] = 1 / math.Sqrt(square)
			}
		}
	})
	return u, err
}

// each hands f some rows at a time, of which row(i) is the i-th of all: where the
// table holds them in memory, the table's own, which f must not change.
func (u *unitVectors) each(f func(first, n int, row func(i int) []float32)) error {
	d, first := u.table.Dim, 0
	if data := u.table.Data; data != nil {
		row := func(i int) []float32 { return data[int(u.rows[i])*d:][:d] }
		for ; first < len(u.rows); first += momentBlock {
			f(first, min(momentBlock, len(u.rows)-first), row)
		}
		return nil
	}
	return eachBlock(u.table, u.rows, func(x []float32, n int) {
		f(first, n, func(i int) []float32 { return x[(i-first)*d:][:d] })
		first += n
	})
}

// centre makes μ the mean of the vectors with weights [n].
func (u *unitVectors) centre(weights []float64) error {
	total := 0.0
	for _, w := range weights {
		total += w
	}
	sum, err := u.sum(make([]float64, len(u.mean)+1), func(i int, _ float64) float64 { return weights[i] / total })
	copy(u.mean, sum)
	return err
}

// sum returns Σ f(i, a·(u_i, 1))·(u_i, 1), both [d+1]. f is called for different
// vectors at the same time. Vectors are added up in pieces whose size is fixed,
// and these in their order, so the result does not depend on the machine's threads.
func (u *unitVectors) sum(a []float64, f func(i int, z float64) float64) ([]float64, error) {
	d := len(u.mean)
	at := a[d] // what a vector of zeros is given, before its mean is taken off
	for j, m := range u.mean {
		at -= a[j] * m
	}
	out := make([]float64, d+1)
	err := u.each(func(first, n int, row func(i int) []float32) {
		const piece = 64
		pieces := (n + piece - 1) / piece
		for len(u.parts) < pieces {
			u.parts = append(u.parts, make([]float64, d+1))
		}
		u.pool.Run(pieces, func(p int) {
			part := u.parts[p]
			clear(part)
			for i := first + p*piece; i < first+min((p+1)*piece, n); i++ {
				x, scale := row(i), u.scale[i]
				by := f(i, at+scale*kernel.Dot(a[:d], x))
				if by != 0 {
					kernel.AddTimes(part[:d], by*scale, x)
				}
				part[d] += by
			}
		})
		for _, part := range u.parts[:pieces] {
			for j, v := range part {
				out[j] += v
			}
		}
	})
	for j, m := range u.mean {
		out[j] -= out[d] * m
	}
	return out, err
}
