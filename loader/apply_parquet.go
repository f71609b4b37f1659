package loader

import (
	"errors"
	"fmt"
	"strings"

	"github.com/parquet-go/parquet-go"
)

func openVectorParquet(name, column string, t Transform) (*VectorFile, error) {
	f, err := openParquetPath(name)
	if err != nil {
		return nil, err
	}
	guessed := column == ""
	if guessed {
		column, err = f.guessVectors(t.In)
	}
	if err == nil {
		err = f.checkVectors(column)
	}
	if err != nil {
		f.close()
		return nil, err
	}
	write := func(w *countingWriter, done func(int64)) error {
		c := parquetCopy{in: f, column: column, t: t, w: w, done: done}
		return c.write()
	}
	space, _ := f.space() // which need not be valid for its vectors to be read
	return &VectorFile{Model: space.Model, Rows: f.NumRows(), Column: column, Guessed: guessed, write: write, close: f.close}, nil
}

// checkVectors refuses a column that does not hold vectors.
func (f *parquetFile) checkVectors(column string) error {
	if !f.has(column) {
		return f.missing(column, "")
	}
	return f.read(column, func(leaf *parquet.Column) error {
		r := vectorReader{file: f, column: column, leaf: leaf}
		return r.checkType()
	})
}

// guessVectors finds the only column whose vectors have d values. One without
// any vector serves where no other does.
func (f *parquetFile) guessVectors(d int) (string, error) {
	var fit, empty, others []string
	for _, top := range f.Root().Columns() {
		column := top.Name()
		if f.checkVectors(column) != nil {
			continue
		}
		n, err := f.firstLength(column)
		switch {
		case err != nil:
			return "", err
		case n == d:
			fit = append(fit, column)
		case n == 0:
			empty = append(empty, column)
		default:
			others = append(others, fmt.Sprintf("%s (%d)", column, n))
		}
	}
	if len(fit) == 0 {
		fit = empty
	}
	switch {
	case len(fit) == 1:
		return fit[0], nil
	case len(fit) > 1:
		return "", f.errorf("columns %s all hold vectors of %d values: choose one with --column", strings.Join(fit, ", "), d)
	case len(others) > 0:
		return "", f.errorf("no column holds vectors of the matrix's %d values; those with vectors: %s", d, strings.Join(others, ", "))
	}
	return "", f.errorf("no column holds vectors; the file has: %s", strings.Join(f.columns(), ", "))
}

// firstLength returns the length of the first vector of a column, or 0 where
// all are null.
func (f *parquetFile) firstLength(column string) (n int, err error) {
	found := errors.New("found")
	err = f.read(column, func(leaf *parquet.Column) error {
		visit := func(_ int, v []float32) error {
			if v == nil {
				return nil
			}
			n = len(v)
			return found
		}
		r := vectorReader{file: f, column: column, leaf: leaf, nulls: true, visit: visit}
		if err := r.checkType(); err != nil {
			return err
		}
		if err := f.pages(leaf, r.page); err != nil {
			return err
		}
		return r.flush()
	})
	if errors.Is(err, found) {
		err = nil
	}
	return n, err
}
