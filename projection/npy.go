package projection

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// The npy format (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html):
// a magic string; two bytes of version; the header's length, a little-endian
// uint16 in version 1 and uint32 in 2 and 3; the header, a Python dictionary
// that gives the dtype, the order and the shape; the numbers.

const npyMagic = "\x93NUMPY"

// maxNPYHeader bounds the header in bytes, a hundred times what a matrix needs.
const maxNPYHeader = 1 << 14

// WriteNPY writes the matrix as numpy.save would: float32, C order, version 1.0.
// The format has room for one array and no metadata, so a projection with an
// offset or a second matrix, which would be lost, is refused.
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
	text := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", p.In, p.Out)
	// numpy ends the header with a newline at a multiple of 64.
	const prefix = len(npyMagic) + 4
	padding := (64 - (prefix+len(text)+1)%64) % 64
	text += strings.Repeat(" ", padding) + "\n"
	head := append([]byte(npyMagic), 1, 0)
	head = binary.LittleEndian.AppendUint16(head, uint16(len(text)))
	head = append(head, text...)
	if _, err := w.Write(head); err != nil {
		return err
	}
	return writeFloats(w, p.Matrix)
}

// ReadNPY reads a matrix [In, Out] from a whole npy file: two-dimensional, <f4
// or <f8, in C or Fortran order, of version 1, 2 or 3. It reads r to its end.
// What it returns has passed Validate; it has no metadata.
func ReadNPY(r io.Reader) (*Projection, error) {
	text, err := readNPYHeader(r)
	if err != nil {
		return nil, err
	}
	h, err := parseNPYHeader(text)
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	e, err := h.element()
	if err != nil {
		return nil, err
	}
	if len(h.shape) != 2 {
		return nil, fmt.Errorf("array has %d dimensions, want 2", len(h.shape))
	}
	count, err := countValues(h.shape)
	if err != nil {
		return nil, err
	}
	values, err := readFloats(r, count, e)
	if err != nil {
		return nil, err
	}
	if err := expectEnd(r); err != nil {
		return nil, err
	}
	p := &Projection{Matrix: values, In: int(h.shape[0]), Out: int(h.shape[1])}
	if h.fortran {
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

// readNPYHeader returns the dictionary's text.
func readNPYHeader(r io.Reader) (string, error) {
	start := make([]byte, len(npyMagic)+2)
	if err := readHead(r, start); err != nil {
		return "", err
	}
	if string(start[:len(npyMagic)]) != npyMagic {
		return "", errors.New("does not begin as an npy file")
	}
	var length [4]byte
	width := 4
	switch version := start[len(npyMagic)]; version {
	case 1:
		width = 2
	case 2, 3:
	default:
		return "", fmt.Errorf("npy version is %d, want 1, 2 or 3", version)
	}
	if err := readHead(r, length[:width]); err != nil {
		return "", err
	}
	n := binary.LittleEndian.Uint32(length[:])
	if n > maxNPYHeader {
		return "", fmt.Errorf("header is %d bytes by its own account, want at most %d", n, maxNPYHeader)
	}
	text := make([]byte, n)
	if err := readHead(r, text); err != nil {
		return "", err
	}
	return string(text), nil
}

// readHead fills b from the part of the file before the numbers.
func readHead(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the file ends within the header")
	}
	return err
}
