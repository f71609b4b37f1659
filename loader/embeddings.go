package loader

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/cosfit/cosfit/internal/npy"
)

// An EmbeddingSource is a file of texts, or of their ids, with their vectors.
type EmbeddingSource struct {
	// File is Parquet, npy [n, d], or JSON lines, told by its content.
	File string
	// Text, ID and Vector name the columns of Parquet and the keys of JSON lines.
	// Where Text and ID are empty, "text" is taken, or else "id"; where Vector is
	// empty, "embedding".
	Text, ID, Vector string
	// Texts and IDs name the file that says what the rows of npy belong to: a
	// text on each line, as it is or as a JSON string, or an id.
	Texts, IDs string
}

const (
	defaultText   = "text"
	defaultID     = "id"
	defaultVector = "embedding"
)

// Read visits the rows. The vector is valid during the call. All vectors have
// the same length, hold finite numbers and are not all zeros. An error of visit
// ends it.
func (s EmbeddingSource) Read(visit func(ID, []float32) error) error {
	start, err := beginning(s.File)
	if err != nil {
		return fmt.Errorf("open %s: %w", s.File, withoutPath(err))
	}
	if s.Vector == "" {
		s.Vector = defaultVector
	}
	start = strings.TrimPrefix(start, byteOrderMark)
	isNPY := strings.HasPrefix(start, npy.Magic)
	switch {
	case !isNPY && s.Texts+s.IDs != "":
		return fmt.Errorf("%s: a file of texts or ids goes with npy only: this one names them itself", s.File)
	case isNPY:
		return s.readNPY(visit)
	case strings.HasPrefix(start, footerMark):
		return s.readParquet(visit)
	case strings.HasPrefix(strings.TrimSpace(start), "{"):
		return s.readJSONLines(visit)
	}
	return fmt.Errorf("open %s: neither Parquet nor npy nor JSON lines, by its first bytes: save the vectors as one of these", s.File)
}

func (s EmbeddingSource) readParquet(visit func(ID, []float32) error) error {
	f, err := openParquetPath(s.File)
	if err != nil {
		return err
	}
	defer f.close()
	text, id := s.Text, s.ID
	if text == "" && id == "" {
		switch {
		case f.has(defaultText):
			text = defaultText
		case f.has(defaultID):
			id = defaultID
		default:
			return f.errorf("neither a column %q nor %q; the file has: %s: name the one that has the texts", defaultText, defaultID, strings.Join(f.columns(), ", "))
		}
	}
	var ids []ID
	if text != "" {
		err = f.texts(text, false, func(_ int, t string) { ids = append(ids, NewID(t)) })
	} else {
		ids, err = f.ids(id)
	}
	if err != nil {
		return err
	}
	return f.vectors(s.Vector, func(row int, v []float32) error { return visit(ids[row], v) })
}

func (s EmbeddingSource) readNPY(visit func(ID, []float32) error) error {
	ids, err := s.readLines()
	if err != nil {
		return err
	}
	file, err := os.Open(s.File)
	if err != nil {
		return fmt.Errorf("open %s: %w", s.File, withoutPath(err))
	}
	defer file.Close()
	n := &npyTable{file: file, name: s.File}
	if err := n.readHeader(); err != nil {
		return fmt.Errorf("%s: %w", s.File, err)
	}
	if n.rows != len(ids) {
		return fmt.Errorf("%s has %d rows, %s has %d lines: want one for each", s.File, n.rows, s.Texts+s.IDs, len(ids))
	}
	batch := n.batchRows()
	x := make([]float32, batch*n.In)
	raw := make([]byte, batch*n.In*n.width)
	for first := 0; first < n.rows; first += batch {
		rows := min(batch, n.rows-first)
		if err := n.read(x[:rows*n.In], raw[:rows*n.In*n.width], first); err != nil {
			return err
		}
		for i := range rows {
			v := x[i*n.In : (i+1)*n.In]
			if err := checkVector(v); err != nil {
				return fmt.Errorf("%s: row %d %w", s.File, first+i, err)
			}
			if err := visit(ids[first+i], v); err != nil {
				return err
			}
		}
	}
	return nil
}

// readLines reads the ids of the rows of an npy file.
func (s EmbeddingSource) readLines() (ids []ID, err error) {
	name, parse := s.Texts, textOnLine
	switch {
	case s.Texts != "" && s.IDs != "":
		return nil, fmt.Errorf("%s: want a file of texts or one of ids, not both", s.File)
	case s.IDs != "":
		name, parse = s.IDs, ParseID
	case s.Texts == "":
		return nil, fmt.Errorf("%s: npy does not say which texts its rows belong to: name a file with a text, or an id, on each line", s.File)
	}
	err = eachLine(name, func(line []byte) error {
		id, err := parse(string(line))
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// textOnLine returns the id of a text, which may be a JSON string, as it must
// where it has more than one line.
func textOnLine(line string) (ID, error) {
	if strings.HasPrefix(line, `"`) {
		var text string
		if err := json.Unmarshal([]byte(line), &text); err != nil {
			return ID{}, fmt.Errorf("a text that begins with a quotation mark must be a JSON string: %w", err)
		}
		return NewID(text), nil
	}
	return NewID(line), nil
}

func (s EmbeddingSource) readJSONLines(visit func(ID, []float32) error) error {
	dim := 0
	return eachLine(s.File, func(line []byte) error {
		if len(bytes.TrimSpace(line)) == 0 {
			return nil
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(line, &fields); err != nil {
			return fmt.Errorf("not a JSON object: %w", err)
		}
		id, err := s.idIn(fields)
		if err != nil {
			return err
		}
		var v []float32
		value := fields[s.Vector]
		// A null would be read as zero, and no number has these letters.
		if err := json.Unmarshal(value, &v); err != nil || len(v) == 0 || bytes.Contains(value, []byte("null")) {
			return fmt.Errorf("%q is no list of numbers", s.Vector)
		}
		if dim == 0 {
			dim = len(v)
		}
		if len(v) != dim {
			return fmt.Errorf("%s has %d values, the first has %d: all vectors need the same length", s.Vector, len(v), dim)
		}
		if err := checkVector(v); err != nil {
			return fmt.Errorf("%s %w", s.Vector, err)
		}
		return visit(id, v)
	})
}

// idIn returns the id of the text that a JSON object is about.
func (s EmbeddingSource) idIn(fields map[string]json.RawMessage) (ID, error) {
	key, isText := s.Text, true
	if key == "" {
		key, isText = s.ID, false
	}
	if key == "" {
		switch {
		case fields[defaultText] != nil:
			key, isText = defaultText, true
		case fields[defaultID] != nil:
			key = defaultID
		default:
			return ID{}, fmt.Errorf("neither %q nor %q: name the one that has the texts", defaultText, defaultID)
		}
	}
	var value *string
	if err := json.Unmarshal(fields[key], &value); err != nil || value == nil {
		return ID{}, fmt.Errorf("%q is no text", key)
	}
	if isText {
		return NewID(*value), nil
	}
	return ParseID(*value)
}

// byteOrderMark is what programs on Windows put before a text in UTF-8.
const byteOrderMark = "\ufeff"

// eachLine visits the lines of a file, of any length, and names the one that an
// error is about, counted from 1 as editors do.
func eachLine(name string, visit func(line []byte) error) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("open %s: %w", name, withoutPath(err))
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read %s: %w", name, withoutPath(err))
		}
		last := err != nil
		if last && len(line) == 0 {
			return nil
		}
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte(byteOrderMark))
		}
		if err := visit(line); err != nil {
			return fmt.Errorf("%s: line %d: %w", name, n, err)
		}
		if last {
			return nil
		}
	}
}
