package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A splitter appends the words of a piece. The library calls it pre-tokenizer.
type splitter func(out []piece, p piece) []piece

// splitters are the kinds that there are.
func splitters() map[string]func(json.RawMessage) (splitter, error) {
	plain := func(s splitter) func(json.RawMessage) (splitter, error) {
		return func(json.RawMessage) (splitter, error) { return s, nil }
	}
	return map[string]func(json.RawMessage) (splitter, error){
		"BertPreTokenizer":   plain(splitBert),
		"ByteLevel":          readByteLevel,
		"CharDelimiterSplit": readDelimiter,
		"Digits":             readDigits,
		"FixedLength":        readFixedLength,
		"Metaspace":          readMetaspace,
		"Punctuation":        readPunctuation,
		"Sequence":           readSplitters,
		"Split":              readSplit,
		"Whitespace":         plain(splitWords),
		"WhitespaceSplit":    plain(func(out []piece, p piece) []piece { return removed.cut(out, p, findRunes(isSpace)) }),
	}
}

func readSplitters(text json.RawMessage) (splitter, error) {
	s, err := decode(text, struct{ Pretokenizers []json.RawMessage }{})
	if err != nil {
		return nil, err
	}
	parts, err := readParts(s.Pretokenizers, splitters())
	if err != nil {
		return nil, err
	}
	return func(out []piece, p piece) []piece {
		words := []piece{p}
		for _, split := range parts {
			var finer []piece
			for _, w := range words {
				finer = split(finer, w)
			}
			words = finer
		}
		return append(out, words...)
	}, nil
}

// splitBert cuts at white space, and around each punctuation mark.
func splitBert(out []piece, p piece) []piece {
	start := 0
	word := func(end int) {
		if start < end {
			out = append(out, p.cut(start, end))
		}
	}
	for i, r := range p.text {
		switch {
		case isSpace(r):
			word(i)
			start = i + utf8.RuneLen(r)
		case isPunctuation(r):
			word(i)
			start = i + utf8.RuneLen(r)
			out = append(out, p.cut(i, start))
		}
	}
	word(len(p.text))
	return out
}

// splitWords finds \w+|[^\w\s]+: runs of letters and digits, and runs of signs.
func splitWords(out []piece, p piece) []piece {
	const space, letters, signs = 0, 1, 2
	start, kind := 0, space
	word := func(end int) {
		if kind != space {
			out = append(out, p.cut(start, end))
		}
	}
	for i, r := range p.text {
		k := signs
		switch {
		case isWord(r):
			k = letters
		case isSpace(r):
			k = space
		}
		if k != kind {
			word(i)
			start, kind = i, k
		}
	}
	word(len(p.text))
	return out
}

func readPunctuation(text json.RawMessage) (splitter, error) {
	s, err := decode(text, struct{ Behavior behavior }{isolated})
	return func(out []piece, p piece) []piece { return s.Behavior.cut(out, p, findRunes(isPunctuation)) }, err
}

func readDigits(text json.RawMessage) (splitter, error) {
	s, err := decode(text, struct {
		Individual bool `json:"individual_digits"`
	}{})
	b := contiguous
	if s.Individual {
		b = isolated
	}
	return func(out []piece, p piece) []piece { return b.cut(out, p, findRunes(unicode.IsNumber)) }, err
}

func readSplit(text json.RawMessage) (splitter, error) {
	s, err := decode(text, struct {
		Pattern  pattern
		Behavior behavior
		Invert   bool
	}{})
	if err != nil {
		return nil, err
	}
	if s.Behavior == "" {
		return nil, errors.New("behavior is missing")
	}
	find, err := s.Pattern.finder()
	if err != nil {
		return nil, err
	}
	if s.Invert {
		find = find.invert()
	}
	return func(out []piece, p piece) []piece { return s.Behavior.cut(out, p, find) }, nil
}

func readDelimiter(text json.RawMessage) (splitter, error) {
	s, err := decode(text, struct{ Delimiter string }{})
	if err == nil && utf8.RuneCountInString(s.Delimiter) != 1 {
		err = fmt.Errorf("delimiter is %q, want one character", s.Delimiter)
	}
	return func(out []piece, p piece) []piece { return removed.cut(out, p, findText(s.Delimiter)) }, err
}

func readFixedLength(text json.RawMessage) (splitter, error) {
	s, err := decode(text, struct{ Length int }{5})
	if err == nil && s.Length < 1 {
		err = fmt.Errorf("length is %d, want 1 or more", s.Length)
	}
	return func(out []piece, p piece) []piece {
		start, n := 0, 0
		for i := range p.text {
			if n == s.Length {
				out = append(out, p.cut(start, i))
				start, n = i, 0
			}
			n++
		}
		return append(out, p.cut(start, len(p.text)))
	}, err
}

// readMetaspace makes the splitter of SentencePiece: a space becomes a sign, ▁,
// with which a word begins, and the first word gets one too.
func readMetaspace(text json.RawMessage) (splitter, error) {
	s, err := decode(text, struct {
		Replacement string
		Prefix      *bool  `json:"add_prefix_space"` // in old files
		Scheme      string `json:"prepend_scheme"`
		Split       *bool
	}{Replacement: "▁", Scheme: "always"})
	if err != nil {
		return nil, err
	}
	if utf8.RuneCountInString(s.Replacement) != 1 {
		return nil, fmt.Errorf("replacement is %q, want one character", s.Replacement)
	}
	if s.Prefix != nil && !*s.Prefix {
		s.Scheme = "never"
	}
	if s.Scheme != "always" && s.Scheme != "first" && s.Scheme != "never" {
		return nil, fmt.Errorf("prepend_scheme is %q, want always, first or never", s.Scheme)
	}
	return func(out []piece, p piece) []piece {
		p.text = strings.ReplaceAll(p.text, " ", s.Replacement)
		if (s.Scheme == "always" || s.Scheme == "first" && p.first) && !strings.HasPrefix(p.text, s.Replacement) {
			p.text = s.Replacement + p.text
		}
		if s.Split != nil && !*s.Split {
			return append(out, p)
		}
		return mergedWithNext.cut(out, p, findText(s.Replacement))
	}, nil
}
