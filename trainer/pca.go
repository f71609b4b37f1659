package trainer

import (
	"cmp"
	"errors"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/cosfit/cosfit/loader"
)

// PCA starts from the k leading principal directions of the training texts.
type PCA struct{}

// Name returns "pca".
func (PCA) Name() string { return "pca" }

// Fits wants k ≤ d: there are no more directions than dimensions.
func (PCA) Fits(d, k int) error { return notWider("pca", d, k, orRandom) }

// Begin returns directions of unit length, the strongest first, each with its
// largest entry positive.
func (p PCA) Begin(data *loader.Dataset, k int, _ uint64) (Beginning, error) {
	table := data.Vectors
	if err := p.Fits(table.Dim, k); err != nil {
		return Beginning{}, err
	}
	s, _, err := scatterOfTexts(data)
	if err != nil {
		return Beginning{}, err
	}
	directions, err := principalDirections(s.matrix, k)
	if err != nil {
		return Beginning{}, err
	}
	m := make([]float32, table.Dim*k)
	for j := range k {
		sign := 1.0
		if column := mat.Col(nil, j, directions); column[largest(column)] < 0 {
			sign = -1
		}
		for i := range table.Dim {
			m[i*k+j] = float32(sign * directions.At(i, j))
		}
	}
	return Beginning{Matrix: m}, nil
}

// principalDirections returns the k leading eigenvectors of a covariance as
// columns [d, k], by subspace iteration with a few columns to spare (Halko,
// Martinsson and Tropp 2011, § 4.5) and a Rayleigh–Ritz step: a full
// decomposition of a large matrix takes far longer.
func principalDirections(c *mat.SymDense, k int) (*mat.Dense, error) {
	const spare, iterations, tolerance = 16, 60, 1e-7
	d := c.SymmetricDim()
	width := min(k+spare, d)
	rng := rand.New(rand.NewPCG(1, 1))
	q := mat.NewDense(d, width, nil)
	q.Apply(func(_, _ int, _ float64) float64 { return rng.NormFloat64() }, q)
	orthonormalize(q)
	last := math.Inf(-1)
	for range iterations {
		var next mat.Dense
		next.Mul(c, q)
		captured := mat.Norm(&next, 2)
		orthonormalize(&next)
		q.Copy(&next)
		if math.Abs(captured-last) <= tolerance*captured {
			break
		}
		last = captured
	}
	return ritz(c, q, k)
}

// orthonormalize replaces the columns of x by an orthonormal basis of them.
func orthonormalize(x *mat.Dense) {
	var qr mat.QR
	qr.Factorize(x)
	d, n := x.Dims()
	var q mat.Dense
	qr.QTo(&q)
	x.Copy(q.Slice(0, d, 0, n))
}

// ritz rotates the basis q within its span to eigenvectors and keeps k.
func ritz(c *mat.SymDense, q *mat.Dense, k int) (*mat.Dense, error) {
	d, width := q.Dims()
	var cq, small mat.Dense
	cq.Mul(c, q)
	small.Mul(q.T(), &cq)
	symmetric := mat.NewSymDense(width, nil)
	for i := range width {
		for j := i; j < width; j++ {
			symmetric.SetSym(i, j, (small.At(i, j)+small.At(j, i))/2)
		}
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(symmetric, true) {
		return nil, errors.New("the principal directions of the training texts were not found: use another start or recipe")
	}
	var vectors mat.Dense
	eigen.VectorsTo(&vectors) // ascending eigenvalues
	values := eigen.Values(nil)
	order := make([]int, width)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(values[b], values[a]) })
	rotation := mat.NewDense(width, k, nil)
	for j := range k {
		rotation.SetCol(j, mat.Col(nil, order[j], &vectors))
	}
	out := mat.NewDense(d, k, nil)
	out.Mul(q, rotation)
	return out, nil
}

func largest(x []float64) (at int) {
	for i, v := range x {
		if math.Abs(v) > math.Abs(x[at]) {
			at = i
		}
	}
	return at
}
