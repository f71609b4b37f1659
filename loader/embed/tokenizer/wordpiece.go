package tokenizer

import (
	"encoding/json"
	"unicode/utf8"
)

// A wordPiece takes at each place of a word the longest token that fits (Wu et
// al., Google's Neural Machine Translation System, 2016). Tokens within a word
// begin with a prefix in the vocabulary. A word that cannot be cut so, or is too
// long, is the unknown token.
type wordPiece struct {
	words   wordList
	trie    trie
	inside  uint32 // node of the prefix; 0 where no token begins with it
	prefix  string
	unk     string
	unkID   int32
	longest int // word, in characters
}

func readWordPiece(text json.RawMessage) (model, error) {
	s, err := decode(text, struct {
		Vocab   wordList
		Unk     string `json:"unk_token"`
		Prefix  string `json:"continuing_subword_prefix"`
		Longest int    `json:"max_input_chars_per_word"`
	}{Unk: "[UNK]", Prefix: "##", Longest: 100})
	if err != nil {
		return nil, err
	}
	if err := s.Vocab.check(); err != nil {
		return nil, err
	}
	m := &wordPiece{
		words: s.Vocab, trie: newTrie(s.Vocab), prefix: s.Prefix,
		unk: s.Unk, unkID: s.Vocab.of(s.Unk), longest: s.Longest,
	}
	if !m.trie.empty() {
		m.inside = m.trie.walk(s.Prefix)
	}
	return m, nil
}

func (m *wordPiece) vocabulary() map[string]int32 { return m.words }
func (m *wordPiece) size() int32                  { return int32(len(m.words)) }
func (m *wordPiece) unknown() (string, int32)     { return m.unk, none }

func (m *wordPiece) tokenize(ids []int32, word string) []int32 {
	start := len(ids)
	if m.trie.empty() || len(word) > m.longest && utf8.RuneCountInString(word) > m.longest {
		return m.addUnknown(ids)
	}
	node := uint32(0)
	for word != "" {
		id, n := m.trie.longest(node, word)
		if id == none {
			return m.addUnknown(ids[:start])
		}
		ids = append(ids, id)
		word = word[n:]
		if node = m.inside; node == 0 && m.prefix != "" && word != "" {
			return m.addUnknown(ids[:start])
		}
	}
	return ids
}

func (m *wordPiece) addUnknown(ids []int32) []int32 {
	if m.unkID == none {
		return ids
	}
	return append(ids, m.unkID)
}
