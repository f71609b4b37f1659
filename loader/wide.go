package loader

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
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

func (c Columns) names() []string {
	return []string{c.Left, c.Right, c.Label, c.LeftText, c.RightText, c.Group, c.Split, c.Kind}
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
	d := &Dataset{Name: f.name, Vectors: &Table{}, Memory: opts.Memory}
	if err := d.readWide(ctx, f, columns, opts); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// space is whose vectors a wide file says it has; it is zero where it does not.
func (f *parquetFile) space() (m Manifest, err error) {
	if text, ok := f.Lookup(WideSpaceKey); ok {
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			return Manifest{}, f.errorf("its metadata %s are not valid JSON: %w", WideSpaceKey, err)
		}
	}
	return m, nil
}

func (d *Dataset) readWide(ctx context.Context, f *parquetFile, columns Columns, opts Options) error {
	if err := d.readLabels(f, columns.Label, opts.LabelRange); err != nil {
		return err
	}
	d.source, d.textless = columns.texts(f.name), columns.LeftText == "" || columns.RightText == ""
	space, err := f.space()
	if err != nil {
		return err
	}
	d.Space, d.Model = space, space.Model
	read := d.readBothSides
	if opts.PairsOnly && columns.LeftText != "" && columns.RightText != "" {
		read = d.readBothTexts
	}
	if err := read(ctx, f, columns, opts); err != nil {
		return err
	}
	if err := d.readGroups(f, columns.Group); err != nil {
		return err
	}
	splitGiven, err := d.readSplitAndKind(f, nameColumn{columns.Split, "--split-column"}, nameColumn{columns.Kind, "--kind-column"})
	if err != nil {
		return err
	}
	d.Pairs.apart = true
	return d.finish(f.name, splitGiven, opts, d.sources)
}

func (d *Dataset) readBothSides(ctx context.Context, f *parquetFile, columns Columns, opts Options) (err error) {
	b := tableBuilder{store: newVectorStore(d.Vectors, opts), rows: map[digest]int32{}}
	if opts.UnequalSides {
		left, err := f.vectorLength(columns.Left)
		if err != nil {
			return err
		}
		right, err := f.vectorLength(columns.Right)
		if err != nil {
			return err
		}
		d.Vectors.setDims(left, right)
	}
	if d.Pairs.Left, err = b.read(ctx, f, columns.Left, columns.LeftText); err != nil {
		return err
	}
	b.other = columns.Left
	if d.Pairs.Right, err = b.read(ctx, f, columns.Right, columns.RightText); err != nil {
		return err
	}
	return b.store.finish()
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
// same when both text and vector are equal, or when a text comes again in a
// column.
type tableBuilder struct {
	store *vectorStore
	rows  map[digest]int32
	other string // the column that set the length of vectors
}

// read adds the vectors of one column and returns the table row of each.
func (b *tableBuilder) read(ctx context.Context, f *parquetFile, column, textColumn string) ([]int32, error) {
	side := sideReader{tableBuilder: b, file: f, column: column, texts: map[string]int32{}, rows: make([]int32, 0, f.NumRows())}
	if textColumn != "" {
		var err error
		if side.ids, err = f.textIDs(textColumn); err != nil {
			return nil, err
		}
	}
	err := f.vectors(column, func(row int, v []float32) error {
		if err := side.add(row, v); err != nil {
			return err
		}
		if row == 0 {
			b.store.expect(int(f.NumRows())-1, f)
		}
		return ctx.Err()
	})
	return side.rows, err
}

// A sideReader reads one column of vectors. The two may be embedded
// differently, so only within a column must a text have one vector.
type sideReader struct {
	*tableBuilder
	file   *parquetFile
	column string
	ids    []string         // of the texts, "" where unknown; nil where there is no column of texts
	texts  map[string]int32 // row of the table of each id so far
	rows   []int32          // row of the table of each row of the file so far
}

func (s *sideReader) add(row int, v []float32) error {
	t := s.store.table
	if t.Dim == 0 {
		t.Dim = len(v)
	}
	if len(v) != t.Dim && t.Sides == [2]int{} {
		return s.file.errorf("row %d: %s has %d values, %s has %d: both columns need the same length, but for cosfit train --side query", row, s.column, len(v), s.other, t.Dim)
	}
	id := ""
	if s.ids != nil {
		id = s.ids[row]
	}
	key := digestOf(v, id)
	at, known := s.tableBuilder.rows[key]
	if !known && id != "" {
		if at, known = s.texts[id]; known {
			if err := s.store.sameModel(int(at), v, s.file, row, s.column); err != nil {
				return err
			}
		}
	}
	if !known {
		at = int32(t.Rows())
		if err := s.store.put(int(at), v); err != nil {
			return err
		}
		s.tableBuilder.rows[key] = at
		t.IDs = append(t.IDs, cmp.Or(id, key.String()))
	}
	if id != "" {
		s.texts[id] = at
	}
	s.rows = append(s.rows, at)
	return nil
}

// textIDs reads a column of texts as their ids, "" where there is none.
func (f *parquetFile) textIDs(column string) ([]string, error) {
	ids := make([]string, 0, f.NumRows())
	err := f.texts(column, true, func(_ int, text string) {
		id := ""
		if text != "" {
			id = TextID(text)
		}
		ids = append(ids, id)
	})
	return ids, err
}

// readBothTexts numbers the texts instead of the vectors. A row without a text
// has one of its own.
func (d *Dataset) readBothTexts(_ context.Context, f *parquetFile, columns Columns, _ Options) error {
	var sides [2][]string
	for i, column := range []string{columns.LeftText, columns.RightText} {
		ids, err := f.textIDs(column)
		if err != nil {
			return err
		}
		for row, id := range ids {
			ids[row] = cmp.Or(id, fmt.Sprintf("row %d of %s", row, column))
		}
		sides[i] = ids
	}
	d.index(sides[0], sides[1], false)
	return nil
}

// texts returns what visits the texts of a wide file of that name, each once:
// the left ones, then those that are only on the right.
func (c Columns) texts(name string) func(func(Text) error) error {
	return func(visit func(Text) error) error {
		f, err := openParquetPath(name)
		if err != nil {
			return err
		}
		defer f.close()
		seen := map[ID]bool{}
		for side, column := range []string{c.LeftText, c.RightText} {
			if column == "" {
				continue
			}
			var sources []string
			if source := sourceColumns[side]; f.has(source) {
				if sources, err = f.strings(source, true); err != nil {
					return err
				}
			}
			var stopped error
			err := f.texts(column, true, func(row int, text string) {
				id := NewID(text)
				if text == "" || stopped != nil || seen[id] {
					return
				}
				seen[id] = true
				t := Text{ID: id, Text: text, Role: [...]string{"query", "passage"}[side]}
				if sources != nil {
					t.Source = sources[row]
				}
				stopped = visit(t)
			})
			if err := cmp.Or(err, stopped); err != nil {
				return err
			}
		}
		return nil
	}
}

// WideSpaceKey is the metadata of a wide file that say whose vectors it has: a
// Manifest in JSON.
const WideSpaceKey = segmentSpaceKey

// sourceColumns have the documents of the left and of the right text, where a
// wide file was made of a folder that knows them.
var sourceColumns = [2]string{"question_text_source", "candidate_answers_source"}
