package loader

import "context"

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

// NoColumn stands for no column where one is optional, although the file has
// one of the default name.
const NoColumn = "-"

// DefaultColumns returns the names that empty ones stand for.
func DefaultColumns() Columns {
	return Columns{
		Left: "question_text_EMB", Right: "candidate_answers_EMB", Label: "label",
		LeftText: "question_text", RightText: "candidate_answers",
		Group: "group", Split: "split", Kind: "kind",
	}
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
		return f.missing(*name, " for "+what+" (choose one with "+flag+")")
	}
	optional := func(name *string, standard, flag string) error {
		if *name == "" {
			if f.has(standard) {
				*name = standard
			}
			return nil
		}
		if *name == NoColumn {
			*name = ""
			return nil
		}
		if f.has(*name) {
			return nil
		}
		return f.missing(*name, ", which "+flag+" names")
	}
	d := DefaultColumns()
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

// readWide reads a file with a row for each pair.
func readWide(ctx context.Context, f *parquetFile, opts Options) (*Dataset, error) {
	columns, err := opts.Columns.resolve(f)
	if err != nil {
		return nil, err
	}
	if err := f.notEmpty(); err != nil {
		return nil, err
	}
	d := &Dataset{Name: f.name, Vectors: &Table{}}
	if err := d.readLabels(f, columns.Label, opts.LabelRange); err != nil {
		return nil, err
	}
	b := tableBuilder{table: d.Vectors, rows: map[string]int32{}}
	if d.Pairs.Left, err = b.read(ctx, f, columns.Left, columns.LeftText); err != nil {
		return nil, err
	}
	b.other = columns.Left
	if d.Pairs.Right, err = b.read(ctx, f, columns.Right, columns.RightText); err != nil {
		return nil, err
	}
	if err := d.readGroups(f, columns.Group); err != nil {
		return nil, err
	}
	splitGiven, err := d.readSplitAndKind(f, nameColumn{columns.Split, "--split-column"}, nameColumn{columns.Kind, "--kind-column"})
	if err != nil {
		return nil, err
	}
	if err := d.finish(f.name, splitGiven); err != nil {
		return nil, err
	}
	return d, nil
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
	other string // the column that set the length of vectors
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
	var indices []int32
	err := f.vectors(column, func(row int, v []float32) error {
		if b.table.Dim == 0 {
			b.table.Dim = len(v)
		}
		if len(v) != b.table.Dim {
			return f.errorf("row %d: %s has %d values, %s has %d: both columns need the same length", row, column, len(v), b.other, b.table.Dim)
		}
		text := ""
		if texts != nil {
			text = texts[row]
		}
		indices = append(indices, b.add(v, text))
		return ctx.Err()
	})
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
