package loader

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
)

// How files are read where whatever is wrong is to be counted.

// folder looks at the files of a data set folder.
func (c *checker) folder(ctx context.Context, fsys named) error {
	f, err := fsys.open(pairsFile)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s: no %s in it: give a data set folder or one wide Parquet file", fsys.root, pairsFile)
	}
	if err != nil {
		return err
	}
	defer f.close()
	if err := checkSchema(f); err != nil {
		return err
	}
	if err := f.notEmpty(); err != nil {
		return err
	}
	wanted := map[string]bool{} // ids of pairs
	for _, side := range []string{"left", "right"} {
		err := f.scalars(side, func(row int, _ parquet.Type, v parquet.Value) error {
			if v.IsNull() {
				c.add("null_id", true, "pairs without a text id on one side", at(row))
				return nil
			}
			wanted[valueText(v)] = true
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	if err := c.labels(f, "label"); err != nil {
		return err
	}
	if err := c.names(f, "group", "split", "kind"); err != nil {
		return err
	}
	own, err := ownEmbeddings(fsys)
	if err != nil {
		return err
	}
	c.hasVectors = len(own) > 0
	if err := c.texts(ctx, fsys, wanted); err != nil {
		return err
	}
	for _, name := range own {
		if c.opts.Embeddings == "" || c.opts.Embeddings == name {
			if err := c.vectorFolder(ctx, fsys, path.Join(embeddingsDir, name), wanted); err != nil {
				return err
			}
		}
	}
	if len(own) > 1 && c.opts.Embeddings == "" { // any of them will do for the rest
		c.opts.Embeddings = own[0]
	}
	return nil
}

// valueText is a value as f.texts reads it.
func valueText(v parquet.Value) string {
	if v.Kind() == parquet.ByteArray || v.Kind() == parquet.FixedLenByteArray {
		return string(v.ByteArray())
	}
	return v.String()
}

// labels looks for labels that are none, or outside of their scale.
func (c *checker) labels(f *parquetFile, column string) error {
	given := c.opts.LabelRange
	if given == "" {
		given, _ = f.Lookup("label_range")
	}
	lowest, highest := ends(given)
	var labels []float32
	err := f.scalars(column, func(row int, t parquet.Type, v parquet.Value) error {
		x, ok := labelOf(t, v, lowest, highest)
		if !ok || v.IsNull() || math.IsNaN(x) || math.IsInf(x, 0) {
			c.add("no_label", true, "labels that are no numbers", at(row))
			x = math.NaN()
		}
		labels = append(labels, float32(x))
		return nil
	})
	if err != nil {
		return err
	}
	low, high, ok := ParseRange(given)
	if given != "" && !ok {
		return f.errorf("the label range is %q, want two numbers, the lower one first, such as 0..5", given)
	}
	if given == "" {
		low, high = 0, 1
		if slices.ContainsFunc(labels, func(l float32) bool { return l < 0 }) {
			low = -1
		}
	}
	for row, l := range labels {
		if l < low || l > high {
			c.add("label_outside", true, fmt.Sprintf("labels outside of their scale %g..%g, which --label-range sets", low, high), fmt.Sprintf("%g in row %d", l, row))
		}
	}
	return nil
}

// names looks for groups, splits and kinds that are none. A column may be
// missing.
func (c *checker) names(f *parquetFile, group, split, kind string) error {
	for _, column := range []struct {
		name  string
		known func(string) bool
		what  string
	}{
		{group, nil, "groups that are null"},
		{split, func(name string) bool { _, ok := SplitCalled(name); return ok }, "splits that are none of " + strings.Join(SplitNames(), ", ")},
		{kind, func(name string) bool { _, ok := ParseKind(name); return ok }, "kinds that are none of " + strings.Join(kindNames[:], ", ")},
	} {
		if column.name == "" || !f.has(column.name) {
			continue
		}
		err := f.scalars(column.name, func(row int, _ parquet.Type, v parquet.Value) error {
			if v.IsNull() || column.known != nil && !column.known(valueText(v)) {
				example := at(row)
				if !v.IsNull() {
					example = fmt.Sprintf("%.40q in row %d", valueText(v), row)
				}
				c.add("unknown_"+column.name, true, column.what, example)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// texts looks at texts.parquet, in which the pairs' texts should be.
func (c *checker) texts(ctx context.Context, fsys named, wanted map[string]bool) error {
	f, err := fsys.open(textsFile)
	if errors.Is(err, fs.ErrNotExist) {
		c.whole("no_texts", !c.hasVectors, 1, fmt.Sprintf("there is no %s, so that the texts can be neither embedded nor shown", textsFile))
		return nil
	}
	if err != nil {
		return err
	}
	defer f.close()
	if err := checkSchema(f); err != nil {
		return err
	}
	var ids []string
	known := map[string]bool{}
	err = f.scalars("id", func(row int, _ parquet.Type, v parquet.Value) error {
		id := valueText(v)
		if known[id] {
			c.add("repeated_text", false, "texts that come again in "+textsFile, at(row))
		}
		ids = append(ids, id)
		known[id] = true
		return nil
	})
	if err != nil {
		return err
	}
	err = f.scalars("text", func(row int, _ parquet.Type, v parquet.Value) error {
		text := valueText(v)
		switch {
		case v.IsNull() || strings.TrimSpace(text) == "":
			c.add("empty_text", true, "empty texts in "+textsFile, at(row))
		case !utf8.ValidString(text):
			c.add("not_utf8", true, "texts that are not UTF-8 in "+textsFile, at(row))
		case TextID(text) != ids[row]:
			c.add("id_not_of_text", true, "ids that are not those of their texts in "+textsFile, at(row))
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	for _, id := range sortedMissing(wanted, known) {
		c.add("unknown_text", true, "texts of pairs that are not in "+textsFile, id)
	}
	return nil
}

// sortedMissing lists what is wanted and not known.
func sortedMissing(wanted, known map[string]bool) (missing []string) {
	for id := range wanted {
		if !known[id] {
			missing = append(missing, id)
		}
	}
	slices.Sort(missing)
	return missing
}

// vectorFolder looks at the vectors of one model.
func (c *checker) vectorFolder(ctx context.Context, fsys named, folder string, wanted map[string]bool) error {
	shown := fsys.path(path.Join(folder, ManifestFile))
	m, err := readManifest(fsys.FS, path.Join(folder, ManifestFile), shown)
	if err != nil {
		return err
	}
	entries, err := fs.ReadDir(fsys, folder)
	if err != nil {
		return fmt.Errorf("open %s: %w", fsys.path(folder), withoutPath(err))
	}
	found := map[string]bool{}
	for _, e := range entries {
		if path.Ext(e.Name()) != ".parquet" {
			continue
		}
		if err := c.segment(ctx, fsys, path.Join(folder, e.Name()), m.Dimensions, found); err != nil {
			return err
		}
	}
	for _, id := range sortedMissing(wanted, found) {
		c.add("no_vector", true, "texts of pairs without a vector in "+folder, id)
	}
	return nil
}

func (c *checker) segment(ctx context.Context, fsys named, name string, dim int, found map[string]bool) error {
	f, err := fsys.open(name)
	if err != nil {
		return err
	}
	defer f.close()
	if err := checkSchema(f); err != nil {
		return err
	}
	ids, err := f.strings("id", true)
	if err != nil {
		return err
	}
	for _, id := range ids {
		found[id] = true
	}
	return c.vectors(ctx, f, "embedding", &dim, name)
}

// vectors looks at a column of vectors, which should have dim numbers, or as many
// as the first where that is 0.
func (c *checker) vectors(ctx context.Context, f *parquetFile, column string, dim *int, where string) error {
	visit := func(row int, v []float32) error {
		if *dim == 0 {
			*dim = len(v)
		}
		switch {
		case len(v) == 0:
			c.add("null_vector", true, "vectors that are null or empty in "+where, at(row))
		case len(v) != *dim:
			c.add("vector_length", true, fmt.Sprintf("vectors of another length than %d in %s", *dim, where), fmt.Sprintf("%d in row %d", len(v), row))
		case checkFinite(v) != nil:
			c.add("vector_not_finite", true, "vectors with a number that is NaN or infinite in "+where, at(row))
		case checkVector(v) != nil:
			c.add("vector_zero", true, "vectors that are all zeros, which has no direction, in "+where, at(row))
		}
		return ctx.Err()
	}
	return f.read(column, func(leaf *parquet.Column) error {
		r := vectorReader{file: f, column: column, leaf: leaf, visit: visit, nulls: true}
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

// wide looks at a wide file.
func (c *checker) wide(ctx context.Context, f *parquetFile) error {
	columns, err := c.opts.Columns.resolve(f)
	if err != nil {
		return err
	}
	if err := f.notEmpty(); err != nil {
		return err
	}
	c.hasVectors = true
	if err := c.labels(f, columns.Label); err != nil {
		return err
	}
	if err := c.names(f, columns.Group, columns.Split, columns.Kind); err != nil {
		return err
	}
	for _, column := range []string{columns.LeftText, columns.RightText} {
		if column == "" {
			continue
		}
		err := f.scalars(column, func(row int, _ parquet.Type, v parquet.Value) error {
			switch text := valueText(v); {
			case v.IsNull() || strings.TrimSpace(text) == "":
				c.add("empty_text", false, "empty texts in the column "+column+", which are told apart by their vectors", at(row))
			case !utf8.ValidString(text):
				c.add("not_utf8", false, "texts that are not UTF-8 in the column "+column, at(row))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	dim := 0
	for _, column := range []string{columns.Left, columns.Right} {
		if err := c.vectors(ctx, f, column, &dim, "the column "+column); err != nil {
			return err
		}
	}
	return nil
}
