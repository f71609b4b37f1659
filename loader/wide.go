package loader

import (
	"context"
	"fmt"
	"strings"
)

// Columns names the columns of a wide file. An empty name stands for the
// default; the columns after Label are optional, and a default one that the
// file lacks is left out.
type Columns struct {
	Left      string // vectors of the left texts; default question_text_EMB
	Right     string // vectors of the right texts; default candidate_answers_EMB
	Label     string // default label
	LeftText  string // default question_text
	RightText string // default candidate_answers
	Group     string // default group; without it a group is one left text
	Split     string // default split; without it a split is drawn
	Kind      string // default kind
}

// DefaultColumns are the names that stand for empty ones.
var DefaultColumns = Columns{
	Left: "question_text_EMB", Right: "candidate_answers_EMB", Label: "label",
	LeftText: "question_text", RightText: "candidate_answers",
	Group: "group", Split: "split", Kind: "kind",
}

// resolve fills in defaults against the columns that the file has.
func (c Columns) resolve(f *parquetFile) (Columns, error) {
	required := func(name *string, standard, what, flag string) error {
		if *name == "" {
			*name = standard
		}
		if f.has(*name) {
			return nil
		}
		_, err := f.leaf(*name)
		return fmt.Errorf("%w (%s: name it with %s)", err, what, flag)
	}
	optional := func(name *string, standard, flag string) error {
		if *name == "" {
			if f.has(standard) {
				*name = standard
			}
			return nil
		}
		if _, err := f.leaf(*name); err != nil {
			return fmt.Errorf("%w (named by %s)", err, flag)
		}
		return nil
	}
	d := DefaultColumns
	for _, err := range []error{
		required(&c.Left, d.Left, "the left vectors", "--left-column"),
		required(&c.Right, d.Right, "the right vectors", "--right-column"),
		required(&c.Label, d.Label, "the labels", "--label-column"),
		optional(&c.LeftText, d.LeftText, "--left-text-column"),
		optional(&c.RightText, d.RightText, "--right-text-column"),
		optional(&c.Group, d.Group, "--group-column"),
		optional(&c.Split, d.Split, "--split-column"),
		optional(&c.Kind, d.Kind, "--kind-column"),
	} {
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

// openWide reads a file with a row for each pair.
func openWide(ctx context.Context, fsys named, name string, columns Columns) (*Dataset, error) {
	f, err := fsys.open(name)
	if err != nil {
		return nil, err
	}
	defer f.close()
	if columns, err = columns.resolve(f); err != nil {
		return nil, err
	}
	d := &Dataset{Name: f.name, Vectors: &Table{}}
	if err := d.readLabels(f, columns.Label); err != nil {
		return nil, err
	}
	b := tableBuilder{table: d.Vectors, rows: map[string]int32{}}
	if d.Pairs.Left, err = b.read(ctx, f, columns.Left, columns.LeftText); err != nil {
		return nil, err
	}
	if d.Pairs.Right, err = b.read(ctx, f, columns.Right, columns.RightText); err != nil {
		return nil, err
	}
	if err := d.readGroups(f, columns.Group); err != nil {
		return nil, err
	}
	splitGiven, err := d.readSplitAndKind(f, columns.Split, columns.Kind)
	if err != nil {
		return nil, err
	}
	return d, d.finish(splitGiven)
}

func (d *Dataset) readGroups(f *parquetFile, column string) error {
	if column != "" {
		names, err := f.strings(column, false)
		if err != nil {
			return err
		}
		d.Pairs.setGroups(names)
		return nil
	}
	names := make([]string, len(d.Pairs.Left))
	for i, left := range d.Pairs.Left {
		names[i] = d.Vectors.IDs[left]
	}
	d.Pairs.setGroups(names)
	return nil
}

// A tableBuilder collects the unique vectors of a wide file. Two rows are the
// same when both text and vector are equal.
type tableBuilder struct {
	table *Table
	rows  map[string]int32
}

// read adds the vectors of one column and returns the table row of each.
func (b *tableBuilder) read(ctx context.Context, f *parquetFile, column, textColumn string) ([]int32, error) {
	var texts []string
	if textColumn != "" {
		var err error
		if texts, err = f.strings(textColumn, true); err != nil {
			return nil, err
		}
	}
	indices := make([]int32, 0, f.NumRows())
	err := f.vectors(column, b.table.Dim, func(row int, v []float32) error {
		b.table.Dim = len(v)
		text := ""
		if texts != nil {
			text = texts[row]
		}
		indices = append(indices, b.add(v, text))
		return ctx.Err()
	})
	if err == nil && len(indices) != int(f.NumRows()) {
		err = f.errorf("column %q has %d vectors in %d rows", column, len(indices), f.NumRows())
	}
	if err != nil && b.table.Rows() > 0 && len(indices) == 0 && strings.Contains(err.Error(), "values, want") {
		err = fmt.Errorf("%w: both vector columns must have the same length", err)
	}
	return indices, err
}

func (b *tableBuilder) add(v []float32, text string) int32 {
	key := vectorID(v)
	id := key
	if text != "" {
		id = TextID(text)
		key += id
	}
	if row, ok := b.rows[key]; ok {
		return row
	}
	row := int32(b.table.Rows())
	b.rows[key] = row
	b.table.IDs = append(b.table.IDs, id)
	b.table.Text = append(b.table.Text, text)
	b.table.Data = append(b.table.Data, v...)
	return row
}
