package projection

import (
	"fmt"
	"strconv"
	"strings"
)

// npyHeader is the dictionary of an npy file.
type npyHeader struct {
	descr   string
	fortran bool
	shape   []int64
}

func (h npyHeader) element() (element, error) {
	switch h.descr {
	case "<f4":
		return float32Element(), nil
	case "<f8":
		return float64Element(), nil
	}
	return element{}, fmt.Errorf("dtype is %q, want <f4 or <f8: save it with .astype('<f4')", h.descr)
}

// npyScanner walks the little of Python's syntax that numpy writes: a
// dictionary of strings, truth values and tuples of whole numbers.
type npyScanner struct{ rest string }

func parseNPYHeader(text string) (npyHeader, error) {
	s := npyScanner{text}
	var h npyHeader
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

func (s *npyScanner) value(h *npyHeader, key string) (err error) {
	switch key {
	case "descr":
		h.descr, err = s.quoted()
	case "fortran_order":
		h.fortran, err = s.truth()
	case "shape":
		h.shape, err = s.tuple()
	default:
		return fmt.Errorf("key %q is not known, want descr, fortran_order and shape", key)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

func (s *npyScanner) quoted() (string, error) {
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

func (s *npyScanner) truth() (bool, error) {
	if s.take("True") {
		return true, nil
	}
	if s.take("False") {
		return false, nil
	}
	return false, s.expected("True or False")
}

func (s *npyScanner) tuple() ([]int64, error) {
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

func (s *npyScanner) integer() (int64, error) {
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
func (s *npyScanner) take(token string) bool {
	if !s.at(token) {
		return false
	}
	s.rest = s.rest[len(token):]
	return true
}

func (s *npyScanner) at(token string) bool {
	s.skipSpace()
	return strings.HasPrefix(s.rest, token)
}

func (s *npyScanner) skipSpace() { s.rest = strings.TrimLeft(s.rest, " \t\n") }

// expected says what should have come next, and the little that came instead.
func (s *npyScanner) expected(what string) error {
	return fmt.Errorf("found %q, want %s", s.rest[:min(len(s.rest), 20)], what)
}
