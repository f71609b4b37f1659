package embed

import (
	"fmt"
	"math"

	"github.com/cosfit/cosfit/loader"
)

// A shape is what the vectors of a run have in common.
type shape struct {
	dimensions int // 0 until the first vector, where the space does not say
	normalized bool
}

// A vectorError says that a text got a vector, and what is wrong with it.
type vectorError struct{ error }

// inspect finds which vectors of an answer can be kept and which can not, and
// says what is wrong with one of these. All have equal length.
func (r *runner) inspect(b batch, vectors [][]float32) (good, spoilt []int, wrong error) {
	if len(vectors) != len(b.texts) {
		return nil, nil, fmt.Errorf("the answer has %d vectors for %d texts", len(vectors), len(b.texts))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, v := range vectors {
		if err := r.shape.check(v); err != nil {
			spoilt = append(spoilt, i)
			wrong = &vectorError{fmt.Errorf("text %s: %w", b.texts[i].ID, err)}
			continue
		}
		good = append(good, i)
	}
	return good, spoilt, wrong
}

// check says what is wrong with a vector. The first good one sets the shape.
func (s *shape) check(v []float32) error {
	if len(v) == 0 {
		return fmt.Errorf("the vector is missing")
	}
	if s.dimensions > 0 && len(v) != s.dimensions {
		return fmt.Errorf("the vector has %d values, want %d", len(v), s.dimensions)
	}
	var square float64
	for _, x := range v {
		square += float64(x) * float64(x)
	}
	switch {
	case math.IsNaN(square) || math.IsInf(square, 0):
		return fmt.Errorf("the vector has a value that is not a number")
	case square == 0:
		return fmt.Errorf("the vector is zero")
	}
	s.dimensions = len(v)
	s.normalized = s.normalized && loader.IsNormalized(v)
	return nil
}
