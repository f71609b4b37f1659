package loader

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/cosfit/cosfit/internal/kernel"
	"github.com/cosfit/cosfit/internal/npy"
)

// An npyTable is an npy file of a vector [d] or of a table of them [n, d].
type npyTable struct {
	file  *os.File // positioned at the numbers
	name  string
	table bool
	rows  int
	width int // bytes of a number
	Transform
}

func openVectorNPY(name, column string, t Transform) (*VectorFile, error) {
	if column != "" {
		return nil, fmt.Errorf("%s: an npy file has no columns, so none can be named (got %q)", name, column)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, withoutPath(err))
	}
	n := &npyTable{file: file, name: name, Transform: t}
	if err := n.readHeader(); err != nil {
		file.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &VectorFile{Rows: int64(n.rows), write: n.write, close: file.Close}, nil
}

func (n *npyTable) readHeader() error {
	h, err := npy.ReadHeader(n.file)
	if err != nil {
		return err
	}
	widths := map[string]int{"<f2": 2, "<f4": 4, "<f8": 8}
	if n.width = widths[h.Descr]; n.width == 0 {
		return fmt.Errorf("dtype is %q, want <f2, <f4 or <f8: save it with .astype('<f4')", h.Descr)
	}
	rows, dim := int64(1), int64(0)
	switch len(h.Shape) {
	case 1:
		dim = h.Shape[0]
	case 2:
		rows, dim, n.table = h.Shape[0], h.Shape[1], true
	default:
		return fmt.Errorf("array has %d dimensions, want 2, or 1 for one vector", len(h.Shape))
	}
	if dim == 0 {
		return errors.New("vectors have no values")
	}
	if n.In == 0 { // any will do
		n.In = int(dim)
	}
	if dim != int64(n.In) {
		return fmt.Errorf("vectors have %d values, want the matrix's %d", dim, n.In)
	}
	if h.Fortran && rows > 1 && dim > 1 {
		return errors.New("array is in Fortran order, which has no whole rows to read: save it with np.ascontiguousarray")
	}
	return n.checkSize(rows)
}

// checkSize compares what the header promises with what the file holds.
func (n *npyTable) checkSize(rows int64) error {
	info, err := n.file.Stat()
	if err != nil {
		return err
	}
	at, err := n.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	held := info.Size() - at
	stride := int64(n.In) * int64(n.width)
	if whole := held / stride; whole < rows {
		return fmt.Errorf("the file ends in row %d of %d: copy or write it again", whole, rows)
	}
	if extra := held - rows*stride; extra > 0 {
		return fmt.Errorf("%d bytes follow the array", extra)
	}
	n.rows = int(rows)
	return nil
}

func (n *npyTable) write(w *countingWriter, done func(int64)) error {
	shape := []int{n.rows, n.Out}
	if !n.table {
		shape = shape[1:]
	}
	if _, err := w.Write(npy.AppendHeader(nil, shape...)); err != nil {
		return err
	}
	batch := min(n.batchRows(), n.rows)
	raw := make([]byte, batch*n.In*max(n.width, 4))
	x, y := make([]float32, batch*n.In), make([]float32, batch*n.Out)
	for first := 0; first < n.rows; first += batch {
		batch := min(batch, n.rows-first)
		x, y := x[:batch*n.In], y[:batch*n.Out]
		if err := n.read(x, raw[:len(x)*n.width], first); err != nil {
			return err
		}
		n.Apply(y, x)
		raw = appendLittle(raw[:0], y)
		if _, err := w.Write(raw); err != nil {
			return err
		}
		raw = raw[:cap(raw)]
		done(int64(first + batch))
	}
	return nil
}

// read fills x with the rows from first on.
func (n *npyTable) read(x []float32, raw []byte, first int) error {
	got, err := io.ReadFull(n.file, raw)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		row := first + got/(n.In*n.width)
		return fmt.Errorf("%s: the file ends in row %d of %d: copy or write it again", n.name, row, n.rows)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", n.name, withoutPath(err))
	}
	decodeLittle(x, raw, n.width)
	for r := 0; r*n.In < len(x); r++ {
		if err := checkFinite(x[r*n.In : (r+1)*n.In]); err != nil {
			return fmt.Errorf("%s: row %d %w", n.name, first+r, err)
		}
	}
	return nil
}

// decodeLittle decodes little-endian numbers of width bytes.
func decodeLittle(x []float32, raw []byte, width int) {
	switch width {
	case 2:
		for i := range x {
			x[i] = kernel.HalfToFloat(binary.LittleEndian.Uint16(raw[2*i:]))
		}
	case 4:
		for i := range x {
			x[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
	case 8:
		for i := range x {
			x[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:])))
		}
	}
}

// appendLittle appends v as little-endian float32.
func appendLittle(b []byte, v []float32) []byte {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}
