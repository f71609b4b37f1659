package trainer

import (
	"math"
	"math/rand/v2"

	"github.com/cosfit/cosfit/loader"
)

// A Start chooses where a training begins.
type Start interface {
	Name() string
	// Fits reports whether there is such a start of shape [d, k].
	Fits(d, k int) error
	// Begin looks at the training split of data, of d dimensions, and nothing
	// else of it.
	Begin(data *loader.Dataset, k int, seed uint64) (Beginning, error)
}

// A Beginning is y = (x − Offset)·Matrix.
type Beginning struct {
	Matrix []float32 // [d, k], row-major
	Offset []float32 // [d], which training leaves as it is; nil means none
}

// Identity starts from eye(d, k): the embeddings as they are, cut to their
// first k dimensions.
type Identity struct{}

// Name returns "identity".
func (Identity) Name() string { return "identity" }

// Fits wants k ≤ d: a column of zeros would never receive a gradient.
func (Identity) Fits(d, k int) error { return notWider("identity", d, k, orRandom) }

// Begin returns eye(d, k).
func (s Identity) Begin(data *loader.Dataset, k int, _ uint64) (Beginning, error) {
	d := data.Vectors.Dim
	if err := s.Fits(d, k); err != nil {
		return Beginning{}, err
	}
	return Beginning{Matrix: eye(d, k)}, nil
}

func eye(d, k int) []float32 {
	m := make([]float32, d*k)
	for i := range k {
		m[i*k+i] = 1
	}
	return m
}

// Random starts from independent draws of N(0, 1), which nearly keeps cosines
// (Johnson and Lindenstrauss 1984).
type Random struct{}

// Name returns "random".
func (Random) Name() string { return "random" }

// Fits takes any shape.
func (Random) Fits(_, _ int) error { return nil }

// Begin returns draws that depend on the seed alone.
func (Random) Begin(data *loader.Dataset, k int, seed uint64) (Beginning, error) {
	return Beginning{Matrix: normal(data.Vectors.Dim*k, seed)}, nil
}

// normal returns n draws of N(0, 1).
func normal(n int, seed uint64) []float32 {
	const stream = math.MaxUint64 // apart from the shuffles, whose streams are the epochs' numbers
	rng := rand.New(rand.NewPCG(seed, stream))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// orRandom is the start that has as many columns as one likes.
const orRandom = ", or --init random"

// notWider wants k ≤ d; otherwise is what one may do besides.
func notWider(name string, d, k int, otherwise string) error {
	if k > d {
		return setting("dims", "%d is more than the embeddings' %d, which %s cannot fill: use at most %d%s", k, d, name, d, otherwise)
	}
	return nil
}
