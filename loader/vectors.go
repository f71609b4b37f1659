package loader

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

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
		r := vectorReader{file: f, column: column, leaf: leaf, visit: f.usable(column, visit)}
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

// vectorLength is how long the vectors of a column are, by its first row.
func (f *parquetFile) vectorLength(column string) (n int, err error) {
	enough := errors.New("the first row is enough")
	err = f.vectors(column, func(_ int, v []float32) error {
		n = len(v)
		return enough
	})
	if errors.Is(err, enough) {
		return n, nil
	}
	return n, err
}

// usable hands the vectors on to visit that a pair can have.
func (f *parquetFile) usable(column string, visit func(row int, v []float32) error) func(int, []float32) error {
	dim := 0 // of the first row
	return func(row int, v []float32) error {
		if row == 0 {
			dim = len(v)
		}
		if len(v) != dim {
			return f.errorf("row %d: %s has %d values, row 0 has %d: all vectors need the same length", row, column, len(v), dim)
		}
		if err := checkVector(v); err != nil {
			return f.errorf("row %d: %s %w", row, column, err)
		}
		return visit(row, v)
	}
}

// A vectorReader cuts the values of pages into rows. A row may begin in one
// page and end in the next.
type vectorReader struct {
	file   *parquetFile
	column string
	leaf   *parquet.Column
	visit  func(row int, v []float32) error
	perRow int  // values in each row where the column has no list levels, else 0
	nulls  bool // visit takes an empty list, and nil for a row that is null

	row     int // rows visited
	open    bool
	pending []float32 // values of the row that is open
	decoded []float32
}

// checkType refuses what is not a vector, and sets perRow.
func (r *vectorReader) checkType() error {
	t := r.leaf.Type()
	size := plainBytes(t)
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
	values := r.floats(page)
	definitions := page.DefinitionLevels()
	if r.perRow > 0 {
		return r.fixedRows(definitions, values)
	}
	full := byte(r.leaf.MaxDefinitionLevel())
	repetitions := page.RepetitionLevels()
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
		first := at
		at = end
		if r.nulls && end == first+1 && repetitions[first] == 0 && definitions[first] < r.listed() {
			if err := r.empty(definitions[first]); err != nil {
				return err
			}
			continue
		}
		for _, level := range definitions[first:end] {
			if level != full {
				return r.null(r.row, r.leaf.Optional() && level == full-1)
			}
		}
		n := end - first
		if repetitions[first] == 0 && end < len(repetitions) { // all of the row: no need to gather it
			if err := r.hand(values[:n]); err != nil {
				return err
			}
		} else {
			r.pending = append(r.pending, values[:n]...)
		}
		values = values[n:]
	}
	return nil
}

// floats returns the values of a page that are present: the page's own memory
// where it holds them as they are.
func (r *vectorReader) floats(page parquet.Page) []float32 {
	if page.Dictionary() == nil && page.Type().Kind() == parquet.Float {
		data := page.Data()
		return data.Float()
	}
	r.decoded = decodeFloats(r.decoded[:0], page)
	return r.decoded
}

// listed is the definition level from which on a list has an entry.
func (r *vectorReader) listed() byte {
	level := byte(r.leaf.MaxDefinitionLevel())
	if r.leaf.Optional() {
		level--
	}
	return level
}

// nullable reports whether a row of the column can be null.
func (r *vectorReader) nullable() bool { return r.file.Root().Column(r.column).Optional() }

// empty visits a row whose list has no entry, or is null.
func (r *vectorReader) empty(level byte) error {
	if level == 0 && r.nullable() {
		return r.hand(nil)
	}
	return r.hand([]float32{})
}

// fixedRows handles a column without lists: each row is perRow values.
func (r *vectorReader) fixedRows(definitions []byte, values []float32) error {
	full := byte(r.leaf.MaxDefinitionLevel())
	take := func() error {
		row := values[:r.perRow]
		values = values[r.perRow:]
		return r.hand(row)
	}
	for _, level := range definitions {
		var err error
		switch {
		case level == full:
			err = take()
		case r.nulls:
			err = r.empty(level)
		default:
			err = r.null(r.row, false)
		}
		if err != nil {
			return err
		}
	}
	for len(values) > 0 { // a column without nulls has no definitions
		if err := take(); err != nil {
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
	return r.hand(r.pending)
}

// hand visits the open row, which is v.
func (r *vectorReader) hand(v []float32) error {
	r.pending, r.open = r.pending[:0], false
	if int64(r.row) == r.file.NumRows() {
		return r.file.complete(r.column, r.row+1)
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
	if err := checkFinite(v); err != nil {
		return err
	}
	if !slices.ContainsFunc(v, func(x float32) bool { return x != 0 }) {
		return errors.New("is all zeros, which has no direction: " + remedy)
	}
	return nil
}

func checkFinite(v []float32) error {
	for i, x := range v {
		if x-x != 0 { // NaN or infinite
			return fmt.Errorf("has %v at position %d, want finite numbers: %s", x, i, remedy)
		}
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
