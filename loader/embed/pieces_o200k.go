package embed

import (
	"cmp"
	"unicode"
	"unicode/utf8"
)

// o200kPiece returns how long the first piece of a text is, which is not empty. It
// is o200k_base's regular expression. Words of capitals and small letters are its
// first two alternatives, and the others are those of cl100k_base:
//
//	[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//	[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//	\p{N}{1,3}
//	 ?[^\s\p{L}\p{N}]+[\r\n/]*
//	\s*[\r\n]+
//	\s+(?!\S)
//	\s+
func o200kPiece(text string) int {
	if n := word(text); n > 0 {
		if n < len(text) {
			n += contraction(text[n:])
		}
		return n
	}
	if n := numbers(text); n > 0 {
		return n
	}
	if n := signsAndLines(text, "\r\n/"); n > 0 {
		return n
	}
	return spaces(text)
}

// word returns the length of the word that a text begins with, or 0. One character
// that is neither letter nor number nor the end of a line may go before it.
func word(text string) int {
	r, size := utf8.DecodeRuneInString(text)
	if unicode.IsLetter(r) {
		small, capitals := mixedLetters(text)
		return cmp.Or(small, capitals)
	}
	if r == '\r' || r == '\n' || unicode.IsNumber(r) {
		return 0
	}
	small, capitals := mixedLetters(text[size:])
	switch {
	case small > 0:
		return size + small
	case unicode.IsMark(r): // the first alternative takes it for a word before the second is tried
		return size
	case capitals > 0:
		return size + capitals
	}
	return 0
}

// mixedLetters returns how many bytes at the front of a text are capitals and then
// small letters, of which there is one at least, and how many are capitals alone; 0
// where there are none. Letters without case, and marks, are either: where
// no small letter follows the capitals, the last of these serves as one.
func mixedLetters(text string) (small, capitals int) {
	capital := true
	for i, r := range text {
		isCapital, isSmall := letterCase(r)
		capital = capital && isCapital
		switch {
		case capital:
			capitals = i + utf8.RuneLen(r)
		case !isSmall:
			return small, capitals
		}
		if isSmall {
			small = i + utf8.RuneLen(r)
		}
	}
	return small, capitals
}

// letterCase reports what a character can be in o200k_base's words.
func letterCase(r rune) (capital, small bool) {
	switch {
	case r < utf8.RuneSelf:
		return 'A' <= r && r <= 'Z', 'a' <= r && r <= 'z'
	case unicode.IsLower(r):
		return false, true
	case unicode.IsUpper(r), unicode.IsTitle(r):
		return true, false
	}
	caseless := unicode.IsLetter(r) || unicode.IsMark(r)
	return caseless, caseless
}
