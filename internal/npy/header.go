package npy

import (
	"fmt"
	"strconv"
	"strings"
)

// Header is the dictionary of an npy file.
type Header struct {
	Descr   string // the dtype, such as <f4
	Fortran bool   // columns lie together instead of rows
	Shape   []int64
}

// scanner walks the little of Python's syntax that numpy writes: a
// dictionary of strings, truth values and tuples of whole numbers.
type scanner struct{ rest string }

func parseHeader(text string) (Header, error) {
	s := scanner{text}
	var h Header
	seen := map[string]bool{}
	if !s.take("{") {
		return h, s.expected("{")
	}
	for !s.take("}") {
		key, err := s.quoted()
		if err != nil {
			return h, err
		}
		if seen[key] {
			return h, fmt.Errorf("key %q is given twice", key)
		}
		seen[key] = true
		if !s.take(":") {
			return h, s.expected(":")
		}
		if err := s.value(&h, key); err != nil {
			return h, err
		}
		if !s.take(",") && !s.at("}") {
			return h, s.expected(", or }")
		}
	}
	if s.skipSpace(); s.rest != "" {
		return h, s.expected("the end")
	}
	for _, key := range []string{"descr", "fortran_order", "shape"} {
		if !seen[key] {
			return h, fmt.Errorf("key %q is missing", key)
		}
	}
	return h, nil
}

func (s *scanner) value(h *Header, key string) (err error) {
	switch key {
	case "descr":
		h.Descr, err = s.quoted()
	case "fortran_order":
		h.Fortran, err = s.truth()
	case "shape":
		h.Shape, err = s.tuple()
	default:
		return fmt.Errorf("key %q is not known, want descr, fortran_order and shape", key)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

func (s *scanner) quoted() (string, error) {
	for _, quote := range []string{"'", `"`} {
		if !s.take(quote) {
			continue
		}
		text, rest, closed := strings.Cut(s.rest, quote)
		if !closed || strings.Contains(text, `\`) {
			return "", s.expected("a plain string")
		}
		s.rest = rest
		return text, nil
	}
	return "", s.expected("a string")
}

func (s *scanner) truth() (bool, error) {
	if s.take("True") {
		return true, nil
	}
	if s.take("False") {
		return false, nil
	}
	return false, s.expected("True or False")
}

func (s *scanner) tuple() ([]int64, error) {
	if !s.take("(") {
		return nil, s.expected("(")
	}
	var values []int64
	for !s.take(")") {
		v, err := s.integer()
		if err != nil {
			return nil, err
		}
		values = append(values, v)
		if !s.take(",") && !s.at(")") {
			return nil, s.expected(", or )")
		}
	}
	return values, nil
}

func (s *scanner) integer() (int64, error) {
	s.skipSpace()
	end := 0
	for end < len(s.rest) && '0' <= s.rest[end] && s.rest[end] <= '9' {
		end++
	}
	v, err := strconv.ParseInt(s.rest[:end], 10, 64)
	if err != nil {
		return 0, s.expected("a whole number below 2⁶³")
	}
	s.rest = strings.TrimPrefix(s.rest[end:], "L") // Python 2 wrote 3L
	return v, nil
}

// take consumes token where it comes next.
func (s *scanner) take(token string) bool {
	if !s.at(token) {
		return false
	}
	s.rest = s.rest[len(token):]
	return true
}

func (s *scanner) at(token string) bool {
	s.skipSpace()
	return strings.HasPrefix(s.rest, token)
}

func (s *scanner) skipSpace() { s.rest = strings.TrimLeft(s.rest, " \t\n") }

// expected says what should have come next, and the little that came instead.
func (s *scanner) expected(what string) error {
	return fmt.Errorf("found %q, want %s", s.rest[:min(len(s.rest), 20)], what)
}
