package prepare

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/parquet-go/parquet-go"

	"github.com/cosfit/cosfit/internal/atomicfile"
)

// The rows of the folder's files: DESIGN's data contracts, which package loader
// reads.
type (
	pairRow struct {
		Left  string  `parquet:"left"`
		Right string  `parquet:"right"`
		Label float32 `parquet:"label"`
		Split string  `parquet:"split,dict"`
		Group string  `parquet:"group"`
		Kind  string  `parquet:"kind,dict"`
	}
	unsplitRow struct {
		Left  string  `parquet:"left"`
		Right string  `parquet:"right"`
		Label float32 `parquet:"label"`
		Group string  `parquet:"group"`
		Kind  string  `parquet:"kind,dict"`
	}
	textRow struct {
		ID     string `parquet:"id"`
		Text   string `parquet:"text"`
		Role   string `parquet:"role,dict"`
		Source string `parquet:"source,dict"`
	}
)

// WriteOptions say what Write does beside writing the pairs.
type WriteOptions struct {
	Replace  bool // a data set that stands there
	Passages bool // write all passages, also those that are in no pair
}

// Write writes the data set folder dir. It appears whole or not at all. Without
// Replace nothing may stand there but an empty folder, and with it only a data
// set, whose embeddings/ are gone then.
func (d *Draft) Write(dir string, o WriteOptions) error {
	if err := CheckOut(dir, o.Replace); err != nil {
		return err
	}
	return atomicfile.WriteDir(dir, func(temporary string) error {
		if err := d.writePairs(filepath.Join(temporary, "pairs.parquet")); err != nil {
			return err
		}
		return d.writeTexts(filepath.Join(temporary, "texts.parquet"), o.Passages)
	})
}

// CheckOut says why no data set can be written to dir, before work is spent on
// it.
func CheckOut(dir string, replace bool) error {
	if there, err := os.Lstat(filepath.Clean(dir)); err == nil && there.Mode()&fs.ModeSymlink != 0 {
		return fmt.Errorf("--out %s is a link, which a rename would replace: name the folder that it points to", dir)
	}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("--out %s: %w: name a folder", dir, withoutPath(err))
	case len(entries) == 0:
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, "pairs.parquet")); err != nil {
		return fmt.Errorf("--out %s exists and is no data set: choose another name", dir)
	}
	if !replace {
		return fmt.Errorf("--out %s exists: choose another name, or replace it with --force", dir)
	}
	return nil
}

// withoutPath takes off the path that fs puts before an error, since messages
// name it themselves.
func withoutPath(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fs.ErrNotExist // the same words on every system
	}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// parquetOptions are those of both files.
func parquetOptions(metadata ...parquet.WriterOption) []parquet.WriterOption {
	return append(metadata, parquet.Compression(&parquet.Zstd), parquet.KeyValueMetadata("schema_version", "1"))
}

func (d *Draft) writePairs(path string) error {
	options := parquetOptions()
	if d.LabelRange != "" {
		options = append(options, parquet.KeyValueMetadata("label_range", d.LabelRange))
	}
	p := &d.Pairs
	id := func(text int32) string { return d.ID(text).String() }
	if len(p.Split) == 0 { // whoever opens it draws the split
		return writeRows(path, p.Len(), options, func(i int) (unsplitRow, error) {
			return unsplitRow{id(p.Left[i]), id(p.Right[i]), p.Label[i], p.Groups[p.Group[i]], p.Kind[i].String()}, nil
		})
	}
	return writeRows(path, p.Len(), options, func(i int) (pairRow, error) {
		return pairRow{id(p.Left[i]), id(p.Right[i]), p.Label[i], p.Split[i].String(), p.Groups[p.Group[i]], p.Kind[i].String()}, nil
	})
}

// writeTexts writes the texts of the pairs, or all.
func (d *Draft) writeTexts(path string, all bool) error {
	var list []int32
	used := make([]bool, d.Texts())
	for i := range d.Pairs.Left {
		used[d.Pairs.Left[i]], used[d.Pairs.Right[i]] = true, true
	}
	for n := range used {
		if used[n] || all {
			list = append(list, int32(n))
		}
	}
	return writeRows(path, len(list), parquetOptions(), func(i int) (textRow, error) {
		n := list[i]
		text, err := d.Text(n)
		return textRow{d.ID(n).String(), text, d.roleName(n), d.Source(n)}, err
	})
}

// roleName is query for a text that is on both sides.
func (d *Draft) roleName(n int32) string {
	if d.IsQuery(n) {
		return "query"
	}
	return "passage"
}

// writeRows writes n rows.
func writeRows[T any](path string, n int, options []parquet.WriterOption, row func(i int) (T, error)) error {
	return writeParquet(path, options, func(write func(T) error) error {
		for i := range n {
			r, err := row(i)
			if err != nil {
				return err
			}
			if err := write(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// writeParquet writes the rows that each hands to write, a few at a time, in row
// groups of some megabytes.
func writeParquet[T any](path string, options []parquet.WriterOption, each func(write func(T) error) error) (err error) {
	const batch, group = 256, 1 << 14
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if closed := f.Close(); err == nil {
			err = closed
		}
	}()
	w := parquet.NewGenericWriter[T](f, options...)
	rows, written := make([]T, 0, batch), 0
	flush := func() error {
		if _, err := w.Write(rows); err != nil {
			return err
		}
		written += len(rows)
		rows = rows[:0]
		if written%group == 0 {
			return w.Flush()
		}
		return nil
	}
	err = each(func(r T) error {
		if rows = append(rows, r); len(rows) < batch {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	if err := flush(); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return f.Sync()
}
