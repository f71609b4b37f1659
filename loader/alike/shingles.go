// Package alike finds texts that are almost the same, in different splits.
//
// Two texts are alike where their sets of shingles, runs of three words, have a
// Jaccard similarity of at least 0.8: Broder, On the Resemblance and Containment
// of Documents, 1997. Words are compared without case, punctuation and the
// forms of letters that Unicode's NFKC folds. Of fewer than three words all must
// be the same. The search is exact.
package alike

import (
	"slices"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	// ShingleWords is the number of words of a shingle.
	ShingleWords = 3
	// Least is the Jaccard similarity from which on texts are alike.
	Least = 0.8
)

// A shingler makes sets of shingles. It keeps memory from text to text.
type shingler struct {
	folded []byte
	words  []uint64
	set    []uint64
}

// shingles returns the set of a text's shingles as ascending numbers, which rank
// makes of their hashes, valid until the next call. It is empty where the text
// has no word.
func (s *shingler) shingles(text []byte, rank func(hash uint64) uint64) []uint64 {
	s.split(text)
	s.set = s.set[:0]
	if n := len(s.words); n > 0 {
		for i := range max(1, n-ShingleWords+1) {
			s.set = append(s.set, rank(hashAll(s.words[i:min(i+ShingleWords, n)])))
		}
	}
	slices.Sort(s.set)
	s.set = slices.Compact(s.set)
	return s.set
}

// split hashes the words of a text: runs of letters, marks and digits. A letter
// of a script that puts no space between words is a word.
func (s *shingler) split(text []byte) {
	if !isASCII(text) && !norm.NFKC.IsNormal(text) {
		s.folded = norm.NFKC.Append(s.folded[:0], text...)
		text = s.folded
	}
	s.words = s.words[:0]
	word := uint64(fnvOffset)
	open := false
	end := func() {
		if open {
			s.words = append(s.words, word)
		}
		word, open = fnvOffset, false
	}
	for len(text) > 0 {
		r, size := rune(text[0]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(text)
		}
		text = text[size:]
		if !inWord(r) {
			end()
			continue
		}
		alone := r >= firstUnspaced && unicode.In(r, unspaced...)
		if alone {
			end()
		}
		word, open = (word^uint64(unicode.ToLower(r)))*fnvPrime, true
		if alone {
			end()
		}
	}
	end()
}

func inWord(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	return unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r)
}

const firstUnspaced = 0x0e00 // Thai

// unspaced are the scripts without spaces between words.
var unspaced = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan}

func isASCII(text []byte) bool {
	for _, b := range text {
		if b >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

// hashAll hashes numbers in order (the finaliser is that of MurmurHash3).
func hashAll(words []uint64) uint64 {
	h := uint64(len(words))
	for _, w := range words {
		h ^= w
		h ^= h >> 33
		h *= 0xff51afd7ed558ccd
		h ^= h >> 33
		h *= 0xc4ceb9fe1a85ec53
		h ^= h >> 33
	}
	return h
}

// jaccard is |a ∩ b| / |a ∪ b| of ascending sets.
func jaccard(a, b []uint64) float64 {
	both := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			both++
			i++
			j++
		case a[i] < b[j]:
			i++
		default:
			j++
		}
	}
	return float64(both) / float64(len(a)+len(b)-both)
}
