package alike

import (
	"strings"
	"unicode"
)

// Normalize returns a text without differences that mean nothing: white space at
// its ends, the kind and the amount of it in between, upper and lower case.
func Normalize(text string) string {
	var out strings.Builder
	out.Grow(len(text))
	space := false
	for _, r := range text {
		if unicode.IsSpace(r) {
			space = true
			continue
		}
		if space && out.Len() > 0 {
			out.WriteByte(' ')
		}
		space = false
		out.WriteRune(fold(r))
	}
	return out.String()
}

// fold maps letters that differ in case to one: by way of the upper case, which
// forms such as ς and ſ share with σ and s.
func fold(r rune) rune {
	if r < unicode.MaxASCII {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	return unicode.ToLower(unicode.ToUpper(r))
}
