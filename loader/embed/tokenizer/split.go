package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// A span is a part of a text: what a pattern matches, or what is between two
// matches.
type span struct {
	start, end int // in bytes
	match      bool
}

// A finder cuts a text into spans, which cover it in order.
type finder func(text string) []span

// A pattern is either a text or a regular expression.
type pattern struct {
	String *string
	Regex  *string
}

func (p pattern) finder() (finder, error) {
	switch {
	case p.String != nil:
		return findText(*p.String), nil
	case p.Regex != nil:
		return findRegexp(*p.Regex)
	}
	return nil, errors.New("pattern is neither a String nor a Regex")
}

func findText(what string) finder {
	return func(text string) (spans []span) {
		at := 0
		for what != "" {
			i := strings.Index(text[at:], what)
			if i < 0 {
				break
			}
			spans = addMatch(spans, at+i, at+i+len(what))
			at += i + len(what)
		}
		return addRest(spans, len(text))
	}
}

// findRegexp takes the expressions of regexp2, since those of tokenizers look
// ahead, which Go's cannot.
func findRegexp(expression string) (finder, error) {
	translated, err := translate(expression)
	if err != nil {
		return nil, fmt.Errorf("the regular expression %q is not supported: %w", expression, err)
	}
	r, err := regexp2.Compile(translated, regexp2.Multiline)
	if err != nil {
		return nil, fmt.Errorf("the regular expression %q is not supported: %w", expression, err)
	}
	return func(text string) (spans []span) {
		byteAt, runeAt := 0, 0 // regexp2 counts in characters
		advance := func(runes int) int {
			for ; runeAt < runes; runeAt++ {
				_, n := utf8.DecodeRuneInString(text[byteAt:])
				byteAt += n
			}
			return byteAt
		}
		// An error would be that a time limit passed, and there is none.
		for m, _ := r.FindStringMatch(text); m != nil; m, _ = r.FindNextMatch(m) {
			start := advance(m.Index)
			spans = addMatch(spans, start, advance(m.Index+m.Length))
		}
		return addRest(spans, len(text))
	}, nil
}

// translate writes an expression of Oniguruma, the reference's library, as one of
// regexp2: a word has other characters there. What they read differently is an
// error.
func translate(expression string) (string, error) {
	const word = `\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}²³¹¼-¾Ⓐ-ⓩ`
	var b strings.Builder
	class := false
	for i := 0; i < len(expression); i++ {
		c := expression[i]
		switch {
		case c == '\\' && i+1 < len(expression):
			i++
			switch escaped := expression[i]; {
			case escaped == 'w' && class:
				b.WriteString(word)
			case escaped == 'w':
				b.WriteString("[" + word + "]")
			case escaped == 'W' && class:
				return "", errors.New(`\W stands in a class`)
			case escaped == 'W':
				b.WriteString("[^" + word + "]")
			default:
				b.WriteByte(c)
				b.WriteByte(escaped)
			}
			continue
		case c == '[' && class:
			return "", errors.New("a class stands in a class")
		case c == '&' && class && strings.HasPrefix(expression[i:], "&&"):
			return "", errors.New("classes intersect")
		case c == '[':
			class = true
		case c == ']':
			class = false
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

// findRunes matches each character of a kind by itself.
func findRunes(is func(rune) bool) finder {
	return func(text string) (spans []span) {
		for i, r := range text {
			if is(r) {
				spans = addMatch(spans, i, i+utf8.RuneLen(r))
			}
		}
		return addRest(spans, len(text))
	}
}

// addMatch appends a match, and what is between it and the one before.
func addMatch(spans []span, start, end int) []span {
	spans = addRest(spans, start)
	return append(spans, span{start, end, true})
}

// addRest appends what is between the last span and end.
func addRest(spans []span, end int) []span {
	start := 0
	if len(spans) > 0 {
		start = spans[len(spans)-1].end
	}
	if start < end {
		spans = append(spans, span{start, end, false})
	}
	return spans
}

// invert matches what is between the matches.
func (f finder) invert() finder {
	return func(text string) []span {
		spans := f(text)
		for i := range spans {
			spans[i].match = !spans[i].match
		}
		return spans
	}
}

// A behavior says what happens to the matches that a text is cut at.
type behavior string

const (
	removed            behavior = "Removed"
	isolated           behavior = "Isolated"
	mergedWithPrevious behavior = "MergedWithPrevious"
	mergedWithNext     behavior = "MergedWithNext"
	contiguous         behavior = "Contiguous"
)

func (b *behavior) UnmarshalJSON(text []byte) error {
	var name string
	if err := json.Unmarshal(text, &name); err != nil {
		return err
	}
	switch *b = behavior(name); *b {
	case removed, isolated, mergedWithPrevious, mergedWithNext, contiguous:
		return nil
	}
	return fmt.Errorf("behavior is %q, want Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous", name)
}

// cut appends the parts of a piece between and of the spans that a finder finds.
func (b behavior) cut(out []piece, p piece, find finder) []piece {
	spans := find(p.text)
	switch b {
	case contiguous:
		spans = join(spans, func(s, previous span) bool { return s.match == previous.match })
	case mergedWithPrevious: // of several matches in a row, the first
		spans = join(spans, func(s, previous span) bool { return s.match && !previous.match })
	case mergedWithNext: // of several matches in a row, the last
		spans = join(spans, func(s, previous span) bool { return previous.match && !s.match })
	}
	for _, s := range spans {
		if s.start < s.end && (b != removed || !s.match) {
			out = append(out, p.cut(s.start, s.end))
		}
	}
	return out
}

// join puts spans together with the ones before them.
func join(spans []span, together func(s, previous span) bool) []span {
	var joined []span
	for i, s := range spans {
		if i > 0 && together(s, spans[i-1]) {
			joined[len(joined)-1].end = s.end
			continue
		}
		joined = append(joined, s)
	}
	return joined
}
