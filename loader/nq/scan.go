package nq

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// A scanner reads JSON from front to back, without making values of what nobody
// asks for: most of a line is one string of some hundred thousand bytes. It
// accepts exactly what encoding/json does, up to maxDepth. The bytes must be
// UTF-8.
type scanner struct {
	b []byte
	i int
}

// maxDepth is how deep a line may be nested; NQ's own are 4 deep.
const maxDepth = 64

var errDepth = fmt.Errorf("is nested more than %d deep", maxDepth)

// wrong says that something else was expected where the scanner stands.
func (s *scanner) wrong(want string) error {
	s.space()
	if s.i >= len(s.b) {
		return errors.New("ends in the middle")
	}
	return fmt.Errorf("has %s at byte %d, want %s", kindOf(s.b[s.i]), s.i+1, want)
}

// kindOf names what begins with a byte.
func kindOf(c byte) string {
	switch {
	case c == '"':
		return "a string"
	case c == '{':
		return "an object"
	case c == '[':
		return "a list"
	case isNumber(c):
		return "a number"
	case c == 't' || c == 'f':
		return "true or false"
	case c == 'n':
		return "null"
	}
	return strconv.QuoteRune(rune(c))
}

// isNumber reports whether c begins a number.
func isNumber(c byte) bool { return c == '-' || '0' <= c && c <= '9' }

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

// is moves over c, if it comes next after white space.
func (s *scanner) is(c byte) bool {
	s.space()
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

// end is an error where anything but white space follows.
func (s *scanner) end() error {
	if s.space(); s.i < len(s.b) {
		return s.wrong("the end of the line")
	}
	return nil
}

// object reads an object. field is called with each key and has to read the
// value; the key is valid until then.
func (s *scanner) object(field func(key []byte) error) error {
	if !s.is('{') {
		return s.wrong("an object")
	}
	if s.is('}') {
		return nil
	}
	var room [24]byte
	for {
		key, err := s.text(room[:0], "a key")
		if err != nil {
			return err
		}
		if !s.is(':') {
			return s.wrong("a colon")
		}
		if err := field(key); err != nil {
			return err
		}
		if s.is('}') {
			return nil
		}
		if !s.is(',') {
			return s.wrong("a comma or the end of an object")
		}
	}
}

// list reads a list; element has to read each.
func (s *scanner) list(element func() error) error {
	if !s.is('[') {
		return s.wrong("a list")
	}
	if s.is(']') {
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if s.is(']') {
			return nil
		}
		if !s.is(',') {
			return s.wrong("a comma or the end of a list")
		}
	}
}

// text appends the contents of a string, which messages call what.
func (s *scanner) text(dst []byte, what string) ([]byte, error) {
	if !s.is('"') {
		return dst, s.wrong(what)
	}
	for {
		start := s.i
		s.plain()
		dst = append(dst, s.b[start:s.i]...)
		closed, err := s.special()
		if err != nil || closed {
			return dst, err
		}
		if dst, err = s.escape(dst); err != nil {
			return dst, err
		}
	}
}

// plain moves to the next byte that means something in a string: a quote, a
// backslash or a control character.
func (s *scanner) plain() {
	b, i := s.b, s.i
	for ; i < len(b); i++ {
		if meaning[b[i]] {
			break
		}
	}
	s.i = i
}

var meaning = func() (t [256]bool) {
	for c := range 0x20 {
		t[c] = true
	}
	t['"'], t['\\'] = true, true
	return t
}()

// special moves over the quote or the backslash at which plain stopped.
func (s *scanner) special() (closed bool, err error) {
	if s.i >= len(s.b) {
		return false, errors.New("ends in the middle of a string")
	}
	c := s.b[s.i]
	if c < 0x20 {
		return false, fmt.Errorf("has a bare control character in a string at byte %d", s.i+1)
	}
	s.i++
	return c == '"', nil
}

// escape appends what stands behind a backslash.
func (s *scanner) escape(dst []byte) ([]byte, error) {
	if s.i >= len(s.b) {
		return dst, errors.New("ends in the middle of a string")
	}
	c := s.b[s.i]
	s.i++
	switch c {
	case '"', '\\', '/':
		return append(dst, c), nil
	case 'b':
		return append(dst, '\b'), nil
	case 'f':
		return append(dst, '\f'), nil
	case 'n':
		return append(dst, '\n'), nil
	case 'r':
		return append(dst, '\r'), nil
	case 't':
		return append(dst, '\t'), nil
	case 'u':
		r, ok := hex4(s.b[s.i:])
		if ok {
			s.i += 4
			return utf8.AppendRune(dst, s.pair(r)), nil
		}
	}
	return dst, fmt.Errorf("has an unknown escape at byte %d", s.i)
}

// pair returns the character whose first half is r. Half a character becomes
// U+FFFD, as in encoding/json.
func (s *scanner) pair(r rune) rune {
	if !utf16.IsSurrogate(r) {
		return r
	}
	if rest := s.b[s.i:]; len(rest) >= 6 && rest[0] == '\\' && rest[1] == 'u' {
		if low, ok := hex4(rest[2:]); ok {
			if whole := utf16.DecodeRune(r, low); whole != utf8.RuneError {
				s.i += 6
				return whole
			}
		}
	}
	return utf8.RuneError
}

func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// integer reads a number without a fraction or an exponent.
func (s *scanner) integer() (int64, error) {
	s.space()
	start := s.i
	if s.i >= len(s.b) || !isNumber(s.b[s.i]) {
		return 0, s.wrong("an integer")
	}
	if err := s.number(); err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(s.b[start:s.i]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("has %.24q at byte %d, want an integer", s.b[start:s.i], start+1)
	}
	return n, nil
}

// number moves over a number.
func (s *scanner) number() error {
	if s.i < len(s.b) && s.b[s.i] == '-' {
		s.i++
	}
	if s.i < len(s.b) && s.b[s.i] == '0' {
		s.i++
	} else if !s.digits() {
		return s.wrong("a digit")
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		if !s.digits() {
			return s.wrong("a digit")
		}
	}
	if s.i < len(s.b) && (s.b[s.i] == 'e' || s.b[s.i] == 'E') {
		s.i++
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		if !s.digits() {
			return s.wrong("a digit")
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.i
	for s.i < len(s.b) && '0' <= s.b[s.i] && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > start
}

// boolean moves over true or false.
func (s *scanner) boolean() error {
	if s.word("true") || s.word("false") {
		return nil
	}
	return s.wrong("true or false")
}

// word moves over a word, if it comes next.
func (s *scanner) word(w string) bool {
	s.space()
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return false
	}
	s.i += len(w)
	return true
}

// skip moves over a value of any kind, which stands depth deep.
func (s *scanner) skip(depth int) error {
	s.space()
	if depth > maxDepth {
		return errDepth
	}
	if s.i >= len(s.b) {
		return s.wrong("a value")
	}
	switch c := s.b[s.i]; {
	case c == '"':
		return s.skipText()
	case c == '{':
		return s.object(func([]byte) error { return s.skip(depth + 1) })
	case c == '[':
		return s.list(func() error { return s.skip(depth + 1) })
	case isNumber(c):
		return s.number()
	case c == 't' || c == 'f':
		return s.boolean()
	}
	if s.word("null") {
		return nil
	}
	return s.wrong("a value")
}

// skipText moves over a string.
func (s *scanner) skipText() error {
	s.i++
	var room [8]byte
	for {
		s.plain()
		closed, err := s.special()
		if err != nil || closed {
			return err
		}
		if _, err := s.escape(room[:0]); err != nil {
			return err
		}
	}
}
