package loader

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
	"github.com/xrash/smetrics"

	"github.com/cosfit/cosfit/internal/kernel"
)

// A parquetFile reads whole columns page by page, which is far faster than
// materialising rows.
type parquetFile struct {
	name string
	*parquet.File
	stored io.ReaderAt
	plain  *parquet.File // the columns as pageStream shows them
	limits limits
	close  func() error
}

// openParquet opens a file of fsys, which messages call shown. The caller
// closes it.
func openParquet(fsys fs.FS, name, shown string) (*parquetFile, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", shown, withoutPath(err))
	}
	file, plain, err := parseParquet(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open %s: %w", shown, err)
	}
	return &parquetFile{shown, file, f.(io.ReaderAt), plain, pageLimits(file.Size()), f.Close}, nil
}

// openParquetPath opens a file of the system. The caller closes it.
func openParquetPath(name string) (*parquetFile, error) {
	dir, base := filepath.Split(filepath.Clean(name))
	if dir == "" {
		dir = "."
	}
	return openParquet(os.DirFS(dir), base, name)
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
func parseParquet(f fs.File) (file, plain *parquet.File, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, nil, withoutPath(err)
	}
	r, ok := f.(io.ReaderAt)
	if !ok || !info.Mode().IsRegular() {
		return nil, nil, errors.New("not a file")
	}
	if err := checkFrame(r, info.Size()); err != nil {
		return nil, nil, err
	}
	defer recoverDamage(&err, "the file")
	meta, columns, err := checkFooter(r, info.Size())
	if err != nil {
		return nil, nil, err
	}
	// Pairs and vectors are numbered by int32.
	if n := meta.NumRows; n < 0 || n > math.MaxInt32 {
		return nil, nil, fmt.Errorf("the file says that it has %d rows, want at most %d", n, math.MaxInt32)
	}
	file, err = parquet.OpenFile(r, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err == nil {
		plain, err = plainTwin(meta.Schema, columns)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("not a readable Parquet file: %w", err)
	}
	return file, plain, nil
}

// errNotParquet is what is wrong with a file of another format.
var errNotParquet = errors.New("not a Parquet file: it does not begin with PAR1")

// checkFrame looks at both ends of a Parquet file, which tell the common
// accidents apart: it begins with a mark and ends with the length of its
// footer and the mark again.
func checkFrame(r io.ReaderAt, size int64) error {
	const mark = footerMark
	if size == 0 {
		return errors.New("the file is empty")
	}
	var head [len(mark)]byte
	if _, err := r.ReadAt(head[:], 0); err != nil || string(head[:]) != mark {
		return errNotParquet
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
	p := recover()
	if _, ok := p.(runtime.Error); ok { // of which nobody makes sense
		p = "its parts do not fit together"
	}
	if p != nil {
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
	return f.errorf("no column %q%s; the file has: %s%s", column, remark, strings.Join(f.columns(), ", "), f.guess(column))
}

// guess names the column that was perhaps meant: one without a role of its
// own, told by the similarity of Jaro and Winkler (1990).
func (f *parquetFile) guess(column string) string {
	const enough = 0.8
	best, similarity := "", enough
	for _, name := range f.columns() {
		if slices.Contains(DefaultColumns().names(), name) {
			continue
		}
		if s := smetrics.JaroWinkler(strings.ToLower(column), strings.ToLower(name), 0.7, 4); s > similarity {
			best, similarity = name, s
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; perhaps %q is meant", best)
}

// columns returns the names of the columns.
func (f *parquetFile) columns() (names []string) {
	for _, field := range f.Root().Columns() {
		names = append(names, field.Name())
	}
	return names
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
	left := f.limits.column()
	for _, group := range f.RowGroups() {
		if err := f.limitedPages(group, leaf, &left, visit); err != nil {
			return err
		}
	}
	return nil
}

// groupPages calls visit with each page of a leaf column in a row group.
func (f *parquetFile) groupPages(group parquet.RowGroup, leaf *parquet.Column, visit func(parquet.Page) error) error {
	left := f.limits.column()
	return f.limitedPages(group, leaf, &left, visit)
}

func (f *parquetFile) limitedPages(group parquet.RowGroup, leaf *parquet.Column, left *limits, visit func(parquet.Page) error) error {
	stream, err := f.stream(group, leaf, left)
	if err != nil {
		return err
	}
	chunk := f.plain.RowGroups()[0].ColumnChunks()[leaf.Index()].(*parquet.FileColumnChunk)
	pages := chunk.PagesFrom(stream)
	defer pages.Close()
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return f.errorf("column %q is damaged: %w", leaf.Path()[0], err)
		}
		err = visit(page)
		parquet.Release(page)
		if err != nil {
			return err
		}
	}
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
		row, most := 0, f.limits.rows
		values := make([]parquet.Value, 512)
		err := f.pages(leaf, func(page parquet.Page) error {
			reader := page.Values()
			for {
				n, err := reader.ReadValues(values)
				for _, v := range values[:n] {
					if int64(row) == f.NumRows() {
						return f.complete(column, row+1)
					}
					if int64(row) == most {
						return f.errorf("column %q is damaged: it would have more than %d rows, too many for a file of this size", column, most)
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
	err := f.texts(column, optional, func(_ int, text string) { out = append(out, text) })
	return out, err
}

// texts is strings for a caller who need not keep them.
func (f *parquetFile) texts(column string, optional bool, visit func(row int, text string)) error {
	left := f.limits.column().bytes
	return f.scalars(column, func(row int, _ parquet.Type, v parquet.Value) error {
		switch {
		case v.IsNull() && optional:
			visit(row, "")
		case v.IsNull():
			return f.errorf("row %d: %s is null, want a text", row, column)
		case v.Kind() == parquet.ByteArray || v.Kind() == parquet.FixedLenByteArray:
			// A dictionary can say a long text many times.
			if left -= int64(len(v.ByteArray())); left < 0 {
				return f.errorf("column %q is damaged: its texts have far more bytes than the file", column)
			}
			visit(row, string(v.ByteArray()))
		default:
			visit(row, v.String()) // numbers serve as ids and groups too
		}
		return nil
	})
}

// number reads a number or a boolean as Parquet stores it, but for a decimal's unit.
func number(t parquet.Type, v parquet.Value) (float64, bool) {
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
	case parquet.FixedLenByteArray:
		return numberOfBytes(t, v.ByteArray())
	}
	return 0, false
}

// numberOfBytes reads a float16, or the integer of a decimal, which pyarrow
// stores as bytes in two's complement, the highest first.
func numberOfBytes(t parquet.Type, b []byte) (float64, bool) {
	if decimalType(t) != nil && len(b) > 0 {
		x := float64(int8(b[0]))
		for _, low := range b[1:] {
			x = 256*x + float64(low)
		}
		return x, true
	}
	if plainBytes(t) == 2 {
		return float64(kernel.HalfToFloat(binary.LittleEndian.Uint16(b))), true
	}
	return 0, false
}

// plainBytes is the length of byte arrays of one length that do not say what
// they are. UUIDs and decimals do; float16 does as well, but parquet-go does
// not pass it on. Other types have 0.
func plainBytes(t parquet.Type) int {
	if t.Kind() != parquet.FixedLenByteArray || t.LogicalType() != nil || t.ConvertedType() != nil {
		return 0
	}
	return t.Length()
}

// decimalUnit returns what a stored integer of 1 stands for, inverted: DuckDB
// stores 0.5 as the integer 5 of a decimal with one digit after the point.
func decimalUnit(t parquet.Type) float64 {
	if decimal := decimalType(t); decimal != nil {
		return math.Pow10(int(decimal.Scale))
	}
	return 1
}

// decimalType is nil for other types.
func decimalType(t parquet.Type) *format.DecimalType {
	if logical := t.LogicalType(); logical != nil {
		if decimal, ok := logical.Value.(*format.DecimalType); ok {
			return decimal
		}
	}
	return nil
}
