package trainer

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// TestInversePower compares with a decomposition, up to the largest element.
func TestInversePower(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	for _, d := range []int{1, 2, 3, 40, 130} {
		for _, condition := range []float64{1, 100, 1e7} {
			for _, alpha := range []float64{0.5, 0.25, 0.05} {
				c := drawn(rng, d, condition)
				got, err := inversePower(c, alpha)
				if err != nil {
					t.Fatal(err)
				}
				var eigen mat.EigenSym
				if !eigen.Factorize(c, true) {
					t.Fatal("no decomposition")
				}
				var u, scaled, want mat.Dense
				eigen.VectorsTo(&u)
				scaled.CloneFrom(&u)
				for j, v := range eigen.Values(nil) {
					scale(&scaled, j, math.Pow(v, -alpha))
				}
				want.Mul(&scaled, u.T())
				most := mat.Max(&want)
				want.Sub(&want, got)
				if off := math.Max(mat.Max(&want), -mat.Min(&want)) / most; !(off <= 1e-7) {
					t.Errorf("%d dimensions, condition %g, power %g: off by %g", d, condition, -alpha, off)
				}
			}
		}
	}
	if _, err := inversePower(mat.NewSymDense(2, []float64{1, 0, 0, -1}), 0.5); err != errNoInverse {
		t.Errorf("a matrix that is not positive definite: error is %v", err)
	}
}

// drawn has eigenvalues from 1 to a condition number, in random directions.
func drawn(rng *rand.Rand, d int, condition float64) *mat.SymDense {
	x := mat.NewDense(d, d, nil)
	x.Apply(func(_, _ int, _ float64) float64 { return rng.NormFloat64() }, x)
	orthonormalize(x)
	c := mat.NewSymDense(d, nil)
	for j := range d {
		c.SymRankOne(c, math.Pow(condition, float64(j)/math.Max(1, float64(d-1))), x.ColView(j))
	}
	return c
}
