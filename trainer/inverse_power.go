package trainer

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/lapack/gonum"
	"gonum.org/v1/gonum/mat"
)

// inversePower returns the symmetric C^(−α) [d, d] of a positive definite C, for α
// in (0, 1). With C = Q·T·Qᵀ for a tridiagonal T it is Q·T^(−α)·Qᵀ: the eigenvectors
// of T, which take most of the time of a decomposition, are not needed.
func inversePower(c *mat.SymDense, alpha float64) (*mat.Dense, error) {
	d := c.SymmetricDim()
	q, t := tridiagonalize(c)
	least, most, err := t.spectrum()
	if err != nil {
		return nil, err
	}
	var half, out mat.Dense
	half.Mul(q, mat.NewDense(d, d, t.inversePower(alpha, least, most)))
	out.Mul(&half, q.T())
	return &out, nil
}

// A tridiagonal is a symmetric matrix that has nothing but this.
type tridiagonal struct{ diagonal, beside []float64 }

// tridiagonalize returns an orthogonal Q and T with C = Q·T·Qᵀ, by Householder's
// reflections.
func tridiagonalize(c *mat.SymDense) (*mat.Dense, tridiagonal) {
	var lapack gonum.Implementation
	d := c.SymmetricDim()
	stride := d + 8 // rows at distances of powers of two would drive each other out of the caches
	a := make([]float64, d*stride)
	for i := range d {
		for j := i; j < d; j++ {
			a[i*stride+j] = c.At(i, j)
		}
	}
	t := tridiagonal{make([]float64, d), make([]float64, d-1)}
	tau, work := make([]float64, d-1), make([]float64, 64*d)
	lapack.Dsytrd(blas.Upper, d, a, stride, t.diagonal, t.beside, tau, work, len(work))
	lapack.Dorgtr(blas.Upper, d, a, stride, tau, work, len(work))
	q := mat.NewDense(d, d, nil)
	for i := range d {
		q.SetRow(i, a[i*stride:][:d])
	}
	return q, t
}

// spectrum returns the smallest and the largest eigenvalue, which must be positive.
func (t tridiagonal) spectrum() (least, most float64, err error) {
	var lapack gonum.Implementation
	values := append([]float64(nil), t.diagonal...) // ascending, in the end
	if !lapack.Dsterf(len(values), values, append([]float64(nil), t.beside...)) {
		return 0, 0, errors.New("the principal directions of the training texts were not found: use another start or recipe")
	}
	if !(values[0] > 0) {
		return 0, 0, errNoInverse
	}
	return values[0], values[len(values)-1], nil
}

// inversePower returns T^(−α), row-major, for eigenvalues from least to most, by the
// trapezoidal rule on
//
//	T^(−α) = sin(πα)/π · ∫ e^((1−α)s)·(T + eˢ·I)⁻¹ ds   over all s
//
// which converges as e^(−2π²/step). Sources: Balakrishnan 1960 for the integral; Hale,
// Higham and Trefethen 2008 for the rule.
func (t tridiagonal) inversePower(alpha, least, most float64) []float64 {
	const step, digits = 1.0, 20 // both leave out e⁻²⁰ of the whole, 2e-9
	d := len(t.diagonal)
	sum := make([]float64, d*d)
	first, last := math.Log(least)-digits/(1-alpha), math.Log(most)+digits/alpha
	for s := first; s <= last; s += step {
		t.addInverse(sum, math.Exp(s), step*math.Sin(math.Pi*alpha)/math.Pi*math.Exp((1-alpha)*s))
	}
	for i := range d {
		for j := range i {
			sum[i*d+j] = sum[j*d+i]
		}
	}
	return sum
}

// addInverse adds weight·(T + shift·I)⁻¹ to the upper triangle of sum. The inverse's
// diagonal follows from the pivots of elimination from either end, and an element
// from its left neighbour. Source: Meurant 1992.
func (t tridiagonal) addInverse(sum []float64, shift, weight float64) {
	const negligible = 1e-17 // of the diagonal's
	a, b, d := t.diagonal, t.beside, len(t.diagonal)
	up := make([]float64, d) // pivots of elimination from the last row
	for i := d - 1; i >= 0; i-- {
		up[i] = a[i] + shift
		if i < d-1 {
			up[i] -= b[i] * b[i] / up[i+1]
		}
	}
	down := 0.0 // that from the first row
	for i := range d {
		reduced := a[i] + shift
		if i > 0 {
			reduced -= b[i-1] * b[i-1] / down
		}
		down = reduced
		element := weight / (down + up[i] - a[i] - shift)
		row, least := sum[i*d:(i+1)*d], negligible*element
		row[i] += element
		for j := i + 1; j < d && math.Abs(element) > least; j++ {
			element *= -b[j-1] / up[j]
			row[j] += element
		}
	}
}
