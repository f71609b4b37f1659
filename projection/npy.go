package projection

import (
	"errors"
	"fmt"
	"io"

	"github.com/cosfit/cosfit/internal/floats"
	"github.com/cosfit/cosfit/internal/npy"
)

// WriteNPY writes the matrix as numpy.save would: float32, C order, version 1.0.
// The format has room for one array and no metadata, so a projection with an
// offset or a second matrix, which would be lost, is refused, and so is one for
// left-side texts alone: read again it would serve both sides. A half that Left or
// Right returned was taken off by whoever knows which side it is.
func (p *Projection) WriteNPY(w io.Writer) error {
	if err := p.Validate(); err != nil {
		return err
	}
	if p.MatrixRight != nil {
		return errors.New("npy holds one matrix, and this projection has one for each side: write safetensors, or a file for each side")
	}
	if p.Offset != nil {
		return errors.New("npy holds a matrix only, and this projection has an offset too: write safetensors")
	}
	if p.Metadata.Side == SideQuery {
		return errors.New("npy holds a matrix only, and cannot say that this one is for left-side texts (queries) alone: write safetensors")
	}
	head := npy.AppendHeader(nil, p.In, p.Out)
	if _, err := w.Write(head); err != nil {
		return err
	}
	return floats.Write(w, p.Matrix)
}

// ReadNPY reads a matrix [In, Out] from a whole npy file: two-dimensional, <f4
// or <f8, in C or Fortran order, of version 1, 2 or 3. It reads r to its end.
// What it returns has passed Validate; it has no metadata.
func ReadNPY(r io.Reader) (*Projection, error) {
	h, err := npy.ReadHeader(r)
	if err != nil {
		return nil, err
	}
	e, err := npyElement(h)
	if err != nil {
		return nil, err
	}
	if len(h.Shape) != 2 {
		return nil, fmt.Errorf("array has %d dimensions, want 2", len(h.Shape))
	}
	count, err := floats.Count(h.Shape)
	if err != nil {
		return nil, err
	}
	values, err := floats.Read(r, count, e)
	if err != nil {
		return nil, err
	}
	if err := expectEnd(r); err != nil {
		return nil, err
	}
	p := &Projection{Matrix: values, In: int(h.Shape[0]), Out: int(h.Shape[1])}
	if h.Fortran {
		p.Matrix = transposed(values, p.Out, p.In)
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return p, nil
}

func expectEnd(r io.Reader) error {
	var one [1]byte
	switch _, err := io.ReadFull(r, one[:]); err {
	case io.EOF:
		return nil
	case nil:
		return errors.New("something follows the array")
	default:
		return err
	}
}

// transposed returns table [rows, columns] as [columns, rows].
func transposed(table []float32, rows, columns int) []float32 {
	t := make([]float32, len(table))
	for r := range rows {
		for c, v := range table[r*columns : (r+1)*columns] {
			t[c*rows+r] = v
		}
	}
	return t
}

// npyElement returns how an npy file stores its numbers.
func npyElement(h npy.Header) (floats.Element, error) {
	switch h.Descr {
	case "<f4":
		return floats.Float32(), nil
	case "<f8":
		return floats.Float64(), nil
	}
	return floats.Element{}, fmt.Errorf("dtype is %q, want <f4 or <f8: save it with .astype('<f4')", h.Descr)
}
