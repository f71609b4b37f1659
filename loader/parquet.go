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
	"github.com/parquet-go/parquet-go/format"

	"github.com/cosfit/cosfit/internal/kernel"
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
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", shown, withoutPath(err))
	}
	file, err := parseParquet(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open %s: %w", shown, err)
	}
	return &parquetFile{shown, file, f.Close}, nil
}

// withoutPath takes off the path that fs puts before an error, which is not
// the one that the user knows.
func withoutPath(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fs.ErrNotExist // the same words on every system
	}
	if wrapped, ok := errors.AsType[*fs.PathError](err); ok {
		err = wrapped.Err
	}
	return err
}

// parseParquet reads the footer of a file.
func parseParquet(f fs.File) (file *parquet.File, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, withoutPath(err)
	}
	r, ok := f.(io.ReaderAt)
	if !ok || !info.Mode().IsRegular() {
		return nil, errors.New("not a file")
	}
	if err := checkFrame(r, info.Size()); err != nil {
		return nil, err
	}
	defer recoverDamage(&err, "the file")
	file, err = parquet.OpenFile(r, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fmt.Errorf("not a readable Parquet file: %w", err)
	}
	// Pairs and vectors are numbered by int32.
	if n := file.NumRows(); n < 0 || n > math.MaxInt32 {
		return nil, fmt.Errorf("the file says that it has %d rows, want at most %d", n, math.MaxInt32)
	}
	return file, nil
}

// checkFrame looks at both ends of a Parquet file, which tell the common
// accidents apart: it begins with a mark and ends with the length of its
// footer and the mark again.
func checkFrame(r io.ReaderAt, size int64) error {
	const mark = "PAR1"
	if size == 0 {
		return errors.New("the file is empty")
	}
	var head [len(mark)]byte
	if _, err := r.ReadAt(head[:], 0); err != nil || string(head[:]) != mark {
		return errors.New("not a Parquet file: it does not begin with PAR1")
	}
	var tail [4 + len(mark)]byte
	rest := size - int64(len(head)) - int64(len(tail))
	if _, err := r.ReadAt(tail[:], max(0, size-int64(len(tail)))); err != nil || string(tail[4:]) != mark || rest < 0 {
		return errors.New("the end of the file is missing: copy or write it again")
	}
	// parquet-go would take that much memory before it looks.
	if footer := int64(binary.LittleEndian.Uint32(tail[:])); footer > rest {
		return fmt.Errorf("the file is damaged: its footer would be %d bytes, which is more than it holds", footer)
	}
	return nil
}

// recoverDamage, deferred, turns a panic into an error: parquet-go panics on
// some damaged files.
func recoverDamage(err *error, what string) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%s is damaged: %v", what, p)
	}
}

// errorf is an error about this file.
func (f *parquetFile) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: "+format, append([]any{f.name}, args...)...)
}

// notEmpty refuses a file without rows.
func (f *parquetFile) notEmpty() error {
	if f.NumRows() == 0 {
		return f.errorf("no rows, want one for each pair")
	}
	return nil
}

// has reports whether the file has a column of this name.
func (f *parquetFile) has(column string) bool { return f.Root().Column(column) != nil }

// missing is the error for a column that is not there; remark follows its name.
func (f *parquetFile) missing(column, remark string) error {
	var names []string
	for _, field := range f.Root().Columns() {
		names = append(names, field.Name())
	}
	return f.errorf("no column %q%s; the file has: %s", column, remark, strings.Join(names, ", "))
}

// read calls visit with the leaf of a top-level column: below a list there is
// one.
func (f *parquetFile) read(column string, visit func(leaf *parquet.Column) error) (err error) {
	defer recoverDamage(&err, fmt.Sprintf("%s: column %q", f.name, column))
	top := f.Root().Column(column)
	if top == nil {
		return f.missing(column, "")
	}
	leaf := top
	for !leaf.Leaf() && len(leaf.Columns()) == 1 {
		leaf = leaf.Columns()[0]
	}
	if !leaf.Leaf() || (leaf != top && leaf.MaxRepetitionLevel() == 0) {
		return f.errorf("column %q holds structs or maps, want a number, a text or a list of numbers", column)
	}
	return visit(leaf)
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

// complete refuses a column that ended before or after its file.
func (f *parquetFile) complete(column string, rows int) error {
	if int64(rows) != f.NumRows() {
		return f.errorf("column %q is damaged: it has %d rows, the file says %d", column, rows, f.NumRows())
	}
	return nil
}

// scalars reads a column with one value in each row through the generic
// values of parquet-go: enough for labels and texts. Nulls arrive as such.
func (f *parquetFile) scalars(column string, visit func(row int, t parquet.Type, v parquet.Value) error) error {
	return f.read(column, func(leaf *parquet.Column) error {
		if leaf.MaxRepetitionLevel() > 0 {
			return f.errorf("column %q holds lists, want one value in each row", column)
		}
		row := 0
		values := make([]parquet.Value, 512)
		err := f.pages(leaf, func(page parquet.Page) error {
			reader := page.Values()
			for {
				n, err := reader.ReadValues(values)
				for _, v := range values[:n] {
					if int64(row) == f.NumRows() {
						return f.complete(column, row+1)
					}
					if err := visit(row, leaf.Type(), v); err != nil {
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
		if err != nil {
			return err
		}
		return f.complete(column, row)
	})
}

// strings reads a text column; null is an error unless it is optional, where it
// reads as "".
func (f *parquetFile) strings(column string, optional bool) ([]string, error) {
	var out []string
	err := f.scalars(column, func(row int, _ parquet.Type, v parquet.Value) error {
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
	var out []float32
	err := f.scalars(column, func(row int, t parquet.Type, v parquet.Value) error {
		if v.IsNull() {
			return f.errorf("row %d: %s is null, want a number: fill it in or drop the row", row, column)
		}
		x, ok := number(v)
		if !ok {
			return f.errorf("column %q holds values of type %s, want numbers or booleans", column, t)
		}
		out = append(out, float32(x/decimalUnit(t)))
		return nil
	})
	return out, err
}

func number(v parquet.Value) (float64, bool) {
	switch v.Kind() {
	case parquet.Boolean:
		if v.Boolean() {
			return 1, true
		}
		return 0, true
	case parquet.Int32:
		return float64(v.Int32()), true
	case parquet.Int64:
		return float64(v.Int64()), true
	case parquet.Float:
		return float64(v.Float()), true
	case parquet.Double:
		return v.Double(), true
	}
	return 0, false
}

// decimalUnit returns what a stored integer of 1 stands for, inverted: DuckDB
// stores 0.5 as the integer 5 of a decimal with one digit after the point.
func decimalUnit(t parquet.Type) float64 {
	if logical := t.LogicalType(); logical != nil {
		if decimal, ok := logical.Value.(*format.DecimalType); ok {
			return math.Pow10(int(decimal.Scale))
		}
	}
	return 1
}

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
