package embedtest

import (
	"fmt"
	"slices"
	"sync"
)

// A Store keeps vectors in memory. Its zero value is empty. It refuses a vector
// that it has: nothing is to be bought twice.
type Store struct {
	mu      sync.Mutex
	vectors map[string][]float32
}

// Missing returns the ids without a vector.
func (s *Store) Missing(ids []string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		_, has := s.vectors[id]
		return has
	}), nil
}

// Append keeps vectors.
func (s *Store) Append(ids []string, vectors [][]float32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.vectors == nil {
		s.vectors = map[string][]float32{}
	}
	for i, id := range ids {
		if _, has := s.vectors[id]; has {
			return fmt.Errorf("%s is stored twice", id)
		}
		s.vectors[id] = slices.Clone(vectors[i])
	}
	return nil
}

// Vector returns what is stored for an id, nil where nothing is.
func (s *Store) Vector(id string) []float32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.vectors[id]
}

// Len is the number of vectors.
func (s *Store) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.vectors)
}
