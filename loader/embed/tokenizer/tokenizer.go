// Package tokenizer cuts texts into tokens as a tokenizer.json says, the file in
// which Hugging Face's library tokenizers keeps a tokenizer.
//
// A text passes five stages. Added tokens, such as [MASK], are found in the text
// as it is. The normalizer rewrites what is between them; other added tokens are
// found in that. The pre-tokenizer cuts the rest into words, and the model cuts
// words into tokens: WordPiece, Unigram, BPE or WordLevel. What comes after, the
// tokens that begin and end a sequence, and padding, is not for us.
//
// The results are those of the library, with three exceptions: characters that
// Unicode knows since version 9 may have another category there, marks beyond
// the thirtieth on one letter are normalised in groups, and patterns are those
// of regexp2, which has no possessive quantifiers.
package tokenizer

import (
	"strings"
)

// A Tokenizer cuts texts into tokens. It does not change, so any number of
// goroutines may use it.
type Tokenizer struct {
	raw        matcher    // added tokens, looked for in the text as it is
	normalize  normalizer // nil for none
	normalized matcher    // added tokens, looked for in the normalised text
	split      splitter   // nil for none
	model      model

	vocabulary map[string]int32
	unknown    int32
}

// A model cuts a word into tokens.
type model interface {
	// tokenize appends the ids of the tokens of a word, which is not empty. What
	// is not in the vocabulary is the unknown token, or nothing where there is no
	// such token.
	tokenize(ids []int32, word string) []int32
	// vocabulary is all tokens that the model knows.
	vocabulary() map[string]int32
	// size is where the ids of added tokens begin.
	size() int32
	// unknown is the text of the unknown token, or its id where it has no text of
	// its own; "" and -1 where there is none.
	unknown() (string, int32)
}

// A piece is a part of a text.
type piece struct {
	text  string
	id    int32 // of an added token, else none
	first bool  // it begins where the text does
}

// none is the id of no token.
const none = -1

// Encode appends the ids of a text's tokens, of the first most of them; a
// negative number means all. Bytes that are not UTF-8 count as U+FFFD.
func (t *Tokenizer) Encode(ids []int32, text string, most int) []int32 {
	start := len(ids)
	full := func() bool { return most >= 0 && len(ids)-start >= most }
	whole := piece{text: strings.ToValidUTF8(text, "\uFFFD"), id: none, first: true}
	var words []piece
	for _, p := range t.raw.split(nil, whole) {
		for _, q := range t.expand(p) {
			if q.id != none {
				ids = append(ids, q.id)
				continue
			}
			words = append(words[:0], q)
			if t.split != nil {
				words = t.split(words[:0], q)
			}
			for _, w := range words {
				if full() {
					return ids[:start+most]
				}
				if w.text != "" {
					ids = t.model.tokenize(ids, w.text)
				}
			}
		}
	}
	if full() {
		ids = ids[:start+most]
	}
	return ids
}

// expand normalises a piece and finds the added tokens that it then has.
func (t *Tokenizer) expand(p piece) []piece {
	if p.id != none || p.text == "" {
		return []piece{p}
	}
	if t.normalize != nil {
		p = t.normalize(p)
	}
	return t.normalized.split(nil, p)
}

// Vocabulary is all tokens with their ids. It must not be changed.
func (t *Tokenizer) Vocabulary() map[string]int32 { return t.vocabulary }

// Unknown is the id of the token for what is not in the vocabulary, or -1.
func (t *Tokenizer) Unknown() int32 { return t.unknown }
