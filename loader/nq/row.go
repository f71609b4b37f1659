package nq

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// A span is a part of a page, the tokens start up to but not including end.
type span struct{ start, end int32 }

// none is the span of an annotation without a long answer.
var none = span{-1, -1}

// overlap reports whether two spans share a token. Those of a page stand beside
// each other or one in the other, so then one is part of the other.
func (s span) overlap(t span) bool { return s.start < t.end && t.start < s.end }

// A row is a line, read. Its memory is used again for the next.
type row struct {
	question   []byte
	url        []byte
	text       []byte // the page's tokens, joined by one space each
	tokens     int
	candidates []span
	answers    []span // of each annotation, or none

	tokenBuffer []byte
}

// The fields that a line must have.
const (
	hasQuestion = 1 << iota
	hasText
	hasCandidates
	hasAnnotations
)

// read reads a line of either form. An error says in words that follow "line 17:"
// what is wrong.
func (r *row) read(line []byte) error {
	if !utf8.Valid(line) {
		return errors.New("is not UTF-8")
	}
	r.question, r.url, r.text = r.question[:0], r.url[:0], r.text[:0]
	r.candidates, r.answers, r.tokens = r.candidates[:0], r.answers[:0], 0
	s := scanner{b: line}
	seen := 0
	simplified := false
	err := s.object(func(key []byte) (err error) {
		switch string(key) {
		case "question_text":
			seen |= hasQuestion
			r.question, err = s.text(r.question[:0], "a string")
		case "document_url":
			r.url, err = s.text(r.url[:0], "a string")
		case "document_text":
			seen |= hasText
			simplified = true
			r.text, err = s.text(r.text[:0], "a string")
		case "document_tokens":
			if simplified {
				return s.skip(2)
			}
			seen |= hasText
			err = r.readTokens(&s)
		case "long_answer_candidates":
			seen |= hasCandidates
			err = r.readCandidates(&s)
		case "annotations":
			seen |= hasAnnotations
			err = r.readAnnotations(&s)
		default:
			return s.skip(2)
		}
		if err != nil {
			err = fmt.Errorf("%s %w", key, err)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := s.end(); err != nil {
		return err
	}
	return r.check(seen)
}

// readTokens makes the simplified text of the original form: blanks inside a
// token become underscores.
func (r *row) readTokens(s *scanner) error {
	r.text = r.text[:0]
	first := true
	return s.list(func() error {
		r.tokenBuffer = r.tokenBuffer[:0]
		found := false
		err := s.object(func(key []byte) (err error) {
			if string(key) != "token" {
				return s.skip(4)
			}
			found = true
			r.tokenBuffer, err = s.text(r.tokenBuffer[:0], "a string")
			return err
		})
		if err != nil {
			return err
		}
		if !found {
			return errors.New("has an element without a token")
		}
		if !first {
			r.text = append(r.text, ' ')
		}
		first = false
		start := len(r.text)
		r.text = append(r.text, r.tokenBuffer...)
		for i, c := range r.text[start:] {
			if c == ' ' {
				r.text[start+i] = '_'
			}
		}
		return nil
	})
}

func (r *row) readCandidates(s *scanner) error {
	r.candidates = r.candidates[:0]
	return s.list(func() error {
		c, err := readSpan(s)
		r.candidates = append(r.candidates, c)
		return err
	})
}

func (r *row) readAnnotations(s *scanner) error {
	r.answers = r.answers[:0]
	return s.list(func() error {
		answer, found := none, false
		err := s.object(func(key []byte) (err error) {
			if string(key) != "long_answer" {
				return s.skip(4)
			}
			found = true
			answer, err = readSpan(s)
			return err
		})
		if err == nil && !found {
			err = errors.New("has one without a long_answer")
		}
		r.answers = append(r.answers, answer)
		return err
	})
}

// readSpan reads an object with start_token and end_token. Of the rest nothing is
// needed: whether one candidate is part of another shows in the spans.
func readSpan(s *scanner) (span, error) {
	const unset = math.MinInt32
	t := span{unset, unset}
	err := s.object(func(key []byte) error {
		var to *int32
		switch string(key) {
		case "start_token":
			to = &t.start
		case "end_token":
			to = &t.end
		case "top_level":
			return s.boolean()
		default:
			return s.skip(5)
		}
		n, err := s.integer()
		if err == nil && (n < -1 || n > math.MaxInt32) {
			err = fmt.Errorf("has the %s %d, which no page has", key, n)
		}
		*to = int32(n)
		return err
	})
	if err == nil && (t.start == unset || t.end == unset) {
		err = errors.New("has a span without start_token and end_token")
	}
	return t, err
}

// check says what is wrong with a line that is JSON.
func (r *row) check(seen int) error {
	for _, f := range []struct {
		bit  int
		name string
	}{{hasQuestion, "question_text"}, {hasText, "document_text or document_tokens"}, {hasCandidates, "long_answer_candidates"}, {hasAnnotations, "annotations"}} {
		if seen&f.bit == 0 {
			return fmt.Errorf("has no %s", f.name)
		}
	}
	if len(bytes.TrimSpace(r.question)) == 0 {
		return errors.New("has an empty question_text")
	}
	if len(bytes.TrimSpace(r.text)) == 0 {
		return errors.New("has an empty page")
	}
	r.tokens = bytes.Count(r.text, []byte{' '}) + 1
	total := 0
	for i, c := range r.candidates {
		if !r.holds(c) {
			return fmt.Errorf("has candidate %d at tokens %d to %d of a page of %d", i, c.start, c.end, r.tokens)
		}
		total += int(c.end - c.start)
	}
	if total > mostNested*r.tokens {
		return fmt.Errorf("has candidates that cover the page more than %d times", mostNested)
	}
	if len(r.answers) > mostAnnotations {
		return fmt.Errorf("has %d annotations, want at most %d", len(r.answers), mostAnnotations)
	}
	for i, a := range r.answers {
		if a != none && !r.holds(a) {
			return fmt.Errorf("has the long answer of annotation %d at tokens %d to %d of a page of %d", i, a.start, a.end, r.tokens)
		}
	}
	return nil
}

// mostAnnotations is how many a row may have; NQ's have one or five.
const mostAnnotations = 100

// mostNested is how often candidates may cover a page: they are elements of HTML,
// and none is nested deeper. It bounds the work that a line can ask for.
const mostNested = 64

// holds reports whether a span lies in the page.
func (r *row) holds(s span) bool { return 0 <= s.start && s.start < s.end && int(s.end) <= r.tokens }
