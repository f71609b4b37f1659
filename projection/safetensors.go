package projection

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// The safetensors format (https://github.com/huggingface/safetensors): the
// header's length as a little-endian uint64; the header, a JSON object that
// gives each tensor's dtype, shape and place; the tensors' bytes, without gaps.

// maxHeader is the format's own bound on the header, in bytes.
const maxHeader = 100_000_000

// tensor is one entry of the header. Its data are bytes Offsets[0] to
// Offsets[1] of what follows the header.
type tensor struct {
	DType   string   `json:"dtype"`
	Shape   []int64  `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// header is the header of the files that this package writes; encoding/json
// keeps the order of the fields and sorts the map, so its bytes are determined.
type header struct {
	Metadata    map[string]string `json:"__metadata__"`
	Matrix      *tensor           `json:"matrix"`
	MatrixRight *tensor           `json:"matrix_right,omitempty"`
	Offset      *tensor           `json:"offset,omitempty"`
}

// WriteSafetensors writes all of p: F32 tensors matrix [In, Out], and where p
// has them matrix_right [In, Out] and offset [In], and the metadata. The same
// projection always gives the same bytes. What does not pass Validate is not
// written.
func (p *Projection) WriteSafetensors(w io.Writer) error {
	if err := p.Validate(); err != nil {
		return err
	}
	head, err := p.encodeHeader()
	if err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	for _, values := range [][]float32{p.Matrix, p.MatrixRight, p.Offset} {
		if err := writeFloats(w, values); err != nil {
			return err
		}
	}
	return nil
}

// encodeHeader returns the length and the header, padded with spaces so that
// the data begin at a multiple of 8.
func (p *Projection) encodeHeader() ([]byte, error) {
	end := int64(0)
	place := func(values []float32, shape ...int64) *tensor {
		if values == nil {
			return nil
		}
		begin := end
		end += 4 * int64(len(values))
		return &tensor{"F32", shape, [2]int64{begin, end}}
	}
	in, out := int64(p.In), int64(p.Out)
	text, err := json.Marshal(header{
		Metadata:    p.Metadata.fields(),
		Matrix:      place(p.Matrix, in, out),
		MatrixRight: place(p.MatrixRight, in, out),
		Offset:      place(p.Offset, in),
	})
	if err != nil {
		return nil, err
	}
	for len(text)%8 != 0 {
		text = append(text, ' ')
	}
	if len(text) > maxHeader {
		return nil, fmt.Errorf("metadata: the header would be %d bytes, want at most %d", len(text), maxHeader)
	}
	return append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), nil
}

// ReadSafetensors reads a projection from a file of size bytes that
// WriteSafetensors or any other program wrote. The tensor matrix is required;
// matrices and offset may be F32, F64, F16 or BF16 and become float32; a tensor
// with another name is an error, since it might change what the matrix means.
// What it returns has passed Validate.
func ReadSafetensors(r io.ReaderAt, size int64) (*Projection, error) {
	text, err := readHeader(r, size)
	if err != nil {
		return nil, err
	}
	h, err := parseHeader(text)
	if err != nil {
		return nil, err
	}
	start := 8 + int64(len(text))
	if err := h.check(size - start); err != nil {
		return nil, err
	}
	m, err := parseMetadata(h.Metadata)
	if err != nil {
		return nil, err
	}
	p := &Projection{In: int(h.Matrix.Shape[0]), Out: int(h.Matrix.Shape[1]), Metadata: m}
	data := io.NewSectionReader(r, start, size-start)
	for _, t := range h.tensors() {
		values, err := t.read(data)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.name, err)
		}
		*p.field(t.name) = values
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return p, nil
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
	if n > maxHeader {
		return nil, fmt.Errorf("header is %d bytes by its own account, want at most %d", n, maxHeader)
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

// check holds the header against the n bytes that follow it: every tensor must
// have a known dtype, the right shape and so many bytes, and together they must
// cover the n bytes without gaps or overlaps.
func (h *header) check(n int64) error {
	if h.Matrix == nil {
		return errors.New(`tensor "matrix" is missing`)
	}
	if len(h.Matrix.Shape) != 2 {
		return fmt.Errorf(`tensor "matrix": shape is %v, want two dimensions`, h.Matrix.Shape)
	}
	tensors := h.tensors()
	for _, t := range tensors {
		if err := t.check(h.Matrix.Shape, n); err != nil {
			return fmt.Errorf("tensor %q: %w", t.name, err)
		}
	}
	slices.SortFunc(tensors, func(a, b namedTensor) int { return cmp.Compare(a.Offsets[0], b.Offsets[0]) })
	end := int64(0)
	for _, t := range tensors {
		if t.Offsets[0] != end {
			return fmt.Errorf("tensor %q: data begin at byte %d, want %d: tensors must not overlap or leave gaps", t.name, t.Offsets[0], end)
		}
		end = t.Offsets[1]
	}
	if end != n {
		return fmt.Errorf("tensors end at byte %d of the data, but the file holds %d", end, n)
	}
	return nil
}

// namedTensor is a tensor with its name in the file.
type namedTensor struct {
	name string
	*tensor
}

// tensors lists the tensors that are there.
func (h *header) tensors() []namedTensor {
	all := []namedTensor{{"matrix", h.Matrix}, {"matrix_right", h.MatrixRight}, {"offset", h.Offset}}
	return slices.DeleteFunc(all, func(t namedTensor) bool { return t.tensor == nil })
}

// slot returns where the tensor of that name belongs, nil for an unknown one.
func (h *header) slot(name string) **tensor {
	switch name {
	case "matrix":
		return &h.Matrix
	case "matrix_right":
		return &h.MatrixRight
	case "offset":
		return &h.Offset
	}
	return nil
}

func (p *Projection) field(name string) *[]float32 {
	switch name {
	case "matrix_right":
		return &p.MatrixRight
	case "offset":
		return &p.Offset
	}
	return &p.Matrix
}

// check holds one tensor against the shape of the matrix and the n data bytes.
func (t namedTensor) check(matrix []int64, n int64) error {
	e, ok := elementOf(t.DType)
	if !ok {
		return fmt.Errorf("dtype is %q, want F32, F64, F16 or BF16", t.DType)
	}
	want := matrix
	if t.name == "offset" {
		want = matrix[:1]
	}
	if !slices.Equal(t.Shape, want) {
		return fmt.Errorf("shape is %v, want %v to fit the matrix", t.Shape, want)
	}
	count, err := countValues(t.Shape)
	if err != nil {
		return err
	}
	begin, end := t.Offsets[0], t.Offsets[1]
	if begin > end || end > n {
		return fmt.Errorf("data_offsets are %v, want them in order and within the file's %d bytes of data", t.Offsets, n)
	}
	if bytes := int64(count) * int64(e.size); end-begin != bytes {
		return fmt.Errorf("data are %d bytes, want %d for %s %v", end-begin, bytes, t.DType, t.Shape)
	}
	return nil
}

func (t namedTensor) read(data io.ReaderAt) ([]float32, error) {
	e, _ := elementOf(t.DType)
	count, err := countValues(t.Shape)
	if err != nil {
		return nil, err
	}
	return readFloats(io.NewSectionReader(data, t.Offsets[0], t.Offsets[1]-t.Offsets[0]), count, e)
}

func elementOf(dtype string) (element, bool) {
	switch dtype {
	case "F32":
		return float32Element(), true
	case "F64":
		return float64Element(), true
	case "F16":
		return float16Element(), true
	case "BF16":
		return bfloat16Element(), true
	}
	return element{}, false
}
