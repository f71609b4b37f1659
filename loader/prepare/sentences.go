package prepare

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// sentences splits a text. A sentence ends
//
//   - at an end of line;
//   - after 。！？, with the closing quotes and brackets that follow;
//   - after . ! ? …, with those that follow, where white space comes next and
//     then a letter that is not small, a digit, or an opening quote or bracket.
//
// A full stop does not end one after an abbreviation that something follows
// (Mr., e.g., No., Jan.), after a single capital (J. Smith, the U. S. Navy), or
// after letters with stops between (the U.S. Navy, p.m.). A sentence that does
// end so goes on into the next; nothing is lost, and no text is in two.
//
// Sentences come without the white space around them; there is at least one
// where the text is not blank.
func sentences(text string) (list []string) {
	start := 0
	cut := func(end int) {
		if s := strings.TrimSpace(text[start:end]); s != "" {
			list = append(list, s)
		}
		start = end
	}
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRuneInString(text[at:])
		before := text[max(start, at-longestWord):at]
		at += size
		switch r {
		case '\n', '\r', '\u2028', '\u2029':
			cut(at)
		case '。', '！', '？':
			at = afterClosing(text, at)
			cut(at)
		case '.', '!', '?', '…':
			end := afterClosing(text, afterAny(text, at, ".!?…"))
			if begins(text[end:]) && !(r == '.' && end == at && goesOn(before)) {
				cut(end)
			}
			at = end
		}
	}
	cut(len(text))
	return list
}

// longestWord is more than the bytes of any abbreviation.
const longestWord = 64

// afterAny is where the characters of a set end that begin at at.
func afterAny(text string, at int, set string) int {
	return len(text) - len(strings.TrimLeft(text[at:], set))
}

func afterClosing(text string, at int) int {
	return afterAny(text, at, "\"'”’»›)]}」』）")
}

// begins reports whether a sentence can begin after white space.
func begins(rest string) bool {
	next := strings.TrimLeftFunc(rest, unicode.IsSpace)
	if len(next) == len(rest) || next == "" {
		return false
	}
	r, _ := utf8.DecodeRuneInString(next)
	return unicode.IsLetter(r) && !unicode.IsLower(r) || unicode.IsDigit(r) || strings.ContainsRune("\"'“‘«‹([{「『（¿¡", r)
}

// goesOn reports whether a full stop after text does not end its sentence.
func goesOn(text string) bool {
	word := text
	for {
		i := strings.IndexFunc(word, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("([{\"'“‘«", r) })
		if i < 0 {
			break
		}
		_, size := utf8.DecodeRuneInString(word[i:])
		word = word[i+size:]
	}
	if r, size := utf8.DecodeRuneInString(word); size == len(word) && size > 0 {
		return unicode.IsUpper(r) && r != 'I' // as in "so do I."
	}
	if strings.Contains(word, ".") {
		for part := range strings.SplitSeq(word, ".") {
			if r, size := utf8.DecodeRuneInString(part); size != len(part) || !unicode.IsLetter(r) {
				return false
			}
		}
		return true
	}
	switch word {
	case "Mr", "Mrs", "Ms", "Dr", "Prof", "St", "Mt", "Gen", "Col", "Lt", "Sgt", "Capt", "Cmdr", "Adm", "Gov", "Sen", "Rep", "Rev", "Hon", "Pres",
		"Jan", "Feb", "Mar", "Apr", "Jun", "Jul", "Aug", "Sep", "Sept", "Oct", "Nov", "Dec",
		"No", "Nos", "Vol", "Vols", "Fig", "Figs", "Eq", "Ch", "Sec",
		"vol", "fig", "figs", "pp", "ca", "approx", "vs", "cf", "eg", "ie", "al", "viz":
		return true
	}
	return false
}
