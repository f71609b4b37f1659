//go:build !gpu || !linux

package limits

import (
	"time"

	"github.com/cosfit/cosfit/cuda"
)

// A Work is something that a GPU repeats.
type Work struct{}

// NewCopy fails with the error of cuda.Open.
func NewCopy(number int, bytes int64) (*Work, error) { return none() }

// NewProduct fails with the error of cuda.Open.
func NewProduct(number int, p Product) (*Work, error) { return none() }

func none() (*Work, error) {
	_, err := cuda.Open(cuda.Options{})
	return nil, err
}

// Do does nothing.
func (*Work) Do(times int) (time.Duration, error) { return 0, nil }

// Close does nothing.
func (*Work) Close() error { return nil }
