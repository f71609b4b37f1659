package prepare

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cosfit/cosfit/loader"
)

// A Table is what sources with a row for each pair, triplet or labelled text
// have in common.
type Table struct {
	Files   []File
	Columns Columns
	Scale   Scale
	Classes Classes // how pairs of labelled texts are drawn
}

// A rowFormat reads the rows of a kind of file.
type rowFormat interface {
	// names are what the columns of a file are called.
	names(ctx context.Context, path string) ([]string, error)
	// each visits the rows of a file with some columns.
	each(ctx context.Context, path string, columns []string, visit visitRow) error
}

// visitRow takes a row, valid during the call, or says what is wrong with it.
type visitRow func(at Place, row tableRow, bad error) error

// A tableRow has the values of each column: one, none where there is none, or
// several where JSON has a list.
type tableRow [][]string

func newTableRow(columns int) tableRow {
	values := make([]string, columns)
	row := make(tableRow, columns)
	for i := range row {
		row[i] = values[i : i : i+1]
	}
	return row
}

// set gives a column one value, or none where it is empty.
func (r tableRow) set(column int, value string) {
	r[column] = r[column][:0]
	if value != "" {
		r[column] = append(r[column], value)
	}
}

// text is the first value of a column, or "" where there is none, or no column.
func (r tableRow) text(column int) string {
	if column == none || len(r[column]) == 0 {
		return ""
	}
	return r[column][0]
}

// read reads all files.
func (t *Table) read(ctx context.Context, d *Draft, format rowFormat) error {
	d.LabelRange = t.Scale.String()
	classes := newClassDraft(t.Classes, d)
	for i, file := range t.Files {
		names, err := format.names(ctx, file.Path)
		if err != nil {
			return err
		}
		roles, err := t.Columns.resolve(names)
		if err != nil {
			return fmt.Errorf("%s: %w", file.Path, err)
		}
		if roles.class != none && t.Scale.given() {
			return fmt.Errorf("%s: classes have no scores: leave --score-range out, or name other columns than %s and %s", file.Path, roles.columns[roles.text], roles.columns[roles.class])
		}
		if i == 0 {
			d.Columns = roles.uses
		}
		r := rowReader{draft: d, file: file, roles: roles, scale: t.Scale, classes: classes}
		if err := format.each(ctx, file.Path, roles.columns, r.visit); err != nil {
			return err
		}
	}
	if err := classes.draw(); err != nil {
		return fmt.Errorf("%s: %w", t.Files[0].Path, err)
	}
	return nil
}

// A rowReader makes pairs of the rows of a file.
type rowReader struct {
	draft   *Draft
	file    File
	roles   roles
	scale   Scale
	classes *classDraft
}

func (r *rowReader) visit(at Place, row tableRow, bad error) error {
	r.draft.Tally.Rows++
	if bad == nil {
		bad = r.check(row)
	}
	if bad != nil {
		return r.draft.Reject(at, bad)
	}
	split := parseSplit(row.text(r.roles.split))
	if split == "" {
		split = r.file.Split
	}
	if r.roles.class != none {
		return r.classes.add(at, row.text(r.roles.text), row.text(r.roles.class), split)
	}
	p := Pair{Group: row.text(r.roles.group), Split: split, Source: row.text(r.roles.source), Left: row.text(r.roles.left)}
	label, kind, err := r.label(row)
	if err != nil {
		return r.draft.Reject(at, err)
	}
	p.Label, p.Kind = label, kind
	return r.add(at, p, row)
}

// check says what is wrong with a row in itself.
func (r *rowReader) check(row tableRow) error {
	for i, values := range row {
		if len(values) > 1 && i != r.roles.right && !slices.Contains(r.roles.negatives, i) {
			return fmt.Errorf("%s is a list, want one value", r.roles.columns[i])
		}
	}
	if split := row.text(r.roles.split); split != "" && r.file.Split != "" && parseSplit(split) != r.file.Split {
		return fmt.Errorf("%s is %q in the file of the split %s: leave the column out with --split-column -", r.roles.columns[r.roles.split], split, r.file.Split)
	}
	return nil
}

// label reads the label and the kind of the row's pair.
func (r *rowReader) label(row tableRow) (label float64, kind loader.Kind, err error) {
	label, kind = r.scale.high(), loader.Positive
	if r.roles.label != none {
		kind = loader.Given
		if label, err = r.scale.parse(row.text(r.roles.label)); err != nil {
			return 0, 0, err
		}
	}
	if name := row.text(r.roles.kind); name != "" {
		var ok bool
		if kind, ok = loader.ParseKind(name); !ok {
			return 0, 0, fmt.Errorf("the kind is %q, want one of %s, or leave the column out with --kind-column -", name, strings.Join(loader.KindNames(), ", "))
		}
	}
	return label, kind, nil
}

// add adds a row's pairs: with its right texts, then with its negatives. It ends
// at the first that is bad, so that a row is bad once.
func (r *rowReader) add(at Place, p Pair, row tableRow) error {
	bad := r.draft.Tally.Bad
	right := row[r.roles.right]
	if len(right) == 0 {
		right = []string{""} // which says that it is empty
	}
	for _, p.Right = range right {
		if err := r.draft.Add(at, p); err != nil || r.draft.Tally.Bad > bad {
			return err
		}
	}
	p.Label, p.Source = r.scale.low(), ""
	for _, column := range r.roles.negatives {
		p.Kind = loader.Given
		if isHard(r.roles.columns[column]) {
			p.Kind = loader.Hard
		}
		for _, p.Right = range row[column] {
			if err := r.draft.Add(at, p); err != nil || r.draft.Tally.Bad > bad {
				return err
			}
		}
	}
	return nil
}

// parseSplit knows what other data sets call the splits. What it does not know
// it returns as it is.
func parseSplit(name string) string {
	if split, ok := loader.SplitCalled(name); ok {
		return split.String()
	}
	return name
}
