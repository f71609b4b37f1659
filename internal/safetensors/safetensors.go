// Package safetensors reads the files in which Hugging Face's library safetensors
// keeps arrays, strictly.
//
// The format (https://github.com/huggingface/safetensors): the header's length
// as a little-endian uint64; the header, a JSON object that gives each tensor's
// dtype, shape and place; the tensors' bytes, without gaps.
package safetensors

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/cosfit/cosfit/internal/floats"
)

// MaxHeader is the format's own bound on the header, in bytes.
const MaxHeader = 100_000_000

// A File is what the header says, and where the numbers are.
type File struct {
	Metadata map[string]string
	Tensors  []Tensor // in the header's order
	data     io.ReaderAt
}

// A Tensor is an array. Its data are bytes Offsets[0] to Offsets[1] of what
// follows the header.
type Tensor struct {
	Name    string
	DType   string // such as F32
	Shape   []int64
	Offsets [2]int64
}

// Open reads the header of a file of size bytes. The tensors that it announces
// are there: each has the bytes that its shape asks for, and together they cover
// what follows the header without gaps or overlaps.
func Open(r io.ReaderAt, size int64) (*File, error) {
	text, err := readHeader(r, size)
	if err != nil {
		return nil, err
	}
	f, err := parseHeader(text)
	if err != nil {
		return nil, err
	}
	start := 8 + int64(len(text))
	f.data = io.NewSectionReader(r, start, size-start)
	return f, f.check(size - start)
}

// Tensor finds a tensor by its name.
func (f *File) Tensor(name string) (Tensor, bool) {
	for _, t := range f.Tensors {
		if t.Name == name {
			return t, true
		}
	}
	return Tensor{}, false
}

// Floats reads the values of a tensor. Those of F64 are rounded.
func (f *File) Floats(t Tensor) ([]float32, error) {
	e, err := t.element()
	if err != nil {
		return nil, err
	}
	n, err := floats.Count(t.Shape)
	if err != nil {
		return nil, err
	}
	return floats.Read(f.section(t), n, e)
}

// Integers reads the values of a tensor of I32 or I64.
func (f *File) Integers(t Tensor) ([]int64, error) {
	if t.DType != "I32" && t.DType != "I64" {
		return nil, fmt.Errorf("dtype is %q, want I32 or I64", t.DType)
	}
	b := make([]byte, t.Offsets[1]-t.Offsets[0])
	if _, err := io.ReadFull(f.section(t), b); err != nil {
		return nil, err
	}
	var values []int64
	for len(b) > 0 {
		if t.DType == "I32" {
			values, b = append(values, int64(int32(binary.LittleEndian.Uint32(b)))), b[4:]
		} else {
			values, b = append(values, int64(binary.LittleEndian.Uint64(b))), b[8:]
		}
	}
	return values, nil
}

// element is how the tensor's numbers become float32.
func (t Tensor) element() (floats.Element, error) {
	switch t.DType {
	case "F32":
		return floats.Float32(), nil
	case "F64":
		return floats.Float64(), nil
	case "F16":
		return floats.Float16(), nil
	case "BF16":
		return floats.BFloat16(), nil
	case "I8":
		return floats.Int8(), nil
	}
	return floats.Element{}, fmt.Errorf("dtype is %q, want F32, F64, F16, BF16 or I8", t.DType)
}

func (f *File) section(t Tensor) *io.SectionReader {
	return io.NewSectionReader(f.data, t.Offsets[0], t.Offsets[1]-t.Offsets[0])
}

// readHeader returns the JSON text of the header.
func readHeader(r io.ReaderAt, size int64) ([]byte, error) {
	if size < 8 {
		return nil, fmt.Errorf("file has %d bytes, too few for a safetensors header", size)
	}
	var prefix [8]byte
	if err := readFullAt(r, prefix[:], 0); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint64(prefix[:])
	if n > MaxHeader {
		return nil, fmt.Errorf("header is %d bytes by its own account, want at most %d", n, MaxHeader)
	}
	if n > uint64(size-8) {
		return nil, fmt.Errorf("header is %d bytes by its own account, but only %d follow", n, size-8)
	}
	text := make([]byte, n)
	if err := readFullAt(r, text, 8); err != nil {
		return nil, err
	}
	return text, nil
}

// readFullAt is ReadAt with the end of the file as an error only when bytes are
// missing.
func readFullAt(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == io.EOF {
		return fmt.Errorf("header: the file ends after %d bytes", at+int64(n))
	}
	return fmt.Errorf("header: %w", err)
}

// check holds the header against the n bytes that follow it.
func (f *File) check(n int64) error {
	for _, t := range f.Tensors {
		if err := t.check(n); err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
	}
	tensors := slices.Clone(f.Tensors)
	slices.SortStableFunc(tensors, func(a, b Tensor) int { return cmp.Compare(a.Offsets[0], b.Offsets[0]) })
	end := int64(0)
	for _, t := range tensors {
		if t.Offsets[0] != end {
			return fmt.Errorf("tensor %q: data begin at byte %d, want %d: tensors must not overlap or leave gaps", t.Name, t.Offsets[0], end)
		}
		end = t.Offsets[1]
	}
	if end != n {
		return fmt.Errorf("tensors end at byte %d of the data, but the file holds %d", end, n)
	}
	return nil
}

// check holds one tensor against the n data bytes.
func (t Tensor) check(n int64) error {
	size, ok := sizes()[t.DType]
	if !ok {
		return fmt.Errorf("dtype %q is not known", t.DType)
	}
	count, err := floats.Count(t.Shape)
	if err != nil {
		return err
	}
	begin, end := t.Offsets[0], t.Offsets[1]
	if begin > end || end > n {
		return fmt.Errorf("data_offsets are %v, want them in order and within the file's %d bytes of data", t.Offsets, n)
	}
	if bytes := int64(count) * size; end-begin != bytes {
		return fmt.Errorf("data are %d bytes, want %d for %s %v", end-begin, bytes, t.DType, t.Shape)
	}
	return nil
}

// sizes are the bytes of a number of each dtype.
func sizes() map[string]int64 {
	return map[string]int64{
		"BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
		"I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8,
	}
}
