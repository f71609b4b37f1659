package loader

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/parquet-go/parquet-go"
)

const textsFile = "texts.parquet"

// A Text is a row of a data set's texts.parquet.
type Text struct {
	ID   ID
	Text string
	Role string // query or passage, or "" where the data set does not say
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
	var roles []string
	if f.has("role") {
		if roles, err = f.strings("role", true); err != nil {
			return err
		}
	}
	return f.scalars("text", func(row int, _ parquet.Type, v parquet.Value) error {
		if v.IsNull() || v.Kind() != parquet.ByteArray {
			return f.errorf("row %d: text is not a text", row)
		}
		t := Text{ID: ids[row], Text: string(v.ByteArray())}
		if id := NewID(t.Text); id != t.ID {
			return f.errorf("row %d: id is %s, but that of its text is %s: write the data set again", row, t.ID, id)
		}
		if roles != nil {
			t.Role = roles[row]
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
