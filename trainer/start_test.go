package trainer_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
)

// TestStartsAgainstNumpy compares matrices with those of testdata/closed.py, and
// cosines where the signs of columns are open.
func TestStartsAgainstNumpy(t *testing.T) {
	recorded, data := readClosed(t)
	d := data.Vectors.Dim
	starts := map[string]struct {
		start trainer.Start
		k     int
	}{
		"whitening":                    {trainer.Whitened{Power: 1}, d},
		"whitening 0.2 power 1":        {trainer.Whitened{Shrinkage: 0.2, Power: 1}, d},
		"whitening 0.2 power 0.5":      {trainer.Whitened{Shrinkage: 0.2, Power: 0.5}, d},
		"whitening 0.2 power 0.15":     {trainer.Whitened{Shrinkage: 0.2, Power: 0.15}, d},
		"whitening 0.2 power 0.5 to 4": {trainer.Whitened{Shrinkage: 0.2, Power: 0.5}, 4},
		"top-removed":                  {trainer.TopRemoved{}, d},
		"top-removed 3":                {trainer.TopRemoved{Components: 3}, d},
		"top-removed 3 to 4":           {trainer.TopRemoved{Components: 3}, 4},
	}
	if len(starts) != len(recorded.Starts) {
		t.Errorf("%d starts for %d recorded ones", len(starts), len(recorded.Starts))
	}
	for name, want := range recorded.Starts {
		t.Run(name, func(t *testing.T) {
			s := starts[name]
			b, err := s.start.Begin(data, s.k, 0)
			if err != nil {
				t.Fatal(err)
			}
			for i, w := range want.Matrix {
				if got := float64(b.Matrix[i]); !(math.Abs(got-w) <= 1e-5) {
					t.Fatalf("number %d is %.7f, numpy has %.7f", i, got, w)
				}
			}
			for i, w := range want.Cosines {
				if got := cosineOf(apply(b, recorded.A[i], s.k, 0), apply(b, recorded.B[i], s.k, 0)); !(math.Abs(got-w) <= 1e-5) {
					t.Fatalf("cosine %d is %.7f, numpy has %.7f", i, got, w)
				}
			}
			for j, o := range b.Offset {
				mean := 0.0
				for i := range recorded.A {
					mean += float64(recorded.A[i][j]) + float64(recorded.B[i][j])
				}
				if mean /= float64(2 * len(recorded.A)); !(math.Abs(float64(o)-mean) <= 1e-6) {
					t.Errorf("the offset has %g at %d, the texts' mean %g", o, j, mean)
				}
			}
		})
	}
}

// TestOrthogonal: the factor Q of a random start G = Q·R is the one with
// orthonormal columns and R = Qᵀ·G upper triangular with a positive diagonal; there
// is no other.
func TestOrthogonal(t *testing.T) {
	const seed = 7
	for _, shape := range [][2]int{{9, 9}, {20, 6}, {6, 20}} {
		d, k := shape[0], shape[1]
		data := &loader.Dataset{Vectors: &loader.Table{Dim: d}}
		begin := func(s trainer.Start) []float32 {
			b, err := s.Begin(data, k, seed)
			if err != nil || b.Offset != nil {
				t.Fatalf("%s: offset %v, %v", s.Name(), b.Offset, err)
			}
			return b.Matrix
		}
		q, g := begin(trainer.Orthogonal{}), begin(trainer.Random{})
		n, m := max(d, k), min(d, k)
		at := func(x []float32, i, j int) float64 { // of [n, m], transposed where k > d
			if k > d {
				i, j = j, i
			}
			return float64(x[i*k+j])
		}
		for i := range m {
			for j := range m {
				qq, r := 0.0, 0.0
				for l := range n {
					qq += at(q, l, i) * at(q, l, j)
					r += at(q, l, i) * at(g, l, j)
				}
				if want := map[bool]float64{true: 1}[i == j]; math.Abs(qq-want) > 1e-6 {
					t.Errorf("%v: columns %d and %d have the product %g", shape, i, j, qq)
				}
				if i == j && r <= 0 || i > j && math.Abs(r) > 1e-5 {
					t.Errorf("%v: R has %g at %d, %d", shape, r, i, j)
				}
			}
		}
		if other, err := (trainer.Orthogonal{}).Begin(data, k, seed+1); err != nil || slices.Equal(other.Matrix, q) {
			t.Errorf("%v: another seed gives the same, %v", shape, err)
		}
	}
}

// TestStartsRefused: each is one sentence that names the flag.
func TestStartsRefused(t *testing.T) {
	data := training(rand.New(rand.NewPCG(4, 4)), 12, 4)
	for name, test := range map[string]struct {
		start trainer.Start
		side  graph.Side
		dims  int
		want  string
	}{
		"whitening, k > d":             {trainer.Whitened{Power: 1}, graph.Both, 5, "--dims 5"},
		"top-removed, k > d":           {trainer.TopRemoved{}, graph.Both, 5, "--dims 5"},
		"top-removed, all":             {trainer.TopRemoved{Components: 4}, graph.Both, 4, "--components is 4"},
		"orthogonal, for queries only": {trainer.Orthogonal{}, graph.Query, 4, "--init is orthogonal"},
	} {
		recipe := trainer.Default(4)
		recipe.Start, recipe.Side, recipe.Dims = test.start, test.side, test.dims
		if err := trainer.Prepare(data, recipe); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q in it", name, err, test.want)
		}
	}
}
