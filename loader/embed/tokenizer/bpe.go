package tokenizer

import (
	"container/heap"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// A bpe begins with the characters of a word and puts neighbours together, those
// first that stand first in its list (Sennrich et al., Neural Machine
// Translation of Rare Words with Subword Units, 2016).
type bpe struct {
	words    wordList
	merges   map[[2]int32]merge
	prefix   string // of tokens within a word
	suffix   string // of the last token of a word
	unk      string
	unkID    int32
	fuse     bool // unknown characters in a row are one token
	spell    bool // unknown characters are written with tokens for bytes
	wholeToo bool // a word that is a token is not put together
}

// A merge is what two tokens become, and how early.
type merge struct {
	rank int
	id   int32
}

func readBPE(text json.RawMessage) (model, error) {
	s, err := decode(text, struct {
		Vocab        wordList
		Merges       []json.RawMessage
		Dropout      float64
		Unk          string `json:"unk_token"`
		Prefix       string `json:"continuing_subword_prefix"`
		Suffix       string `json:"end_of_word_suffix"`
		FuseUnk      bool   `json:"fuse_unk"`
		ByteFallback bool   `json:"byte_fallback"`
		IgnoreMerges bool   `json:"ignore_merges"`
	}{})
	if err != nil {
		return nil, err
	}
	if err := s.Vocab.check(); err != nil {
		return nil, err
	}
	if s.Dropout != 0 {
		return nil, errors.New("dropout draws tokens at random, which is for training only: set it to null")
	}
	m := &bpe{
		words: s.Vocab, merges: make(map[[2]int32]merge, len(s.Merges)), prefix: s.Prefix, suffix: s.Suffix,
		unk: s.Unk, unkID: s.Vocab.of(s.Unk), fuse: s.FuseUnk, spell: s.ByteFallback, wholeToo: s.IgnoreMerges,
	}
	rank := 0
	for i, text := range s.Merges {
		pair, err := readMerge(text)
		if err != nil {
			return nil, fmt.Errorf("merges: line %d: %w", i, err)
		}
		if pair[0] == "" { // a comment
			continue
		}
		ids := [3]int32{}
		for j, token := range []string{pair[0], pair[1], pair[0] + strings.TrimPrefix(pair[1], m.prefix)} {
			if ids[j] = s.Vocab.of(token); ids[j] == none {
				return nil, fmt.Errorf("merges: line %d: %q is not in vocab", i, token)
			}
		}
		m.merges[[2]int32{ids[0], ids[1]}] = merge{rank, ids[2]}
		rank++
	}
	return m, nil
}

// readMerge reads a line of the list: ["a", "b"], or "a b" in old files.
func readMerge(text json.RawMessage) (pair [2]string, err error) {
	if strings.HasPrefix(string(text), "[") {
		var parts []string
		if err = json.Unmarshal(text, &parts); err == nil && len(parts) != 2 {
			err = fmt.Errorf("%d tokens, want 2", len(parts))
		}
		if err == nil {
			pair = [2]string(parts)
		}
		return pair, err
	}
	var line string
	if err := json.Unmarshal(text, &line); err != nil {
		return pair, err
	}
	if strings.HasPrefix(line, "#version") {
		return pair, nil
	}
	a, b, ok := strings.Cut(line, " ")
	if !ok || strings.Contains(b, " ") {
		return pair, fmt.Errorf("%q, want two tokens with a space between them", line)
	}
	return [2]string{a, b}, nil
}

func (m *bpe) vocabulary() map[string]int32 { return m.words }
func (m *bpe) size() int32                  { return int32(len(m.words)) }
func (m *bpe) unknown() (string, int32)     { return m.unk, none }

func (m *bpe) tokenize(ids []int32, word string) []int32 {
	if m.wholeToo {
		if id := m.words.of(word); id != none {
			return append(ids, id)
		}
	}
	start := len(ids)
	ids = m.characters(ids, word)
	return ids[:start+m.join(ids[start:])]
}

// characters appends the tokens of a word's characters.
func (m *bpe) characters(ids []int32, word string) []int32 {
	afterUnknown := false
	for i, r := range word {
		end := i + utf8.RuneLen(r)
		char := word[i:end]
		if i > 0 {
			char = m.prefix + char
		}
		if end == len(word) {
			char += m.suffix
		}
		if id := m.words.of(char); id != none {
			ids, afterUnknown = append(ids, id), false
			continue
		}
		if m.spell {
			if spelt, ok := m.bytes(ids, char); ok {
				ids, afterUnknown = spelt, false
				continue
			}
		}
		if m.unkID != none && !(m.fuse && afterUnknown) {
			ids = append(ids, m.unkID)
		}
		afterUnknown = m.unkID != none
	}
	return ids
}

// bytes appends the tokens for bytes, if there is one for each.
func (m *bpe) bytes(ids []int32, char string) ([]int32, bool) {
	for i := range len(char) {
		id := m.words.of(byteToken(char[i]))
		if id == none {
			return nil, false
		}
		ids = append(ids, id)
	}
	return ids, true
}

// A candidate is a pair of neighbours that may be put together.
type candidate struct {
	merge
	left int // place of the left one
}

// candidates is a heap with the earliest merge on top, and of equal ones the
// first in the word.
type candidates []candidate

func (c candidates) Len() int      { return len(c) }
func (c candidates) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c candidates) Less(i, j int) bool {
	return c[i].rank < c[j].rank || c[i].rank == c[j].rank && c[i].left < c[j].left
}
func (c *candidates) Push(x any) { *c = append(*c, x.(candidate)) }
func (c *candidates) Pop() any {
	last := len(*c) - 1
	x := (*c)[last]
	*c = (*c)[:last]
	return x
}

// join puts the tokens of a word together, moves what is left to the front, and
// returns how many that is.
func (m *bpe) join(ids []int32) int {
	n := len(ids)
	next, previous := make([]int, n), make([]int, n) // place of the neighbour; n and -1 beyond the ends
	var queue candidates
	consider := func(left int) {
		if left < 0 || next[left] >= n {
			return
		}
		if to, ok := m.merges[[2]int32{ids[left], ids[next[left]]}]; ok {
			heap.Push(&queue, candidate{to, left})
		}
	}
	for i := range ids {
		next[i], previous[i] = i+1, i-1
	}
	for i := range ids {
		consider(i)
	}
	for len(queue) > 0 {
		c := heap.Pop(&queue).(candidate)
		if ids[c.left] == none || next[c.left] >= n {
			continue
		}
		right := next[c.left]
		if to, ok := m.merges[[2]int32{ids[c.left], ids[right]}]; !ok || to.id != c.id {
			continue // one of them was put together with another since
		}
		ids[c.left], ids[right] = c.id, none
		next[c.left] = next[right]
		if next[right] < n {
			previous[next[right]] = c.left
		}
		consider(previous[c.left])
		consider(c.left)
	}
	left := 0
	for _, id := range ids {
		if id != none {
			ids[left] = id
			left++
		}
	}
	return left
}
