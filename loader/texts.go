package loader

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/parquet-go/parquet-go"
)

const textsFile = "texts.parquet"

// A Text is a row of a data set's texts.parquet.
type Text struct {
	ID   ID
	Text string
	Role string // query or passage, or "" where the data set does not say
	// Source is the document that the text comes from, or "" where the data set
	// does not say.
	Source string
}

// ReadTexts visits the texts of the data set folder that is the root of fsys;
// name is what messages call it. An error of visit ends it.
func ReadTexts(fsys fs.FS, name string, visit func(Text) error) error {
	f, err := named{fsys, name}.open(textsFile)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s: no %s in it: texts to embed stand there, in the columns id and text", name, textsFile)
	}
	if err != nil {
		return err
	}
	defer f.close()
	if err := checkSchema(f); err != nil {
		return err
	}
	ids, err := f.ids("id")
	if err != nil {
		return err
	}
	optional := func(column string) []string {
		values := make([]string, len(ids))
		if err == nil && f.has(column) {
			values, err = f.strings(column, true)
		}
		return values
	}
	roles, sources := optional("role"), optional("source")
	if err != nil {
		return err
	}
	return f.scalars("text", func(row int, _ parquet.Type, v parquet.Value) error {
		if v.IsNull() || v.Kind() != parquet.ByteArray {
			return f.errorf("row %d: text is not a text", row)
		}
		t := Text{ID: ids[row], Text: string(v.ByteArray()), Role: roles[row], Source: sources[row]}
		if id := NewID(t.Text); id != t.ID {
			return f.errorf("row %d: id is %s, but that of its text is %s: write the data set again", row, t.ID, id)
		}
		return visit(t)
	})
}

// ids reads a column of text ids.
func (f *parquetFile) ids(column string) (ids []ID, err error) {
	var bad error
	err = f.texts(column, false, func(row int, text string) {
		id, err := ParseID(text)
		if err != nil && bad == nil {
			bad = f.errorf("row %d: %s: %w", row, column, err)
		}
		ids = append(ids, id)
	})
	if err == nil {
		err = bad
	}
	return ids, err
}

// Texts visits the texts of the data set, each once, with its row of the table:
// the first, where it has two, and −1 where no pair has it. A wide file may have
// rows without a text.
func (d *Dataset) Texts(visit func(row int32, t Text) error) error {
	rows := make(map[string]int32, d.Vectors.Rows())
	for row, id := range d.Vectors.IDs {
		if _, ok := rows[id]; !ok {
			rows[id] = int32(row)
		}
	}
	return d.source(func(t Text) error {
		row, ok := rows[t.ID.String()]
		if !ok {
			row = -1
		}
		return visit(row, t)
	})
}

// sources returns the number of the document of each row of the table, or −1
// where none is known.
func (d *Dataset) sources() ([]int32, error) {
	out := slices.Repeat([]int32{-1}, d.Vectors.Rows())
	numbers := map[string]int32{}
	err := d.Texts(func(row int32, t Text) error {
		if row < 0 || t.Source == "" {
			return nil
		}
		n, ok := numbers[t.Source]
		if !ok {
			n = int32(len(numbers))
			numbers[t.Source] = n
		}
		out[row] = n
		return nil
	})
	for _, s := range d.sameTexts() {
		out[s[1]] = out[s[0]]
	}
	return out, err
}
