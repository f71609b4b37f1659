package loader

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// A parquetFile reads whole columns page by page, which is far faster than
// materialising rows.
type parquetFile struct {
	name string
	*parquet.File
	close func() error
}

// openParquet opens a file of fsys, which messages call shown. The caller
// closes it.
func openParquet(fsys fs.FS, name, shown string) (*parquetFile, error) {
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open %s: no such file", shown)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", shown, err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	r, ok := f.(io.ReaderAt)
	if !ok || info.IsDir() {
		f.Close()
		return nil, fmt.Errorf("open %s: not a file", shown)
	}
	file, err := parquet.OpenFile(r, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open %s: not a readable Parquet file: %w", shown, err)
	}
	return &parquetFile{shown, file, f.Close}, nil
}

// errorf is an error about this file.
func (f *parquetFile) errorf(format string, args ...any) error {
	return fmt.Errorf(f.name+": "+format, args...)
}

// has reports whether the file has a column of this name.
func (f *parquetFile) has(column string) bool { return f.Root().Column(column) != nil }

// leaf finds the leaf below a top-level column; below a list there is one.
func (f *parquetFile) leaf(column string) (*parquet.Column, error) {
	c := f.Root().Column(column)
	if c == nil {
		var names []string
		for _, field := range f.Root().Columns() {
			names = append(names, field.Name())
		}
		return nil, f.errorf("no column %q; the file has: %s", column, strings.Join(names, ", "))
	}
	for !c.Leaf() {
		if len(c.Columns()) != 1 {
			return nil, f.errorf("column %q holds a struct or a map, want a number, a text or a list of numbers", column)
		}
		c = c.Columns()[0]
	}
	return c, nil
}

// pages calls visit with each page of a leaf column, in order.
func (f *parquetFile) pages(leaf *parquet.Column, visit func(parquet.Page) error) error {
	for _, group := range f.RowGroups() {
		pages := group.ColumnChunks()[leaf.Index()].Pages()
		for {
			page, err := pages.ReadPage()
			if errors.Is(err, io.EOF) {
				break
			}
			if err == nil {
				err = visit(page)
				parquet.Release(page)
			} else {
				err = f.errorf("column %q is damaged: %w", leaf.Path()[0], err)
			}
			if err != nil {
				pages.Close()
				return err
			}
		}
		pages.Close()
	}
	return nil
}

// scalars reads a column with one value in each row through the generic
// values of parquet-go: enough for labels and texts. Nulls arrive as such.
func (f *parquetFile) scalars(column string, visit func(row int, v parquet.Value) error) error {
	leaf, err := f.leaf(column)
	if err != nil {
		return err
	}
	if leaf.MaxRepetitionLevel() > 0 {
		return f.errorf("column %q holds lists, want one value in each row", column)
	}
	row := 0
	values := make([]parquet.Value, 512)
	return f.pages(leaf, func(page parquet.Page) error {
		reader := page.Values()
		for {
			n, err := reader.ReadValues(values)
			for _, v := range values[:n] {
				if err := visit(row, v); err != nil {
					return err
				}
				row++
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return f.errorf("column %q is damaged near row %d: %w", column, row, err)
			}
		}
	})
}

// strings reads a text column; null is an error unless it is optional, where it
// reads as "".
func (f *parquetFile) strings(column string, optional bool) ([]string, error) {
	out := make([]string, 0, f.NumRows())
	err := f.scalars(column, func(row int, v parquet.Value) error {
		switch {
		case v.IsNull() && optional:
			out = append(out, "")
		case v.IsNull():
			return f.errorf("row %d: %s is null, want a text", row, column)
		case v.Kind() == parquet.ByteArray || v.Kind() == parquet.FixedLenByteArray:
			out = append(out, string(v.ByteArray()))
		default:
			out = append(out, v.String()) // numbers serve as ids and groups too
		}
		return nil
	})
	return out, err
}

// numbers reads a column of numbers or booleans as float32.
func (f *parquetFile) numbers(column string) ([]float32, error) {
	out := make([]float32, 0, f.NumRows())
	err := f.scalars(column, func(row int, v parquet.Value) error {
		if v.IsNull() {
			return f.errorf("row %d: %s is null, want a number", row, column)
		}
		x, ok := number(v)
		if !ok {
			return f.errorf("column %q holds %s values, want numbers", column, v.Kind())
		}
		out = append(out, x)
		return nil
	})
	return out, err
}

func number(v parquet.Value) (float32, bool) {
	switch v.Kind() {
	case parquet.Boolean:
		if v.Boolean() {
			return 1, true
		}
		return 0, true
	case parquet.Int32:
		return float32(v.Int32()), true
	case parquet.Int64:
		return float32(v.Int64()), true
	case parquet.Float:
		return v.Float(), true
	case parquet.Double:
		return float32(v.Double()), true
	}
	return 0, false
}

// vectors reads a column of vectors and calls visit with each row's, which is
// valid during the call. All must have the same length: the first one's, or
// dim where dim > 0. A vector holds finite numbers and is not all zeros.
//
// Accepted are lists of float, double or float16, and fixed-length byte
// arrays of little-endian float32.
func (f *parquetFile) vectors(column string, dim int, visit func(row int, v []float32) error) error {
	leaf, err := f.leaf(column)
	if err != nil {
		return err
	}
	r := vectorReader{file: f, column: column, dim: dim, visit: visit}
	if leaf.MaxRepetitionLevel() == 0 {
		if leaf.Type().Kind() != parquet.FixedLenByteArray || leaf.Type().Length()%4 != 0 {
			return f.errorf("column %q holds one %s in each row, want a list of numbers", column, leaf.Type())
		}
		r.perRow = leaf.Type().Length() / 4
	} else if leaf.MaxRepetitionLevel() > 1 {
		return f.errorf("column %q holds lists of lists, want a list of numbers", column)
	}
	r.maxDefinition = byte(leaf.MaxDefinitionLevel())
	if err := f.pages(leaf, r.page); err != nil {
		return err
	}
	return r.flush()
}

// A vectorReader cuts the values of pages into rows. A row may begin in one
// page and end in the next.
type vectorReader struct {
	file          *parquetFile
	column        string
	dim           int
	perRow        int // values in each row where the column has no list levels, else 0
	maxDefinition byte
	visit         func(row int, v []float32) error

	row     int // rows visited
	open    bool
	pending []float32 // values of the row that is open
	decoded []float32
}

func (r *vectorReader) page(page parquet.Page) error {
	var err error
	if r.decoded, err = decodeFloats(r.decoded[:0], page); err != nil {
		return r.file.errorf("column %q: %w", r.column, err)
	}
	definitions := page.DefinitionLevels()
	if r.perRow > 0 {
		return r.fixedRows(definitions)
	}
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
		for i, level := range definitions[at:end] {
			if level != r.maxDefinition {
				return r.null(end-at == 1 && i == 0)
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
	for _, level := range definitions {
		if level != r.maxDefinition {
			return r.null(true)
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

func (r *vectorReader) null(whole bool) error {
	if whole {
		return r.file.errorf("row %d: %s is null or empty, want a vector", r.row, r.column)
	}
	return r.file.errorf("row %d: %s has a null among its values", r.row, r.column)
}

// flush hands the open row to visit.
func (r *vectorReader) flush() error {
	if !r.open {
		return nil
	}
	v := r.pending
	r.pending, r.open = r.pending[:0], false
	if r.dim == 0 {
		r.dim = len(v)
	}
	if len(v) != r.dim {
		return r.file.errorf("row %d: %s has %d values, want %d", r.row, r.column, len(v), r.dim)
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

func checkVector(v []float32) error {
	zero := true
	for i, x := range v {
		if x-x != 0 { // NaN or infinite
			return fmt.Errorf("has %v at position %d, want finite numbers", x, i)
		}
		zero = zero && x == 0
	}
	if zero {
		return errors.New("is all zeros, which has no direction: drop the pair or embed the text again")
	}
	return nil
}

// decodeFloats appends the values of a page that are present to dst.
func decodeFloats(dst []float32, page parquet.Page) ([]float32, error) {
	dictionary := page.Dictionary()
	if dictionary == nil {
		return appendFloats(dst, page)
	}
	entries, err := appendFloats(nil, dictionary.Page())
	if err != nil {
		return nil, err
	}
	data := page.Data()
	width := len(entries) / max(1, dictionary.Len()) // a byte array entry holds a whole vector
	for _, i := range data.Int32() {
		dst = append(dst, entries[int(i)*width:(int(i)+1)*width]...)
	}
	return dst, nil
}

func appendFloats(dst []float32, page parquet.Page) ([]float32, error) {
	data := page.Data()
	switch page.Type().Kind() {
	case parquet.Float:
		return append(dst, data.Float()...), nil
	case parquet.Double:
		for _, x := range data.Double() {
			dst = append(dst, float32(x))
		}
		return dst, nil
	case parquet.FixedLenByteArray:
		raw, size := data.FixedLenByteArray()
		if size == 2 {
			for ; len(raw) >= 2; raw = raw[2:] {
				dst = append(dst, halfToFloat(binary.LittleEndian.Uint16(raw)))
			}
			return dst, nil
		}
		for ; len(raw) >= 4; raw = raw[4:] {
			dst = append(dst, math.Float32frombits(binary.LittleEndian.Uint32(raw)))
		}
		return dst, nil
	}
	return nil, fmt.Errorf("holds %s values, want float, double or float16", page.Type())
}

// halfToFloat widens an IEEE 754 binary16 number.
func halfToFloat(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h&1023)
	switch exponent {
	case 31:
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	case 0: // zero or subnormal: fraction · 2⁻²⁴
		v := float32(fraction) / (1 << 24)
		return math.Float32frombits(sign | math.Float32bits(v))
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}
