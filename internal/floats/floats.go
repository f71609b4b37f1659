// Package floats reads and writes arrays of numbers as files store them, in
// little-endian order.
package floats

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/cosfit/cosfit/internal/kernel"
)

// bufferSize is how many bytes of numbers pass through memory at a time, a
// multiple of every element's size.
const bufferSize = 64 << 10

// An Element is a way in which files store one number: how many bytes it takes
// and what they mean.
type Element struct {
	Size   int
	Decode func(b []byte) float32
}

// Float32 is IEEE 754 binary32.
func Float32() Element {
	return Element{4, func(b []byte) float32 {
		return math.Float32frombits(binary.LittleEndian.Uint32(b))
	}}
}

// Float64 rounds to the nearest float32; what is too large becomes
// infinite.
func Float64() Element {
	return Element{8, func(b []byte) float32 {
		return float32(math.Float64frombits(binary.LittleEndian.Uint64(b)))
	}}
}

// Float16 is IEEE 754 binary16.
func Float16() Element {
	return Element{2, func(b []byte) float32 { return kernel.HalfToFloat(binary.LittleEndian.Uint16(b)) }}
}

// BFloat16 is the upper half of a float32.
func BFloat16() Element {
	return Element{2, func(b []byte) float32 {
		return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16)
	}}
}

// Count returns how many numbers a tensor of this shape holds. Every
// dimension must be at least 1, and the largest element, of 8 bytes, must leave
// the size in bytes within an int.
func Count(shape []int64) (int, error) {
	n := int64(1)
	for _, d := range shape {
		if d < 1 {
			return 0, fmt.Errorf("shape is %v, want no empty dimension", shape)
		}
		if d > math.MaxInt/8/n {
			return 0, fmt.Errorf("shape is %v, which is more than memory can address", shape)
		}
		n *= d
	}
	return int(n), nil
}

// Read reads n numbers. What it allocates follows what has arrived, so a
// header that promises more than the file holds costs nothing.
func Read(r io.Reader, n int, e Element) ([]float32, error) {
	var values []float32
	buffer := make([]byte, min(bufferSize, n*e.Size))
	for len(values) < n {
		if len(values) == cap(values) {
			grown := make([]float32, len(values), min(n, max(2*cap(values), bufferSize)))
			copy(grown, values)
			values = grown
		}
		part := buffer[:min(len(buffer), (cap(values)-len(values))*e.Size)]
		got, err := io.ReadFull(r, part)
		for b := part[:got]; len(b) >= e.Size; b = b[e.Size:] {
			values = append(values, e.Decode(b))
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("data end after %d of %d values", len(values), n)
		}
		if err != nil {
			return nil, err
		}
	}
	return values, nil
}

// Int8 is a whole number with a sign.
func Int8() Element { return Element{1, func(b []byte) float32 { return float32(int8(b[0])) }} }

// Write writes values as little-endian float32.
func Write(w io.Writer, values []float32) error {
	buffer := make([]byte, 0, min(bufferSize, 4*len(values)))
	for len(values) > 0 {
		n := min(len(values), bufferSize/4)
		buffer = buffer[:0]
		for _, v := range values[:n] {
			buffer = binary.LittleEndian.AppendUint32(buffer, math.Float32bits(v))
		}
		if _, err := w.Write(buffer); err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}
