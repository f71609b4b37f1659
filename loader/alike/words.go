package alike

import "slices"

// Words are what a text is compared by, with one other at a time.
type Words []uint64

// WordsOf returns the words of a text.
func WordsOf(text string) Words {
	var s shingler
	return slices.Clip(s.shingles([]byte(text), asIs))
}

// Alike reports whether two texts are. A text without a word is like none.
func (w Words) Alike(other Words) bool {
	if len(w) == 0 || len(other) == 0 {
		return false
	}
	return jaccard(w, other) >= Least
}
