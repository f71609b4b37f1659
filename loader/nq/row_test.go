package nq

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// reference reads a line with encoding/json, and says only whether it is good.
func reference(line []byte) (r row, good bool) {
	if !utf8.Valid(line) || !json.Valid(line) {
		return r, false
	}
	has := map[string]bool{}
	simplified := false
	err := pairsOf(line, func(key string, value json.RawMessage) (err error) {
		has[key] = true
		switch key {
		case "question_text":
			r.question, err = stringOf(value)
		case "document_url":
			r.url, err = stringOf(value)
		case "document_text":
			simplified = true
			r.text, err = stringOf(value)
		case "document_tokens":
			if !simplified {
				r.text, err = tokensOf(value)
			}
		case "long_answer_candidates":
			r.candidates = nil
			err = elementsOf(value, func(v json.RawMessage) error {
				s, err := spanOf(v)
				r.candidates = append(r.candidates, s)
				return err
			})
		case "annotations":
			r.answers = nil
			err = elementsOf(value, func(v json.RawMessage) error {
				answer := errors.New("none")
				if err := pairsOf(v, func(key string, value json.RawMessage) error {
					if key != "long_answer" {
						return nil
					}
					s, err := spanOf(value)
					r.answers = append(r.answers, s)
					if answer == nil {
						r.answers = slices.Delete(r.answers, len(r.answers)-2, len(r.answers)-1) // it was there before
					}
					answer = nil
					return err
				}); err != nil {
					return err
				}
				return answer
			})
		}
		return err
	})
	if err != nil || !has["question_text"] || !has["document_text"] && !has["document_tokens"] || !has["long_answer_candidates"] || !has["annotations"] {
		return r, false
	}
	page := strings.Split(string(r.text), " ")
	r.tokens = len(page)
	in := func(s span) bool { return s.start >= 0 && s.start < s.end && int(s.end) <= len(page) }
	total := 0
	for _, c := range r.candidates {
		total += int(c.end - c.start)
		if !in(c) {
			return r, false
		}
	}
	for _, a := range r.answers {
		if a != none && !in(a) {
			return r, false
		}
	}
	return r, strings.TrimSpace(string(r.question)) != "" && strings.TrimSpace(string(r.text)) != "" && total <= 64*len(page) && len(r.answers) <= 100
}

// pairsOf goes through an object, keys that come twice included.
func pairsOf(value json.RawMessage, field func(string, json.RawMessage) error) error {
	d := json.NewDecoder(bytes.NewReader(value))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.New("no object")
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return err
		}
		if err := field(key.(string), v); err != nil {
			return err
		}
	}
	return nil
}

func elementsOf(value json.RawMessage, element func(json.RawMessage) error) error {
	if !bytes.HasPrefix(bytes.TrimSpace(value), []byte("[")) {
		return errors.New("no list")
	}
	var all []json.RawMessage
	if err := json.Unmarshal(value, &all); err != nil {
		return err
	}
	for _, v := range all {
		if err := element(v); err != nil {
			return err
		}
	}
	return nil
}

func stringOf(value json.RawMessage) ([]byte, error) {
	var s *string
	err := json.Unmarshal(value, &s)
	if err != nil || s == nil {
		return nil, errors.New("no string")
	}
	return []byte(*s), nil
}

func tokensOf(value json.RawMessage) ([]byte, error) {
	var tokens []string
	err := elementsOf(value, func(v json.RawMessage) error {
		token := errors.New("none")
		text := ""
		err := pairsOf(v, func(key string, value json.RawMessage) error {
			if key != "token" {
				return nil
			}
			b, err := stringOf(value)
			text, token = string(b), nil
			return err
		})
		tokens = append(tokens, strings.ReplaceAll(text, " ", "_"))
		return errors.Join(err, token)
	})
	return []byte(strings.Join(tokens, " ")), err
}

func spanOf(value json.RawMessage) (span, error) {
	s := span{math.MinInt32, math.MinInt32}
	err := pairsOf(value, func(key string, value json.RawMessage) error {
		if key == "top_level" {
			if v := string(value); v != "true" && v != "false" {
				return errors.New("no boolean")
			}
		}
		if key != "start_token" && key != "end_token" {
			return nil
		}
		n, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil || n < -1 || n > math.MaxInt32 {
			return errors.New("no token")
		}
		if key == "start_token" {
			s.start = int32(n)
		} else {
			s.end = int32(n)
		}
		return nil
	})
	if s.start == math.MinInt32 || s.end == math.MinInt32 {
		err = errors.New("no span")
	}
	return s, err
}

const goodLine = `{"question_text":"q","document_text":"<P> a b </P>","document_url":"u","long_answer_candidates":[{"start_token":0,"end_token":4,"top_level":true}],"annotations":[{"long_answer":{"start_token":0,"end_token":4,"candidate_index":0},"yes_no_answer":"NONE"}]}`

// FuzzLine compares lines with encoding/json.
func FuzzLine(f *testing.F) {
	f.Add([]byte(goodLine))
	f.Add([]byte(strings.Replace(goodLine, `"document_text":"<P> a b </P>"`, `"document_tokens":[{"token":"<Th colspan=\"2\">","start_byte":1},{"token":"\ud834\udd1e\ud800"},{"token":""},{"token":"x"}]`, 1)))
	for _, c := range badLines {
		f.Add([]byte(c.line))
	}
	for _, path := range []string{simplified} {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for line := range bytes.Lines(b) {
			if len(line) < 3000 {
				f.Add(line)
			}
		}
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var r row
		err := r.read(line)
		if errors.Is(err, errDepth) {
			return
		}
		want, good := reference(line)
		if (err == nil) != good {
			t.Fatalf("%s: %v, good for encoding/json: %v", line, err, good)
		}
		if !good {
			return
		}
		if !bytes.Equal(r.question, want.question) || !bytes.Equal(r.url, want.url) || !bytes.Equal(r.text, want.text) || r.tokens != want.tokens ||
			!slices.Equal(r.candidates, want.candidates) || !slices.Equal(r.answers, want.answers) {
			t.Fatalf("%s:\n%+v, want\n%+v", line, r, want)
		}
		if o := newMaker(Options{MinChars: 1, Pool: 2}).make(line); o.err != nil {
			t.Fatalf("%s: %v", line, o.err)
		}
	})
}

// badLines are lines that are no good, and why.
var badLines = []struct{ name, line, want string }{
	{"half an object", `{`, "ends in the middle"},
	{"no JSON", `question_text`, "has 'q' at byte 1, want an object"},
	{"a list", `[]`, "has a list at byte 1, want an object"},
	{"null", `null`, "has null at byte 1, want an object"},
	{"two objects", goodLine + goodLine, "want the end of the line"},
	{"no question", strings.Replace(goodLine, "question_text", "question", 1), "has no question_text"},
	{"no page", strings.Replace(goodLine, "document_text", "document", 1), "has no document_text or document_tokens"},
	{"no candidates", strings.Replace(goodLine, "long_answer_candidates", "candidates", 1), "has no long_answer_candidates"},
	{"no annotations", strings.Replace(goodLine, "annotations", "notes", 1), "has no annotations"},
	{"a number for the question", strings.Replace(goodLine, `"q"`, `7`, 1), "question_text has a number at byte 18, want a string"},
	{"null for the page", strings.Replace(goodLine, `"<P> a b </P>"`, `null`, 1), "document_text has null at byte 38, want a string"},
	{"an object for the annotations", `{"annotations":{}}`, "annotations has an object at byte 16, want a list"},
	{"a string for a token", strings.Replace(goodLine, `"end_token":4`, `"end_token":"4"`, 1), "long_answer_candidates has a string at byte 127, want an integer"},
	{"a fraction for a token", strings.Replace(goodLine, `"end_token":4`, `"end_token":4.0`, 1), `long_answer_candidates has "4.0" at byte 127, want an integer`},
	{"a token that no integer holds", strings.Replace(goodLine, `"end_token":4`, `"end_token":99999999999999999999`, 1), "want an integer"},
	{"a token that no page has", strings.Replace(goodLine, `"end_token":4`, `"end_token":4000000000`, 1), "has the end_token 4000000000, which no page has"},
	{"a span without an end", strings.Replace(goodLine, `"end_token":4,"top_level"`, `"top_level"`, 1), "long_answer_candidates has a span without start_token and end_token"},
	{"a number for top_level", strings.Replace(goodLine, `true`, `1`, 1), "want true or false"},
	{"a candidate behind the page", strings.Replace(goodLine, `"end_token":4`, `"end_token":5`, 1), "has candidate 0 at tokens 0 to 5 of a page of 4"},
	{"a candidate of no tokens", strings.Replace(goodLine, `"start_token":0`, `"start_token":4`, 1), "has candidate 0 at tokens 4 to 4 of a page of 4"},
	{"a candidate before the page", strings.Replace(goodLine, `"start_token":0`, `"start_token":-1`, 1), "has candidate 0 at tokens -1 to 4 of a page of 4"},
	{"an answer behind the page", strings.Replace(goodLine, `"end_token":4,"candidate_index"`, `"end_token":9,"candidate_index"`, 1), "has the long answer of annotation 0 at tokens 0 to 9 of a page of 4"},
	{"half an answer", strings.Replace(goodLine, `"start_token":0,"end_token":4,"candidate_index"`, `"start_token":-1,"end_token":4,"candidate_index"`, 1), "has the long answer of annotation 0 at tokens -1 to 4"},
	{"an annotation without an answer", strings.Replace(goodLine, `"long_answer":{`, `"short_answer":{`, 1), "annotations has one without a long_answer"},
	{"an empty question", strings.Replace(goodLine, `"q"`, `" \t"`, 1), "has an empty question_text"},
	{"an empty page", strings.Replace(goodLine, `"<P> a b </P>"`, `"   "`, 1), "has an empty page"},
	{"not UTF-8", strings.Replace(goodLine, `"q"`, "\"\xff\"", 1), "is not UTF-8"},
	{"a bare tab in a string", strings.Replace(goodLine, `"q"`, "\"\t\"", 1), "question_text has a bare control character in a string at byte 19"},
	{"an unknown escape", strings.Replace(goodLine, `"q"`, `"\q"`, 1), "question_text has an unknown escape at byte 20"},
	{"a token without text", `{"document_tokens":[{"start_byte":3}]}`, "document_tokens has an element without a token"},
	{"deeper than anyone nests", `{"x":` + strings.Repeat("[", 1000), "is nested more than 64 deep"},
	{"candidates that explode", strings.Replace(goodLine, `[{"start`, `[`+strings.Repeat(`{"start_token":0,"end_token":4},`, 64)+`{"start`, 1), "has candidates that cover the page more than 64 times"},
	{"more annotations than people", strings.Replace(goodLine, `[{"long`, `[`+strings.Repeat(`{"long_answer":{"start_token":-1,"end_token":-1}},`, 100)+`{"long`, 1), "has 101 annotations, want at most 100"},
}

func TestBadLines(t *testing.T) {
	for _, c := range badLines {
		t.Run(c.name, func(t *testing.T) {
			var r row
			err := r.read([]byte(c.line))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if _, good := reference([]byte(c.line)); good && !errors.Is(err, errDepth) {
				t.Error("encoding/json finds nothing wrong")
			}
		})
	}
	var r row
	if err := r.read([]byte(goodLine)); err != nil {
		t.Error(err)
	}
}

// A row is read into the memory of the one before and keeps nothing of it.
func TestRowReused(t *testing.T) {
	var r row
	for _, line := range [][]byte{[]byte(goodLine), []byte(`{"annotations":[]`), []byte(`{"question_text":"p","document_text":"x","long_answer_candidates":[],"annotations":[]}`)} {
		r.read(line)
	}
	if len(r.candidates) != 0 || len(r.answers) != 0 || string(r.text) != "x" || len(r.url) != 0 || r.tokens != 1 {
		t.Errorf("%+v", r)
	}
}

// Pieces are whole lines whatever the reads return.
func TestPieces(t *testing.T) {
	var file strings.Builder
	for i := range 300 {
		file.WriteString(strings.Repeat("x", i*i%9000))
		file.WriteString([]string{"\n", "\r\n", "\n\n"}[i%3])
	}
	for _, end := range []string{"", "last line without an end"} {
		text := file.String() + end
		for _, size := range []int{1, 7, 4096, 1 << 20} {
			p := newPieces(&limited{strings.NewReader(text), size})
			var got strings.Builder
			line := int64(1)
			for {
				piece, err := p.next(nil)
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if piece.first != line {
					t.Fatalf("a piece begins with line %d, want %d", piece.first, line)
				}
				got.Write(piece.text)
				n := int64(bytes.Count(piece.text, []byte{'\n'}))
				if !bytes.HasSuffix(piece.text, []byte{'\n'}) {
					n++
				}
				line += n
			}
			if int(line-1) != strings.Count(file.String(), "\n")+min(len(end), 1) {
				t.Errorf("reads of %d: %d lines", size, line-1)
			}
			if got.String() != text {
				t.Errorf("reads of %d: the text differs", size)
			}
		}
	}
}

// limited returns at most size bytes at a time.
type limited struct {
	r    io.Reader
	size int
}

func (l *limited) Read(b []byte) (int, error) { return l.r.Read(b[:min(len(b), l.size)]) }
