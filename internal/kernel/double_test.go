package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Vectors of every length agree with long sums in the order of their numbers, and
// nothing beside them is touched.
func TestDouble(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 1))
	for _, m := range micros() {
		for n := range 150 {
			x := random(rng, n)
			a, y := make([]float64, n+1), make([]float64, n+1)
			for i := range a {
				a[i], y[i] = rng.NormFloat64(), rng.NormFloat64()
			}
			by, sum, size := rng.NormFloat64(), 0.0, 0.0
			want := make([]float64, n+1)
			copy(want, y)
			for i, v := range x {
				sum += a[i] * float64(v)
				size += math.Abs(a[i] * float64(v))
				want[i] += by * float64(v)
			}
			if got := m.dotOf(a, x); !(math.Abs(got-sum) <= 1e-14*size) {
				t.Errorf("%s, %d numbers: a·x is %v, want %v", m.name, n, got, sum)
			}
			m.addTimesTo(y, by, x)
			for i := range y {
				if !(math.Abs(y[i]-want[i]) <= 4e-16*(math.Abs(want[i])+math.Abs(by)*4)) {
					t.Errorf("%s, %d numbers: number %d is %v, want %v", m.name, n, i, y[i], want[i])
				}
			}
		}
	}
}
