package prepare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// JSONArray reads a list of JSON objects, as pandas writes it with
// orient="records".
type JSONArray struct{ Table }

// Read implements Source.
func (s *JSONArray) Read(ctx context.Context, d *Draft) error { return s.Table.read(ctx, d, s) }

func (s *JSONArray) names(ctx context.Context, path string) ([]string, error) {
	return keysOf(path, func(visit visitObject) error { return eachElement(ctx, path, visit) })
}

func (s *JSONArray) each(ctx context.Context, path string, columns []string, visit visitRow) error {
	return eachElement(ctx, path, objectRows(columns, visit))
}

// eachElement visits the objects of a list.
func eachElement(ctx context.Context, path string, visit visitObject) error {
	j, err := openJSON(ctx, path)
	if err != nil {
		return err
	}
	defer j.close()
	if err := j.delim('['); err != nil {
		return err
	}
	for n := int64(1); j.more(); n++ {
		var raw json.RawMessage
		if err := j.decode(&raw); err != nil {
			return err
		}
		fields, bad := parseObject(raw)
		if err := visit(Place{File: path, Row: n, Unit: "element"}, fields, bad); err != nil {
			return err
		}
	}
	return j.delim(']')
}

// A jsonStream reads a JSON file in pieces: delimiters and keys by themselves,
// and values as large as the memory bears. Its errors name the file.
type jsonStream struct {
	in      *input
	decoder *json.Decoder
	left    int // bytes that may be read for the next piece
}

// jsonLimit bounds a piece: an article of SQuAD, a text.
const jsonLimit = 64 << 20

var errPiece = fmt.Errorf("a value is longer than %d MB", jsonLimit>>20)

func openJSON(ctx context.Context, path string) (*jsonStream, error) {
	in, err := openInput(ctx, path)
	if err != nil {
		return nil, err
	}
	j := &jsonStream{in: in}
	j.decoder = json.NewDecoder(j)
	return j, nil
}

func (j *jsonStream) close() { j.in.close() }

// Read counts what the decoder reads.
func (j *jsonStream) Read(b []byte) (int, error) {
	if j.left <= 0 {
		return 0, errPiece
	}
	n, err := j.in.Read(b[:min(len(b), j.left)])
	j.left -= n
	return n, err
}

// failed names the file and the place that an error is about.
func (j *jsonStream) failed(err error) error {
	at := j.decoder.InputOffset()
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF) && !j.in.packed():
		return fmt.Errorf("%s: the JSON ends too early: copy the file again", j.in.path)
	case errors.Is(err, errPiece):
		return fmt.Errorf("%s: after byte %d: %w", j.in.path, at, err)
	case errors.As(err, &syntax):
		return fmt.Errorf("%s: after byte %d: not JSON: %w", j.in.path, at, err)
	}
	return j.in.failed(err)
}

func (j *jsonStream) token() (json.Token, error) {
	j.left = jsonLimit
	t, err := j.decoder.Token()
	if err != nil {
		return nil, j.failed(err)
	}
	return t, nil
}

// delim reads a bracket or brace.
func (j *jsonStream) delim(want json.Delim) error {
	t, err := j.token()
	if err == nil && t != want {
		err = fmt.Errorf("%s: byte %d: found %v, want %v", j.in.path, j.decoder.InputOffset(), t, want)
	}
	return err
}

// more reports whether the list or object goes on. Errors show at the next
// piece.
func (j *jsonStream) more() bool {
	j.left = jsonLimit
	return j.decoder.More()
}

// key reads a key of an object.
func (j *jsonStream) key() (string, error) {
	t, err := j.token()
	key, _ := t.(string)
	return key, err
}

// decode reads a value. What is JSON but not of the right type is an error as
// well.
func (j *jsonStream) decode(to any) error {
	j.left = jsonLimit
	err := j.decoder.Decode(to)
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return fmt.Errorf("%s: before byte %d: %s is a %s, want another type", j.in.path, j.decoder.InputOffset(), kind.Field, kind.Value)
	}
	if err != nil {
		return j.failed(err)
	}
	return nil
}

// skip passes over a value, however long, without keeping it.
func (j *jsonStream) skip() error {
	for depth := 0; ; {
		t, err := j.token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}
