package prepare

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// CSV reads text with a row on each line and a comma, or another character,
// between fields (RFC 4180). A field may stand in quotation marks and then hold
// the character, ends of lines, and quotation marks, each twice.
type CSV struct {
	Table
	Comma    rune // between fields; 0 means that the first line tells
	NoHeader bool // there are no names: columns are called 1, 2, …
	NoQuotes bool // quotation marks are part of the texts

	guessed rune // from the first line of the last file
}

// Read implements Source.
func (s *CSV) Read(ctx context.Context, d *Draft) error {
	err := s.Table.read(ctx, d, s)
	if s.guessed != 0 && s.guessed != ',' {
		d.Notes = append(d.Notes, fmt.Sprintf("fields are separated by %s, as in the first line", map[rune]string{'\t': "tabs", ';': "semicolons", '|': "|"}[s.guessed]))
	}
	if lacks := (*lackingColumn)(nil); errors.As(err, &lacks) && !s.NoHeader {
		err = fmt.Errorf("%w, or say --no-header where the first line is a pair", err)
	}
	return err
}

// commas are the characters that can stand between fields, where it is not a tab.
func commas() []rune { return []rune{',', ';', '|'} }

// guessComma returns the character between the fields of a first line: a tab
// where it has one, since texts seldom do, else what it has most often outside of
// quotes, and 0 where it has none.
func guessComma(line string) rune {
	counts := map[rune]int{}
	quoted := false
	for _, r := range line {
		if r == '"' {
			quoted = !quoted
		} else if !quoted {
			counts[r]++
		}
	}
	if counts['\t'] > 0 {
		return '\t'
	}
	best := rune(0)
	for _, r := range commas() {
		if counts[r] > counts[best] {
			best = r
		}
	}
	return best
}

// comma is nil for 0.
func comma(r rune) []byte {
	if r == 0 {
		return nil
	}
	return utf8.AppendRune(nil, r)
}

// open returns the records of a file and what its columns are called; they
// stand after the header then.
func (s *CSV) open(ctx context.Context, path string) (*records, []string, error) {
	l, err := openLines(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	r := &records{lines: l, comma: comma(s.Comma), quotes: !s.NoQuotes}
	names, err := s.header(r)
	if err != nil {
		l.close()
		return nil, nil, err
	}
	return r, names, nil
}

func (s *CSV) header(r *records) ([]string, error) {
	path := r.lines.in.path
	if r.comma == nil {
		head, err := r.lines.in.Peek(r.lines.in.Size())
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, r.lines.in.failed(err)
		}
		first, _, _ := strings.Cut(string(head), "\n")
		s.guessed = guessComma(first)
		if r.comma = comma(s.guessed); r.comma == nil {
			return nil, fmt.Errorf("%s: its first line has no comma, tab, semicolon or |: say what stands between the fields with --delimiter", path)
		}
	}
	fields, err := r.next()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: no rows, want one for each pair", path)
	}
	var bad *badRow
	if errors.As(err, &bad) {
		return nil, fmt.Errorf("%s: %w", r.place(), err)
	}
	if err != nil {
		return nil, err
	}
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = strings.TrimSpace(f)
		if s.NoHeader {
			names[i] = strconv.Itoa(i + 1)
		}
	}
	if s.NoHeader {
		r.again = true
	}
	return names, nil
}

func (s *CSV) names(ctx context.Context, path string) ([]string, error) {
	r, names, err := s.open(ctx, path)
	if err != nil {
		return nil, err
	}
	r.lines.close()
	return names, nil
}

func (s *CSV) each(ctx context.Context, path string, columns []string, visit visitRow) error {
	r, names, err := s.open(ctx, path)
	if err != nil {
		return err
	}
	defer r.lines.close()
	row := newTableRow(len(columns))
	at, last, err := positions(names, columns)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for {
		fields, err := r.next()
		if isEnd(err) {
			return nil
		}
		var bad *badRow
		switch {
		case errors.As(err, &bad):
		case err != nil:
			return err
		case s.NoHeader && len(fields) <= last:
			err = &badRow{fmt.Errorf("%d fields, want at least %d", len(fields), last+1)}
		case !s.NoHeader && len(fields) != len(names):
			err = &badRow{fmt.Errorf("%d fields, the header has %d", len(fields), len(names))}
		default:
			for i, position := range at {
				row.set(i, fields[position])
			}
		}
		if err := visit(r.place(), row, err); err != nil {
			return err
		}
	}
}

// positions finds columns, and the last of them.
func positions(names, columns []string) (at []int, last int, err error) {
	for _, column := range columns {
		position := -1
		for i, name := range names {
			if name == column && position >= 0 {
				return nil, 0, fmt.Errorf("two columns are called %q: rename one", column)
			}
			if name == column {
				position = i
			}
		}
		at, last = append(at, position), max(last, position)
	}
	return at, last, nil
}

func isEnd(err error) bool { return errors.Is(err, io.EOF) }

// A badRow is what is wrong with a row that others may follow.
type badRow struct{ error }

func (b *badRow) Unwrap() error { return b.error }

// records reads CSV. Unlike encoding/csv it bounds a record, and goes on after
// one that is no good.
type records struct {
	lines  *lines
	comma  []byte
	quotes bool
	first  int64    // line of the record that next returned last
	fields []string // of that record
	again  bool     // next returns it once more
	text   strings.Builder
	ends   []int // of the fields in text
}

// place is where the record begins that next returned last.
func (r *records) place() Place { return Line(r.lines.in.path, r.first) }

// next returns the fields of the next record that is not an empty line, valid
// until the next call. A *badRow is an error of this record alone; io.EOF comes
// after the last.
func (r *records) next() ([]string, error) {
	if r.again {
		r.again = false
		return r.fields, nil
	}
	for {
		line, err := r.lines.next()
		r.first = r.lines.number
		if errors.Is(err, errTooLong) {
			return nil, &badRow{err}
		}
		if err != nil {
			return nil, err
		}
		if len(withoutEnd(line)) == 0 {
			continue
		}
		r.text.Reset()
		r.ends = r.ends[:0]
		if err := r.record(line); err != nil {
			return nil, err
		}
		all := r.text.String()
		if !utf8.ValidString(all) {
			return nil, &badRow{errEncoding}
		}
		r.fields = r.fields[:0]
		start := 0
		for _, end := range r.ends {
			r.fields = append(r.fields, all[start:end])
			start = end
		}
		return r.fields, nil
	}
}

// record splits a record that begins on a line, and reads the lines that it
// goes on over.
func (r *records) record(line []byte) (err error) {
	for more := true; more; {
		if r.quotes && len(line) > 0 && line[0] == '"' {
			if line, err = r.quoted(line[1:]); err != nil {
				return err
			}
		} else {
			line = r.plain(line)
		}
		r.ends = append(r.ends, r.text.Len())
		if more = len(withoutEnd(line)) > 0; more { // at a comma
			line = line[len(r.comma):]
		}
	}
	return nil
}

// plain reads a field without quotes, up to a comma or the end of the line.
func (r *records) plain(line []byte) (rest []byte) {
	end := bytes.Index(line, r.comma)
	if end < 0 {
		end = len(withoutEnd(line))
	}
	r.text.Write(line[:end])
	return line[end:]
}

// quoted reads a field after its first quotation mark.
func (r *records) quoted(line []byte) (rest []byte, err error) {
	begun := r.lines.number
	for {
		mark := bytes.IndexByte(line, '"')
		if mark < 0 { // it goes on in the next line
			r.text.Write(line)
			line, err = r.lines.next()
			if errors.Is(err, io.EOF) || errors.Is(err, errTooLong) || r.text.Len() > lineLimit {
				return nil, fmt.Errorf("%s: the quotation mark before a field has no partner: mend it, or take quotation marks as text with --quotes none", Line(r.lines.in.path, begun))
			}
			if err != nil {
				return nil, err
			}
			continue
		}
		r.text.Write(line[:mark])
		switch line = line[mark+1:]; {
		case len(line) > 0 && line[0] == '"':
			r.text.WriteByte('"')
			line = line[1:]
		case len(withoutEnd(line)) == 0, bytes.HasPrefix(line, r.comma):
			return line, nil
		default:
			return nil, &badRow{errors.New("text follows the quotation mark that ends a field: write one within a field twice, or take quotation marks as text with --quotes none")}
		}
	}
}
