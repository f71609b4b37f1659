package trainer

import (
	"math"
	"math/rand/v2"

	"github.com/cosfit/cosfit/loader"
)

// A Start chooses the matrix with which a training begins.
type Start interface {
	Name() string
	// Fits reports whether there is such a matrix of shape [d, k].
	Fits(d, k int) error
	// Matrix returns M [d, k], row-major, where d is the table's dimension.
	// rows are the training texts in the table.
	Matrix(table *loader.Table, rows []int32, k int, seed uint64) ([]float32, error)
}

// Identity starts from eye(d, k): the embeddings as they are, cut to their
// first k dimensions.
type Identity struct{}

// Name returns "identity".
func (Identity) Name() string { return "identity" }

// Fits wants k ≤ d: a column of zeros would never receive a gradient.
func (s Identity) Fits(d, k int) error { return notWider(s, d, k) }

// Matrix returns eye(d, k).
func (s Identity) Matrix(table *loader.Table, _ []int32, k int, _ uint64) ([]float32, error) {
	if err := s.Fits(table.Dim, k); err != nil {
		return nil, err
	}
	m := make([]float32, table.Dim*k)
	for i := range k {
		m[i*k+i] = 1
	}
	return m, nil
}

// Random starts from independent draws of N(0, 1), which nearly keeps cosines
// (Johnson and Lindenstrauss 1984).
type Random struct{}

// Name returns "random".
func (Random) Name() string { return "random" }

// Fits takes any shape.
func (Random) Fits(_, _ int) error { return nil }

// Matrix returns draws that depend on the seed alone.
func (Random) Matrix(table *loader.Table, _ []int32, k int, seed uint64) ([]float32, error) {
	const stream = math.MaxUint64 // apart from the shuffles, whose streams are the epochs' numbers
	rng := rand.New(rand.NewPCG(seed, stream))
	m := make([]float32, table.Dim*k)
	for i := range m {
		m[i] = float32(rng.NormFloat64())
	}
	return m, nil
}

func notWider(s Start, d, k int) error {
	if k > d {
		return setting("dims", "%d is more than the embeddings' %d, which the start %q cannot fill: use at most %d, or --init random", k, d, s.Name(), d)
	}
	return nil
}
