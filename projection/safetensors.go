package projection

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cosfit/cosfit/internal/floats"
	"github.com/cosfit/cosfit/internal/safetensors"
)

// A tensor is one entry of the header of the files that this package writes.
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
		if err := floats.Write(w, values); err != nil {
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
	if len(text) > safetensors.MaxHeader {
		return nil, fmt.Errorf("metadata: the header would be %d bytes, want at most %d", len(text), safetensors.MaxHeader)
	}
	return append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), nil
}

// ReadSafetensors reads a projection from a file of size bytes that
// WriteSafetensors or any other program wrote. The tensor matrix is required;
// matrices and offset may be F32, F64, F16 or BF16 and become float32; a tensor
// with another name is an error, since it might change what the matrix means.
// What it returns has passed Validate.
func ReadSafetensors(r io.ReaderAt, size int64) (*Projection, error) {
	f, err := safetensors.Open(r, size)
	if err != nil {
		return nil, err
	}
	shape, err := check(f)
	if err != nil {
		return nil, err
	}
	m, err := parseMetadata(f.Metadata)
	if err != nil {
		return nil, err
	}
	p := &Projection{In: int(shape[0]), Out: int(shape[1]), Metadata: m}
	for _, name := range tensorNames() {
		t, ok := f.Tensor(name)
		if !ok {
			continue
		}
		if *p.field(name), err = f.Floats(t); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return p, nil
}

// check holds the tensors against each other: matrix must be there, and the
// others, which must be known, must fit it.
func check(f *safetensors.File) (shape []int64, err error) {
	for _, t := range f.Tensors {
		if !slices.Contains(tensorNames(), t.Name) {
			return nil, fmt.Errorf("header: tensor %q is not known, want matrix, matrix_right and offset only", t.Name)
		}
	}
	matrix, ok := f.Tensor("matrix")
	if !ok {
		return nil, errors.New(`tensor "matrix" is missing`)
	}
	if len(matrix.Shape) != 2 {
		return nil, fmt.Errorf(`tensor "matrix": shape is %v, want two dimensions`, matrix.Shape)
	}
	for _, t := range f.Tensors {
		if !slices.Contains([]string{"F32", "F64", "F16", "BF16"}, t.DType) {
			return nil, fmt.Errorf("tensor %q: dtype is %q, want F32, F64, F16 or BF16", t.Name, t.DType)
		}
		want := matrix.Shape
		if t.Name == "offset" {
			want = want[:1]
		}
		if !slices.Equal(t.Shape, want) {
			return nil, fmt.Errorf("tensor %q: shape is %v, want %v to fit the matrix", t.Name, t.Shape, want)
		}
	}
	return matrix.Shape, nil
}

func tensorNames() []string { return []string{"matrix", "matrix_right", "offset"} }

func (p *Projection) field(name string) *[]float32 {
	switch name {
	case "matrix_right":
		return &p.MatrixRight
	case "offset":
		return &p.Offset
	}
	return &p.Matrix
}
