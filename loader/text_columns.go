package loader

import (
	"context"
	"encoding/hex"
	"errors"
	"iter"
	"strconv"

	"github.com/parquet-go/parquet-go"
)

// TextColumns reads columns of a Parquet file side by side, a page of each at a
// time. Close ends it.
type TextColumns struct{ file *parquetFile }

// OpenTextColumns opens a Parquet file that has at least one row.
func OpenTextColumns(name string) (*TextColumns, error) {
	f, err := openParquetPath(name)
	if err != nil {
		return nil, err
	}
	if err := f.notEmpty(); err != nil {
		f.close()
		return nil, err
	}
	return &TextColumns{f}, nil
}

// Close closes the file.
func (t *TextColumns) Close() error { return t.file.close() }

// Names returns the names of the columns at the top level.
func (t *TextColumns) Names() []string { return t.file.columns() }

// A Cell is a value as a text. Numbers are written so that they read back as
// they were; truth values are "true" and "false", other bytes hexadecimal.
type Cell struct {
	Text string
	Null bool
}

// errEnough ends the reading of a column whose rest nobody wants.
var errEnough = errors.New("enough")

// Each visits the rows, counted from 0, with the cells of some columns, valid
// during the call. An error of visit ends it.
func (t *TextColumns) Each(ctx context.Context, columns []string, visit func(row int, cells []Cell) error) error {
	next := make([]func() (Cell, error, bool), len(columns))
	for i, column := range columns {
		pull, stop := iter.Pull2(t.column(column))
		defer stop()
		next[i] = pull
	}
	cells := make([]Cell, len(columns))
	for row := range int(t.file.NumRows()) {
		if err := ctx.Err(); err != nil {
			return err
		}
		for i, column := range columns {
			cell, err, ok := next[i]()
			if err != nil {
				return err
			}
			if !ok {
				return t.file.complete(column, row)
			}
			cells[i] = cell
		}
		if err := visit(row, cells); err != nil {
			return err
		}
	}
	for i := range columns { // a column that is too long is damaged
		if _, err, _ := next[i](); err != nil {
			return err
		}
	}
	return nil
}

// column yields the cells of a column, and an error at the end where there is
// one.
func (t *TextColumns) column(name string) iter.Seq2[Cell, error] {
	f := t.file
	return func(yield func(Cell, error) bool) {
		left := f.limits.column().bytes
		err := f.scalars(name, func(row int, typ parquet.Type, v parquet.Value) error {
			cell := Cell{Null: v.IsNull()}
			if !cell.Null {
				cell.Text = cellText(typ, v)
			}
			// A dictionary can say a long text many times.
			if left -= int64(len(cell.Text)); left < 0 {
				return f.errorf("column %q is damaged: its texts have far more bytes than the file", name)
			}
			if !yield(cell, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(Cell{}, err)
		}
	}
}

// cellText writes a value.
func cellText(t parquet.Type, v parquet.Value) string {
	switch v.Kind() {
	case parquet.Boolean:
		return strconv.FormatBool(v.Boolean())
	case parquet.ByteArray:
		return string(v.ByteArray())
	}
	x, ok := number(t, v)
	if !ok {
		return hex.EncodeToString(v.ByteArray()) // such as a UUID
	}
	switch unit := decimalUnit(t); {
	case unit != 1:
		return strconv.FormatFloat(x/unit, 'g', -1, 64)
	case v.Kind() == parquet.Int64: // which may be an id that a float64 has no room for
		return v.String()
	case v.Kind() == parquet.Float:
		return strconv.FormatFloat(x, 'g', -1, 32)
	}
	return strconv.FormatFloat(x, 'g', -1, 64)
}
