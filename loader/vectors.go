package loader

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/parquet-go/parquet-go"

	"github.com/cosfit/cosfit/internal/kernel"
)

// vectors reads a column of vectors and calls visit with each row's, which is
// valid during the call. All have the same length, hold finite numbers and
// are not all zeros.
//
// Accepted are lists of float, double or float16, and fixed-length byte
// arrays of little-endian float32.
func (f *parquetFile) vectors(column string, visit func(row int, v []float32) error) error {
	return f.read(column, func(leaf *parquet.Column) error {
		r := vectorReader{file: f, column: column, leaf: leaf, visit: visit}
		if err := r.checkType(); err != nil {
			return err
		}
		if err := f.pages(leaf, r.page); err != nil {
			return err
		}
		if err := r.flush(); err != nil {
			return err
		}
		return f.complete(column, r.row)
	})
}

// A vectorReader cuts the values of pages into rows. A row may begin in one
// page and end in the next.
type vectorReader struct {
	file   *parquetFile
	column string
	leaf   *parquet.Column
	visit  func(row int, v []float32) error
	perRow int // values in each row where the column has no list levels, else 0

	row     int // rows visited
	dim     int // of the first row
	open    bool
	pending []float32 // values of the row that is open
	decoded []float32
}

// checkType refuses what is not a vector, and sets perRow.
func (r *vectorReader) checkType() error {
	t := r.leaf.Type()
	// UUIDs and decimals are byte arrays too, but say so; float16 does as well,
	// and parquet-go does not pass it on.
	size := 0
	if t.LogicalType() == nil && t.ConvertedType() == nil && t.Kind() == parquet.FixedLenByteArray {
		size = t.Length()
	}
	switch r.leaf.MaxRepetitionLevel() {
	case 0:
		if size == 0 || size%4 != 0 {
			return r.file.errorf("column %q holds one value of type %s in each row, want a list of numbers", r.column, t)
		}
		r.perRow = size / 4
		return nil
	case 1:
		if t.Kind() != parquet.Float && t.Kind() != parquet.Double && size != 2 {
			return r.file.errorf("column %q holds lists of type %s, want lists of float, double or float16", r.column, t)
		}
		return nil
	}
	return r.file.errorf("column %q holds lists of lists, want a list of numbers", r.column)
}

func (r *vectorReader) page(page parquet.Page) error {
	r.decoded = decodeFloats(r.decoded[:0], page)
	definitions := page.DefinitionLevels()
	if r.perRow > 0 {
		return r.fixedRows(definitions)
	}
	full := byte(r.leaf.MaxDefinitionLevel())
	repetitions := page.RepetitionLevels()
	values := r.decoded
	for at := 0; at < len(repetitions); {
		if repetitions[at] == 0 {
			if err := r.flush(); err != nil {
				return err
			}
			r.open = true
		}
		end := len(repetitions)
		if i := bytes.IndexByte(repetitions[at+1:], 0); i >= 0 {
			end = at + 1 + i
		}
		for _, level := range definitions[at:end] {
			if level != full {
				return r.null(r.row, r.leaf.Optional() && level == full-1)
			}
		}
		n := end - at
		r.pending = append(r.pending, values[:n]...)
		values = values[n:]
		at = end
	}
	return nil
}

// fixedRows handles a column without lists: each row is perRow values.
func (r *vectorReader) fixedRows(definitions []byte) error {
	full := byte(r.leaf.MaxDefinitionLevel())
	for i, level := range definitions {
		if level != full {
			return r.null(r.row+i, false)
		}
	}
	for v := r.decoded; len(v) > 0; v = v[r.perRow:] {
		r.pending, r.open = append(r.pending, v[:r.perRow]...), true
		if err := r.flush(); err != nil {
			return err
		}
	}
	return nil
}

func (r *vectorReader) null(row int, inside bool) error {
	if inside {
		return r.file.errorf("row %d: %s has a null among its values, want finite numbers: %s", row, r.column, remedy)
	}
	return r.file.errorf("row %d: %s is null or empty, want a vector: %s", row, r.column, remedy)
}

// flush hands the open row to visit.
func (r *vectorReader) flush() error {
	if !r.open {
		return nil
	}
	v := r.pending
	r.pending, r.open = r.pending[:0], false
	if r.row == 0 {
		r.dim = len(v)
	}
	if int64(r.row) == r.file.NumRows() {
		return r.file.complete(r.column, r.row+1)
	}
	if len(v) != r.dim {
		return r.file.errorf("row %d: %s has %d values, row 0 has %d: all vectors need the same length", r.row, r.column, len(v), r.dim)
	}
	if err := checkVector(v); err != nil {
		return r.file.errorf("row %d: %s %w", r.row, r.column, err)
	}
	if err := r.visit(r.row, v); err != nil {
		return err
	}
	r.row++
	return nil
}

// remedy is what to do about a vector that cannot be used.
const remedy = "embed the text again or drop the row"

func checkVector(v []float32) error {
	zero := true
	for i, x := range v {
		if x-x != 0 { // NaN or infinite
			return fmt.Errorf("has %v at position %d, want finite numbers: %s", x, i, remedy)
		}
		zero = zero && x == 0
	}
	if zero {
		return errors.New("is all zeros, which has no direction: " + remedy)
	}
	return nil
}

// decodeFloats appends the values of a page that are present to dst.
func decodeFloats(dst []float32, page parquet.Page) []float32 {
	dictionary := page.Dictionary()
	if dictionary == nil {
		return appendFloats(dst, page)
	}
	entries := appendFloats(nil, dictionary.Page())
	data := page.Data()
	width := len(entries) / max(1, dictionary.Len()) // a byte array entry holds a whole vector
	for _, i := range data.Int32() {
		dst = append(dst, entries[int(i)*width:(int(i)+1)*width]...)
	}
	return dst
}

// appendFloats decodes a page without a dictionary, whose type checkType has
// let through.
func appendFloats(dst []float32, page parquet.Page) []float32 {
	data := page.Data()
	switch page.Type().Kind() {
	case parquet.Float:
		return append(dst, data.Float()...)
	case parquet.Double:
		for _, x := range data.Double() {
			dst = append(dst, float32(x))
		}
		return dst
	}
	raw, size := data.FixedLenByteArray()
	if size == 2 {
		for ; len(raw) >= 2; raw = raw[2:] {
			dst = append(dst, kernel.HalfToFloat(binary.LittleEndian.Uint16(raw)))
		}
		return dst
	}
	for ; len(raw) >= 4; raw = raw[4:] {
		dst = append(dst, math.Float32frombits(binary.LittleEndian.Uint32(raw)))
	}
	return dst
}
