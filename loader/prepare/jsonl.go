package prepare

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"unicode/utf8"
)

// JSONLines reads a JSON object from each line. Texts may be lists of texts:
// each stands for a pair then.
type JSONLines struct{ Table }

// Read implements Source.
func (s *JSONLines) Read(ctx context.Context, d *Draft) error { return s.Table.read(ctx, d, s) }

// shownObjects is how many objects tell the keys of a file, since some may lack
// some.
const shownObjects = 100

var errEnough = errors.New("enough")

func (s *JSONLines) names(ctx context.Context, path string) ([]string, error) {
	return keysOf(path, func(visit visitObject) error { return eachLineObject(ctx, path, visit) })
}

func (s *JSONLines) each(ctx context.Context, path string, columns []string, visit visitRow) error {
	return eachLineObject(ctx, path, objectRows(columns, visit))
}

// visitObject takes an object, or says what is wrong where one should be.
type visitObject func(at Place, fields object, bad error) error

// keysOf returns the keys of the first objects of a file, sorted.
func keysOf(path string, each func(visitObject) error) ([]string, error) {
	known := map[string]bool{}
	n := 0
	var first error
	err := each(func(at Place, fields object, bad error) error {
		if bad != nil {
			if first == nil {
				first = fmt.Errorf("%s: %w", at, bad)
			}
			return nil
		}
		for key := range fields {
			known[key] = true
		}
		if n++; n == shownObjects {
			return errEnough
		}
		return nil
	})
	switch {
	case err != nil && !errors.Is(err, errEnough):
		return nil, err
	case n == 0 && first != nil:
		return nil, first
	case n == 0:
		return nil, fmt.Errorf("%s: no rows, want one for each pair", path)
	}
	return slices.Sorted(maps.Keys(known)), nil
}

// eachLineObject visits the objects on the lines of a file.
func eachLineObject(ctx context.Context, path string, visit visitObject) error {
	l, err := openLines(ctx, path)
	if err != nil {
		return err
	}
	defer l.close()
	for {
		line, err := l.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, errTooLong) {
			return err
		}
		if err == nil && len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var fields object
		if err == nil {
			fields, err = parseObject(line)
		}
		if err := visit(l.place(), fields, err); err != nil {
			return err
		}
	}
}

// An object has the values of its keys as they are written.
type object map[string]json.RawMessage

// parseObject reads a JSON object. encoding/json would put U+FFFD for what is
// not UTF-8.
func parseObject(text []byte) (fields object, err error) {
	if !utf8.Valid(text) {
		return nil, errEncoding
	}
	if text = bytes.TrimSpace(text); len(text) > 0 && text[0] != '{' {
		return nil, errors.New("not a JSON object")
	}
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, fmt.Errorf("not a JSON object: %w", err)
	}
	return fields, nil
}

// objectRows takes objects as rows of some columns.
func objectRows(columns []string, visit visitRow) visitObject {
	row := newTableRow(len(columns))
	return func(at Place, fields object, bad error) error {
		for i, column := range columns {
			if bad != nil {
				break
			}
			if row[i], bad = appendValues(row[i][:0], fields[column]); bad != nil {
				bad = fmt.Errorf("%s %w", column, bad)
			}
		}
		return visit(at, row, bad)
	}
}

// appendValues reads a text, a number or a truth value as a text, or a list of
// them. Nulls, missing and empty ones are none.
func appendValues(values []string, raw json.RawMessage) ([]string, error) {
	if len(raw) == 0 {
		return values, nil
	}
	switch raw[0] {
	case '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return values, err
		}
		if text != "" {
			values = append(values, text)
		}
		return values, nil
	case '[':
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return values, err
		}
		for _, element := range list {
			if len(element) > 0 && element[0] == '[' {
				return values, errors.New("is a list of lists, want texts")
			}
			var err error
			if values, err = appendValues(values, element); err != nil {
				return values, err
			}
		}
		return values, nil
	case '{':
		return values, errors.New("is an object, want a text, a number or a list of them")
	case 'n':
		return values, nil
	}
	return append(values, string(raw)), nil
}
