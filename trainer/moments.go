package trainer

import (
	"errors"
	"fmt"
	"math"
	"runtime"

	"gonum.org/v1/gonum/mat"

	"github.com/cosfit/cosfit/internal/kernel"
	"github.com/cosfit/cosfit/loader"
)

// vectorsOf visits rows of the table, a block [n, d] at a time.
type vectorsOf func(visit func(vectors []float32, n int)) error

// tableRows are rows as they are.
func tableRows(table *loader.Table, rows []int32) vectorsOf {
	return func(visit func([]float32, int)) error { return eachBlock(table, rows, visit) }
}

// differences are rows of a table less others, as many.
func differences(table *loader.Table, rows, others []int32) vectorsOf {
	return func(visit func([]float32, int)) error {
		return eachPairBlock(table, rows, others, func(x, y []float32, n int) {
			for i, v := range y {
				x[i] -= v
			}
			visit(x, n)
		})
	}
}

// momentBlock is how many vectors are multiplied at a time.
const momentBlock = 2048

// eachBlock hands f some vectors [n, d] at a time, so that copies of them stay
// small. They are f's to change.
func eachBlock(table *loader.Table, rows []int32, f func(vectors []float32, n int)) error {
	return eachPairBlock(table, rows, nil, func(x, _ []float32, n int) { f(x, n) })
}

// eachPairBlock does so with two lists of rows, of which the second may be nil.
func eachPairBlock(table *loader.Table, rows, others []int32, f func(x, y []float32, n int)) error {
	d := table.Dim
	x, y := make([]float32, min(len(rows), momentBlock)*d), make([]float32, min(len(others), momentBlock)*d)
	for first := 0; first < len(rows); first += momentBlock {
		n := min(momentBlock, len(rows)-first)
		if err := table.Read(rows[first:first+n], x[:n*d]); err != nil {
			return err
		}
		if others == nil {
			f(x[:n*d], nil, n)
			continue
		}
		if err := table.Read(others[first:first+n], y[:n*d]); err != nil {
			return err
		}
		f(x[:n*d], y[:n*d], n)
	}
	return nil
}

// centre returns the mean of vectors of d dimensions.
func centre(vectors vectorsOf, d int) ([]float64, error) {
	sum, count := make([]float64, d), 0
	err := vectors(func(x []float32, n int) {
		for ; len(x) > 0; x = x[d:] {
			for i, v := range x[:d] {
				sum[i] += float64(v)
			}
		}
		count += n
	})
	for i := range sum {
		sum[i] /= float64(count)
	}
	return sum, err
}

// A scatter is Σ (x−μ)ᵀ(x−μ)/n over vectors.
type scatter struct {
	matrix *mat.SymDense // [d, d]
	n      int
	fourth float64 // Σ |x−μ|⁴/n
}

// scatterOf computes it for a mean μ [d], nil for zeros. Products are of single
// precision, and their sums over blocks of double.
func scatterOf(vectors vectorsOf, d int, mean []float64) (scatter, error) {
	pool := kernel.NewPool(runtime.GOMAXPROCS(0))
	product, sum := make([]float32, d*d), make([]float64, d*d)
	var s scatter
	err := vectors(func(x []float32, n int) {
		less(x, mean)
		for row := x; len(row) > 0; row = row[d:] {
			square := 0.0
			for i := range row[:d] {
				square += float64(row[i]) * float64(row[i])
			}
			s.fourth += square * square
		}
		pool.GemmTN(d, d, n, x, x, product)
		for i, v := range product {
			sum[i] += float64(v)
		}
		s.n += n
	})
	s.matrix = mat.NewSymDense(d, nil)
	for i := range d {
		for j := i; j < d; j++ {
			s.matrix.SetSym(i, j, (sum[i*d+j]+sum[j*d+i])/2/float64(s.n))
		}
	}
	s.fourth /= float64(s.n)
	return s, err
}

// scatterOfTexts is that of the training texts about their mean, and the mean.
func scatterOfTexts(data *loader.Dataset) (scatter, []float64, error) {
	texts, d := tableRows(data.Vectors, trainingRows(data)), data.Vectors.Dim
	mean, err := centre(texts, d)
	if err != nil {
		return scatter{}, nil, err
	}
	s, err := scatterOf(texts, d, mean)
	return s, mean, err
}

// cross computes Σ xᵀy over pairs of rows of the table less their means, [d, d].
func cross(table *loader.Table, left, right []int32, leftMean, rightMean []float64) (*mat.Dense, error) {
	d := table.Dim
	pool := kernel.NewPool(runtime.GOMAXPROCS(0))
	product, sum := make([]float32, d*d), make([]float64, d*d)
	err := eachPairBlock(table, left, right, func(x, y []float32, n int) {
		less(x, leftMean)
		less(y, rightMean)
		pool.GemmTN(d, d, n, x, y, product)
		for i, v := range product {
			sum[i] += float64(v)
		}
	})
	return mat.NewDense(d, d, sum), err
}

// less takes a mean off rows, unless it is nil.
func less(x []float32, mean []float64) {
	if mean == nil {
		return
	}
	for row := x; len(row) > 0; row = row[len(mean):] {
		for i, m := range mean {
			row[i] = float32(float64(row[i]) - m)
		}
	}
}

// shrunk mixes a scatter with a multiple of the identity of the same trace, which
// makes its inverse exist and bearable. A share of 0 stands for the one that is
// nearest to the true covariance in expectation. Source: Ledoit and Wolf 2004.
func (s scatter) shrunk(share float64) (*mat.SymDense, error) {
	d := s.matrix.SymmetricDim()
	mean := mat.Trace(s.matrix) / float64(d)
	if !(mean > 0) {
		return nil, fmt.Errorf("what a covariance is taken of is all one vector")
	}
	if share == 0 {
		square, n := 0.0, float64(s.n)
		for i := range d {
			for j := range d {
				v := s.matrix.At(i, j)
				square += v * v
			}
		}
		spread := square - float64(d)*mean*mean // |S − mean·I|²
		share = 1
		if spread > 0 {
			share = math.Min(1, (s.fourth-square)/n/spread)
		}
	}
	out := mat.NewSymDense(d, nil)
	out.ScaleSym(1-share, s.matrix)
	for i := range d {
		out.SetSym(i, i, out.At(i, i)+share*mean)
	}
	return out, nil
}

var errNoInverse = errors.New("a covariance has no inverse: use a larger --shrinkage")

// inverseRoot returns a matrix R [d, d] with R·Rᵀ = S⁻¹: the inverse of S's
// Cholesky factor, transposed. Cosines know no other property of it.
func inverseRoot(s *mat.SymDense) (*mat.TriDense, error) {
	var c mat.Cholesky
	if !c.Factorize(s) {
		return nil, errNoInverse
	}
	var upper, inverse mat.TriDense
	c.UTo(&upper) // S = Uᵀ·U, so S⁻¹ = U⁻¹·U⁻ᵀ
	if err := inverse.InverseTri(&upper); err != nil {
		return nil, fmt.Errorf("the inverse of a covariance: %w: use a larger --shrinkage", err)
	}
	return &inverse, nil
}

// floats is a matrix as row-major float32.
func floats(m mat.Matrix) []float32 {
	rows, columns := m.Dims()
	out := make([]float32, 0, rows*columns)
	for i := range rows {
		for j := range columns {
			out = append(out, float32(m.At(i, j)))
		}
	}
	return out
}
