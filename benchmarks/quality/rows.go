package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gofrs/flock"

	"github.com/cosfit/cosfit/internal/atomicfile"
)

// A Row is what a method made of a draw.
type Row struct {
	Set    string `json:"set"`
	Model  string `json:"model"`
	Size   int    `json:"size"` // labelled pairs that were asked for; 0 is all
	Draw   int    `json:"draw"`
	Method string `json:"method"`
	Side   string `json:"side,omitempty"`

	Labelled   int             `json:"labelled"`             // pairs to learn from
	Left       int             `json:"validation"`           // of them, where a method leaves some aside
	Validated  *float64        `json:"validated,omitempty"`  // the deciding figure on those; a method that learned from them too flatters itself
	Threshold  *float64        `json:"threshold,omitempty"`  // that the method itself chose
	Accepted   bool            `json:"accepted"`             // false: the result is what training started from
	Test       Figures         `json:"test"`                 // all test pairs
	Unseen     *Figures        `json:"unseen,omitempty"`     // those that share no text with the training split
	Seconds    float64         `json:"seconds"`              // learning; of a search, of all trials
	Trials     int             `json:"trials,omitempty"`     // of a search
	Settings   json.RawMessage `json:"settings,omitempty"`   // of what was chosen
	Graded     bool            `json:"graded,omitempty"`     // Spearman decides, else ROC AUC
	Version    string          `json:"version,omitempty"`    // of a peer's package
	Incomplete string          `json:"incomplete,omitempty"` // why there are no figures
}

func (r Row) key() string { return fmt.Sprintf("%d-%d-%s", r.Size, r.Draw, r.Method) }

// rows are a file of rows with the cosines that they were made of.
type rows struct {
	path, cosines string
	file          *os.File
	lock          *flock.Flock // two processes would lose each other's rows
	byKey         map[string]Row
}

func openRows(path, cosines string) (*rows, error) {
	for _, folder := range []string{filepath.Dir(path), cosines} {
		if err := os.MkdirAll(folder, 0o777); err != nil {
			return nil, err
		}
	}
	r := &rows{path: path, cosines: cosines, byKey: map[string]Row{}, lock: flock.New(filepath.Join(cosines, ".lock"))}
	if free, err := r.lock.TryLock(); err != nil || !free {
		return nil, errors.Join(err, fmt.Errorf("%s is in use: another run is at work on it", cosines))
	}
	list, err := readLines[Row](path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, row := range list {
		r.byKey[row.key()] = row
	}
	r.file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	return r, err
}

func (r *rows) close() error { return errors.Join(r.file.Close(), r.lock.Unlock()) }

// readLines reads a file of JSON lines. A last line that a kill cut off is left
// out.
func readLines[T any](path string) (list []T, err error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(bytes.NewReader(content))
	lines.Buffer(nil, 1<<24)
	for number := 1; lines.Scan(); number++ {
		var v T
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			if bytes.HasSuffix(content, lines.Bytes()) {
				break
			}
			return nil, fmt.Errorf("%s: line %d: %w", path, number, err)
		}
		list = append(list, v)
	}
	return list, lines.Err()
}

// writeLines writes a file of JSON lines, whole or not at all.
func writeLines[T any](path string, list []T) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		for _, v := range list {
			if err := e.Encode(v); err != nil {
				return err
			}
		}
		return nil
	})
}

// forget removes the rows of some methods, or of all.
func (r *rows) forget(methods []string) error {
	var kept []Row
	for key, row := range r.byKey {
		if slices.Contains(methods, "all") || slices.ContainsFunc(methods, func(m string) bool { return row.Method == m || strings.HasPrefix(row.Method, m+"-") }) {
			delete(r.byKey, key)
			continue
		}
		kept = append(kept, row)
	}
	slices.SortFunc(kept, func(a, b Row) int { return strings.Compare(a.key(), b.key()) })
	if err := r.file.Close(); err != nil {
		return err
	}
	if err := writeLines(r.path, kept); err != nil {
		return err
	}
	var err error
	r.file, err = os.OpenFile(r.path, os.O_WRONLY|os.O_APPEND, 0o666)
	return err
}

// has reports whether a row is there with its cosines.
func (r *rows) has(key string) bool {
	row, ok := r.byKey[key]
	if !ok {
		return false
	}
	_, err := os.Stat(r.file32(key))
	return err == nil || row.Incomplete != ""
}

func (r *rows) file32(key string) string { return filepath.Join(r.cosines, key+".f32") }

// add writes the cosines, then the row.
func (r *rows) add(row Row, o outcome) error {
	if row.Incomplete == "" {
		err := atomicfile.Write(r.file32(row.key()), func(w io.Writer) error {
			return binary.Write(w, binary.LittleEndian, slices.Concat(o.validation, o.test))
		})
		if err != nil {
			return err
		}
	}
	line, err := json.Marshal(row)
	if err != nil {
		return err
	}
	if _, err := r.file.Write(append(line, '\n')); err != nil {
		return err
	}
	r.byKey[row.key()] = row
	return nil
}

// outcome reads what a row was made of.
func (r *rows) outcome(d *draw, method string) (outcome, bool, error) {
	key := Row{Size: d.size, Draw: d.number, Method: method}.key()
	row, ok := r.byKey[key]
	if !ok || row.Incomplete != "" {
		return outcome{}, false, nil
	}
	content, err := os.ReadFile(r.file32(key))
	if err != nil {
		return outcome{}, false, err
	}
	values := make([]float32, len(content)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(content[4*i:]))
	}
	n := len(values) - len(d.test)
	if n != row.Left {
		return outcome{}, false, fmt.Errorf("%s has %d cosines, want %d of validation and %d of test: the data set has changed, use --again all", r.file32(key), len(values), row.Left, len(d.test))
	}
	o := outcome{validation: values[:n], test: values[n:], threshold: math.NaN(), settings: row.Settings, seconds: row.Seconds, accepted: row.Accepted}
	if row.Threshold != nil {
		o.threshold = *row.Threshold
	}
	return o, true, nil
}
