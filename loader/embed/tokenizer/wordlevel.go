package tokenizer

import "encoding/json"

// A wordLevel knows whole words only.
type wordLevel struct {
	words wordList
	unk   string
}

func readWordLevel(text json.RawMessage) (model, error) {
	s, err := decode(text, struct {
		Vocab wordList
		Unk   string `json:"unk_token"`
	}{Unk: "<unk>"})
	if err != nil {
		return nil, err
	}
	return &wordLevel{s.Vocab, s.Unk}, s.Vocab.check()
}

func (m *wordLevel) vocabulary() map[string]int32 { return m.words }
func (m *wordLevel) size() int32                  { return int32(len(m.words)) }
func (m *wordLevel) unknown() (string, int32)     { return m.unk, none }

func (m *wordLevel) tokenize(ids []int32, word string) []int32 {
	for _, token := range []string{word, m.unk} {
		if id := m.words.of(token); id != none {
			return append(ids, id)
		}
	}
	return ids
}
