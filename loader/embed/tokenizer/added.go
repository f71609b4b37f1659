package tokenizer

import (
	"maps"
	"strings"
	"unicode/utf8"
)

// An addedToken is found in the text before the model sees it.
type addedToken struct {
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"` // not within a word
	LeftStrip  bool   `json:"lstrip"`      // takes the white space before it
	RightStrip bool   `json:"rstrip"`      // takes the white space after it
	Normalized bool   `json:"normalized"`  // is normalised, and looked for in the normalised text
}

// add makes the vocabulary, with the added tokens. One that the model does not
// know gets the next id, whatever the file says, as in the reference.
func (t *Tokenizer) add(tokens []addedToken) {
	t.vocabulary = maps.Clone(t.model.vocabulary())
	next := t.model.size()
	byID := map[int32]addedToken{}
	for _, a := range tokens {
		if a.Content == "" {
			continue
		}
		id, ok := t.vocabulary[a.Content]
		if !ok {
			id = next
			next++
			t.vocabulary[a.Content] = id
		}
		byID[id] = a
	}
	raw, normalized := map[string]int32{}, map[string]int32{}
	for id, a := range byID {
		to, text := raw, a.Content
		if a.Normalized {
			to = normalized
			if t.normalize != nil {
				text = t.normalize(piece{text: text, id: none, first: true}).text
			}
		}
		if old, ok := to[text]; text != "" && (!ok || id < old) {
			to[text] = id
		}
	}
	t.raw, t.normalized = matcher{newTrie(raw), byID}, matcher{newTrie(normalized), byID}
}

// A matcher finds added tokens: at each place the longest one, from left to
// right.
type matcher struct {
	trie   trie
	tokens map[int32]addedToken
}

// split appends the parts of a piece: added tokens, and what is between them.
func (m matcher) split(out []piece, p piece) []piece {
	done := 0 // bytes that are in out
	for at := 0; at < len(p.text) && !m.trie.empty(); {
		id, n := m.trie.longest(0, p.text[at:])
		if id == none {
			at++
			continue
		}
		start, end := at, at+n
		at = end
		token := m.tokens[id]
		if token.SingleWord && (endsInWord(p.text[:start]) || beginsWithWord(p.text[end:])) {
			continue
		}
		if token.LeftStrip {
			start = max(done, len(strings.TrimRightFunc(p.text[:start], isSpace)))
		}
		if token.RightStrip {
			end = len(p.text) - len(strings.TrimLeftFunc(p.text[end:], isSpace))
		}
		if done < start {
			out = append(out, p.cut(done, start))
		}
		out = append(out, piece{id: id})
		// The next match is looked for behind this one, not behind the white space
		// that it took.
		done = end
	}
	if done < len(p.text) {
		out = append(out, p.cut(done, len(p.text)))
	}
	return out
}

// cut is a part of a piece.
func (p piece) cut(start, end int) piece {
	return piece{text: p.text[start:end], id: none, first: p.first && start == 0}
}

func endsInWord(text string) bool {
	r, n := utf8.DecodeLastRuneInString(text)
	return n > 0 && isWord(r)
}

func beginsWithWord(text string) bool {
	r, n := utf8.DecodeRuneInString(text)
	return n > 0 && isWord(r)
}
