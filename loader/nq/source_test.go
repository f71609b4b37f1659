package nq

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/nq/nqtest"
	"github.com/cosfit/cosfit/loader/prepare"
)

func write(t *testing.T, name string, parts ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(strings.Join(parts, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func zip(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return b.String()
}

// goodRow is a row of its own.
func goodRow(n int) string {
	return strings.Replace(goodLine, `"q"`, fmt.Sprintf(`"question %d"`, n), 1) + "\n"
}

// Files that are no good end in one sentence; what it says depends on where they
// break.
func TestBadFiles(t *testing.T) {
	good := goodRow(1) + goodRow(2)
	var many strings.Builder
	for i := range 3000 {
		many.WriteString(goodRow(i))
	}
	packed := zip(t, many.String())
	for _, c := range []struct{ name, file, want string }{
		{"gzip ends early", packed[:len(packed)/2], "ends in the middle of its gzip data, after line 1"},
		{"gzip without its end", packed[:len(packed)-4], "ends in the middle of its gzip data, after line 3000"},
		{"gzip is damaged", packed[:len(packed)/2] + "damage" + packed[len(packed)/2+6:], "its gzip data is damaged after line"},
		{"gzip with a wrong sum", packed[:len(packed)-8] + "12345678", "its gzip data is damaged after line 3000: get it again"},
		{"no more than gzip's first bytes", "\x1f\x8b", "ends in the middle of its gzip data"},
		{"gzip's first bytes and something else", "\x1f\x8bnothing of the kind", "its gzip data is damaged after line 0"},
		{"another gzip file behind it", zip(t, good) + "\x1f\x8bno", "its gzip data"},
		{"zip", "PK\x03\x04rest", "is packed with zip: unpack it first, or pack it with gzip"},
		{"zstd", "\x28\xb5\x2f\xfdrest", "is packed with zstd"},
		{"a web page under the name", "<!DOCTYPE html>\n<html>\n", `3 of the first 3 rows are bad, more than 1 %: FILE: line 1: has '<' at byte 1, want an object; FILE: line 2: has '<'`},
		{"a row in a hundred and one is borne, not two", strings.Repeat(goodRow(1), 99) + "{\n\n" + `{"a":` + "\n", "2 of the first 101 rows are bad, more than 1 %: FILE: line 100: ends in the middle; FILE: line 102: ends in the middle"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := c.file
			if c.name == "a web page under the name" {
				file += "</html>\n"
			}
			path := write(t, "nq.jsonl.gz", file)
			d := prepare.NewDraft(t.TempDir())
			defer d.Close()
			d.Tally.Most = 0.01
			err := (&Source{Paths: []string{path}, Options: Defaults()}).Read(context.Background(), d)
			if err == nil {
				err = d.Tally.End()
			}
			if err == nil || !strings.Contains(err.Error(), strings.ReplaceAll(c.want, "FILE", path)) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	if _, _, err := read(t, Defaults(), filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, _, err := read(t, Defaults(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Error(err)
	}
}

// Bad lines are counted and named by number, and the others come out as if they
// were not there.
func TestBadLinesAmongGood(t *testing.T) {
	var file strings.Builder
	file.WriteString("\xef\xbb\xbf" + goodRow(0) + "\r\n \n")
	for i, c := range badLines {
		if c.name != "not UTF-8" {
			file.WriteString(c.line + "\n")
		} else {
			file.WriteString(c.line + "\r\n")
		}
		file.WriteString(goodRow(i + 1))
	}
	text := strings.TrimSuffix(file.String(), "\n") // the last line without an end
	for _, packed := range []bool{false, true} {
		if packed {
			text = zip(t, text[:len(text)/2]) + zip(t, text[len(text)/2:]) // as cat joins them
		}
		path := write(t, "nq.jsonl", text)
		d := prepare.NewDraft(t.TempDir())
		defer d.Close()
		d.Tally.Most = 0.9
		s := &Source{Paths: []string{path}, Options: Defaults()}
		if err := s.Read(context.Background(), d); err != nil {
			t.Fatal(err)
		}
		if d.Tally.Rows != int64(2*len(badLines)+1) || d.Tally.Bad != int64(len(badLines)) || len(s.Questions) != len(badLines)+1 {
			t.Errorf("%d rows, %d bad, %d questions", d.Tally.Rows, d.Tally.Bad, len(s.Questions))
		}
		if want := path + ": line 4: ends in the middle"; d.Tally.First[0] != want {
			t.Errorf("%q, want %q", d.Tally.First[0], want)
		}
	}
}

// A line of a gigabyte is counted and takes no memory; one without an end is an
// error.
func TestGiantLines(t *testing.T) {
	giant := int64(1 << 30)
	if testing.Short() {
		giant = 70 << 20
	}
	path := filepath.Join(t.TempDir(), "bomb.gz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, _ := gzip.NewWriterLevel(f, gzip.BestSpeed)
	io.WriteString(w, goodRow(1))
	io.WriteString(w, `{"question_text":"`)
	io.CopyN(w, letters{}, giant)
	io.WriteString(w, "\"}\n"+goodRow(2)+`{"x":"`)
	io.CopyN(w, letters{}, longestLine)
	io.WriteString(w, "\"}")
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	d := prepare.NewDraft(t.TempDir())
	defer d.Close()
	d.Tally.Most = 1
	s := &Source{Paths: []string{path}, Options: Defaults()}
	if err := s.Read(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	want := []string{path + ": line 2: is longer than 64 MB", path + ": line 4: is longer than 64 MB"}
	if d.Tally.Rows != 4 || len(s.Questions) != 2 || !slices.Equal(d.Tally.First, want) {
		t.Errorf("%d rows, %d questions, bad: %q", d.Tally.Rows, len(s.Questions), d.Tally.First)
	}

	p := newPieces(letters{})
	p.longest, p.giveUp = 2<<20, 10<<20
	_, err = p.next(nil)
	in := &input{path: "FILE"}
	if got := fmt.Sprint(in.failed(err, 0)); got != "FILE: line 1 is longer than 10 MB, so this is no file of NQ" {
		t.Error(got)
	}
}

// letters never end.
type letters struct{}

func (letters) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

// A row of megabytes is a row like others.
func TestLongRow(t *testing.T) {
	row := nqtest.Row(nqtest.Options{Tokens: 900_000}, 0)
	if len(row) < 4<<20 {
		t.Fatalf("only %d bytes", len(row))
	}
	path := write(t, "long.jsonl", goodRow(1), string(row), goodRow(2))
	s, d := mustRead(t, Defaults(), path)
	if len(s.Questions) != 3 || d.Tally.Rows != 3 {
		t.Errorf("%d questions of %d rows", len(s.Questions), d.Tally.Rows)
	}
	if n := len(s.Questions[1].Hard); n == 0 || n > 128 || len(s.Questions[1].Passages) < n {
		t.Errorf("%d passages, %d in the pool", len(s.Questions[1].Passages), n)
	}
}

// The same comes of a file whatever the number of threads, and of its two halves.
func TestThreads(t *testing.T) {
	var file bytes.Buffer
	rows, _, err := nqtest.Write(&file, nqtest.Options{Tokens: 2000}, func(_, bytes int64) bool { return bytes > 6<<20 })
	if err != nil {
		t.Fatal(err)
	}
	text := file.String()
	half := strings.Index(text[len(text)/2:], "\n") + len(text)/2 + 1
	one := write(t, "one.jsonl.gz", zip(t, text))
	first, second := write(t, "1.jsonl", text[:half]), write(t, "2.jsonl", text[half:])
	var want []got
	var stats Stats
	for i, c := range []struct {
		threads int
		paths   []string
	}{{1, []string{one}}, {2, []string{one}}, {7, []string{one}}, {3, []string{first, second}}} {
		o := Defaults()
		o.Threads = c.threads
		s, d := mustRead(t, o, c.paths...)
		if d.Tally.Rows != rows || s.Stats.Questions != (rows+1)/2 {
			t.Errorf("%d rows, %d questions, want %d", d.Tally.Rows, s.Stats.Questions, rows)
		}
		all := questions(t, s, d)
		if i == 0 {
			want, stats = all, s.Stats
		} else if !reflect.DeepEqual(all, want) || !reflect.DeepEqual(s.Stats, stats) {
			t.Errorf("%d threads, %d files: the result differs", c.threads, len(c.paths))
		}
	}
}

// --rows counts the rows of all files, those without an answer among them.
func TestRows(t *testing.T) {
	for _, n := range []int64{1, 7, 46, 50, 1000} {
		o := Defaults()
		o.Rows = n
		s, d := mustRead(t, o, simplified, original)
		if want := min(n, 92); d.Tally.Rows != want {
			t.Errorf("%d rows, want %d", d.Tally.Rows, want)
		}
		if n == 7 && (s.Stats.Questions != 6 || s.Stats.Unanswered != 1) {
			t.Errorf("%d questions, %d without an answer", s.Stats.Questions, s.Stats.Unanswered)
		}
	}
}

// A reading that is cancelled ends soon.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	path := write(t, "many.jsonl", strings.Repeat(goodRow(1), 100_000))
	d := prepare.NewDraft(t.TempDir())
	defer d.Close()
	s := &Source{Paths: []string{path}, Options: Defaults()}
	s.Progress = func(int64) { cancel() }
	start := time.Now()
	if err := s.Read(ctx, d); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

// Texts are cut by whoever knows how, and counted once.
func TestCut(t *testing.T) {
	o := Defaults()
	o.MinChars = 30
	o.Cut = func(text string) (string, bool) {
		if len(text) <= 60 {
			return text, false
		}
		return text[:60], true
	}
	s, d := mustRead(t, o, simplified)
	cut := 0
	for n := range d.Texts() {
		text, err := d.Text(int32(n))
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 60 {
			t.Errorf("%q was not cut", text)
		}
		if len(text) == 60 {
			cut++
		}
	}
	if s.Stats.Cut == 0 || s.Stats.Cut > cut {
		t.Errorf("%d texts were cut, of %d that are as long", s.Stats.Cut, cut)
	}
	if d.Pairs.Kind[0] != loader.Positive {
		t.Error(d.Pairs.Kind[0])
	}
}
