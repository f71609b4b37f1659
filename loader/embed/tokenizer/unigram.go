package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A unigram takes the likeliest tokens that a word can be put together from
// (Kudo, Subword Regularization, 2018), found by Viterbi's algorithm.
type unigram struct {
	words  wordList
	trie   trie
	scores []float64 // logarithm of the probability, by id
	unkID  int32
	unk    float64    // score of an unknown character
	bytes  [256]int32 // ids of the tokens that unknown characters are written with
	spell  bool       // with them
}

// A scored is a token with its score: ["token", -1.5].
type scored struct {
	token string
	score float64
}

func (s *scored) UnmarshalJSON(text []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil {
		return err
	}
	if len(parts) != 2 {
		return fmt.Errorf("vocab holds %s, want tokens with a score", text)
	}
	if err := json.Unmarshal(parts[0], &s.token); err != nil {
		return err
	}
	if err := json.Unmarshal(parts[1], &s.score); err != nil {
		return err
	}
	s.score = asReference(string(parts[1]))
	return nil
}

// asReference reads a number as the reference does: the digits as a whole
// number, times a power of ten. In the last bit that may not be the nearest
// float64, and it decides between cuts that are equally likely.
func asReference(text string) float64 {
	digits, negative := strings.CutPrefix(text, "-")
	digits, power, _ := strings.Cut(strings.ToLower(digits), "e")
	exponent, _ := strconv.Atoi(strings.TrimPrefix(power, "+")) // JSON has been checked; 0 where there is none
	whole, fraction, _ := strings.Cut(digits, ".")
	var n uint64
	for i := range len(whole) + len(fraction) {
		d := uint64((whole + fraction)[i] - '0')
		if n > (math.MaxUint64-d)/10 { // further digits count for their places only
			exponent += max(0, len(whole)-i)
			break
		}
		n = 10*n + d
		if i >= len(whole) {
			exponent--
		}
	}
	x := float64(n)
	for ; exponent < -308 && x > 0; exponent += 308 {
		x /= 1e308
	}
	if x == 0 {
		return 0
	}
	power10, _ := strconv.ParseFloat("1e"+strconv.Itoa(max(exponent, -exponent)), 64)
	if exponent < 0 {
		x /= power10
	} else {
		x *= power10
	}
	if negative {
		x = -x
	}
	return x
}

func readUnigram(text json.RawMessage) (model, error) {
	s, err := decode(text, struct {
		Vocab        []scored
		UnkID        *int64 `json:"unk_id"`
		ByteFallback bool   `json:"byte_fallback"`
	}{})
	if err != nil {
		return nil, err
	}
	if s.Vocab == nil {
		return nil, errors.New("vocab is missing")
	}
	m := &unigram{words: make(wordList, len(s.Vocab)), unkID: none, spell: s.ByteFallback}
	if s.UnkID != nil {
		if *s.UnkID < 0 || *s.UnkID >= int64(len(s.Vocab)) {
			return nil, fmt.Errorf("unk_id is %d, but vocab has %d tokens", *s.UnkID, len(s.Vocab))
		}
		m.unkID = int32(*s.UnkID)
	}
	lowest := math.Inf(1)
	for id, token := range s.Vocab {
		m.words[token.token] = int32(id)
		m.scores = append(m.scores, token.score)
		lowest = min(lowest, token.score)
	}
	const penalty = 10 // of an unknown character, below the least likely token
	m.unk = lowest - penalty
	m.trie = newTrie(m.words)
	for b := range m.bytes {
		m.bytes[b] = m.words.of(byteToken(byte(b)))
	}
	return m, nil
}

// byteToken is the token for a byte, such as <0x0A>.
func byteToken(b byte) string { return fmt.Sprintf("<0x%02X>", b) }

func (m *unigram) vocabulary() map[string]int32 { return m.words }
func (m *unigram) size() int32                  { return int32(len(m.scores)) }
func (m *unigram) unknown() (string, int32)     { return "", m.unkID }

func (m *unigram) tokenize(ids []int32, word string) []int32 {
	// best[i] is the best way to cut word[:i]: its score and its last token.
	type cut struct {
		score float64
		start int32 // of the last token; none where there is no way
		id    int32
	}
	best := make([]cut, len(word)+1)
	for i := range best[1:] {
		best[1+i].start = none
	}
	reach := func(start, end int, id int32, score float64) {
		if to := &best[end]; to.start == none || score > to.score {
			*to = cut{score, int32(start), id}
		}
	}
	for start, r := range word {
		here, single := best[start].score, false
		node := uint32(0)
		for end := start; end < len(word); {
			if m.trie.empty() {
				break
			}
			if node = m.trie.step(node, word[end]); node == 0 {
				break
			}
			end++
			if id := m.trie.id[node]; id != none {
				reach(start, end, id, m.scores[id]+here)
				single = single || end-start == utf8.RuneLen(r)
			}
		}
		if !single {
			reach(start, start+utf8.RuneLen(r), m.unkID, m.unk+here)
		}
	}
	// Backwards, with unknown characters in a row as one.
	start := len(ids)
	for end := len(word); end > 0; {
		c := best[end]
		from := int(c.start)
		if c.id != m.unkID {
			ids = append(ids, c.id)
			end = from
			continue
		}
		for from > 0 && best[from].id == m.unkID {
			from = int(best[from].start)
		}
		ids = m.addUnknown(ids, word[from:end])
		end = from
	}
	slices.Reverse(ids[start:])
	return ids
}

// addUnknown appends what stands for characters that no token fits, last byte
// first.
func (m *unigram) addUnknown(ids []int32, text string) []int32 {
	if !m.trie.empty() {
		if id := m.trie.find(text); id != none {
			return append(ids, id)
		}
	}
	if m.spell {
		start := len(ids)
		for i := range len(text) {
			ids = append(ids, m.bytes[text[len(text)-1-i]])
		}
		if !slices.Contains(ids[start:], none) {
			return ids
		}
		ids = ids[:start]
	}
	if m.unkID == none {
		return ids
	}
	return append(ids, m.unkID)
}
