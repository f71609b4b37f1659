package embed

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// cl100kPiece returns how long the first piece of a text is, which is not empty.
// The tokenizer makes tokens of each piece by itself. It is cl100k_base's regular
// expression, whose alternatives are tried in this order:
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)
//	[^\r\n\p{L}\p{N}]?\p{L}+
//	\p{N}{1,3}
//	 ?[^\s\p{L}\p{N}]+[\r\n]*
//	\s*[\r\n]+
//	\s+(?!\S)
//	\s+
func cl100kPiece(text string) int {
	r, size := utf8.DecodeRuneInString(text)
	switch {
	case unicode.IsLetter(r):
		return size + letters(text[size:])
	case unicode.IsNumber(r):
		return numbers(text)
	}
	if n := contraction(text); n > 0 {
		return n
	}
	if r != '\r' && r != '\n' {
		if n := letters(text[size:]); n > 0 {
			return size + n
		}
	}
	if n := signsAndLines(text, "\r\n"); n > 0 {
		return n
	}
	return spaces(text)
}

// signsAndLines returns the length of signs, after at most one blank, and of the
// tail that follows them, or 0 where there are no signs.
func signsAndLines(text, tail string) int {
	start := 0
	if text[0] == ' ' {
		start = 1
	}
	n := signs(text[start:])
	if n == 0 {
		return 0
	}
	end := start + n
	for end < len(text) && strings.IndexByte(tail, text[end]) >= 0 {
		end++
	}
	return end
}

// contraction returns the length of an English one at the front of a text, or 0.
func contraction(text string) int {
	if text[0] != '\'' {
		return 0
	}
	for _, c := range []string{"s", "t", "re", "ve", "m", "ll", "d"} {
		if len(text) > len(c) && strings.EqualFold(text[1:1+len(c)], c) {
			return 1 + len(c)
		}
	}
	return 0
}

// letters and signs return how many bytes of them a text begins with. Signs are
// neither letters nor numbers nor white space.
func letters(text string) int {
	for i, r := range text {
		if r < utf8.RuneSelf {
			if c := r | 0x20; c < 'a' || c > 'z' {
				return i
			}
		} else if !unicode.IsLetter(r) {
			return i
		}
	}
	return len(text)
}

func signs(text string) int {
	for i, r := range text {
		if unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsSpace(r) {
			return i
		}
	}
	return len(text)
}

// numbers returns the length of the first three of them at most.
func numbers(text string) int {
	n := 0
	for i, r := range text {
		if n == 3 || !unicode.IsNumber(r) {
			return i
		}
		n++
	}
	return len(text)
}

// spaces returns the length of the piece that begins with white space: up to its
// last end of a line, else without the last space, which belongs to what follows.
func spaces(text string) int {
	line, last := 0, 0 // behind the last end of a line; where the last space begins
	for i, r := range text {
		if !unicode.IsSpace(r) {
			switch {
			case line > 0:
				return line
			case last > 0:
				return last
			}
			return i
		}
		last = i
		if r == '\r' || r == '\n' {
			line = i + 1
		}
	}
	if line > 0 {
		return line
	}
	return len(text)
}
