package tokenizer

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
)

// A charMap is SentencePiece's compiled table of what characters become: a
// double array (Aoe, An Efficient Digital Search Algorithm by Using a
// Double-Array Structure, 1989), as Darts-clone packs it, and the texts, each
// ended by a zero.
type charMap struct {
	units []uint32
	texts []byte
}

func readPrecompiled(text json.RawMessage) (normalizer, error) {
	s, err := decode(text, struct {
		Map []byte `json:"precompiled_charsmap"`
	}{})
	if err != nil {
		return nil, err
	}
	if len(s.Map) < 4 {
		return nil, fmt.Errorf("precompiled_charsmap has %d bytes, too few", len(s.Map))
	}
	n, rest := binary.LittleEndian.Uint32(s.Map), s.Map[4:]
	if int64(n) > int64(len(rest)) || n%4 != 0 {
		return nil, fmt.Errorf("precompiled_charsmap: the table is %d bytes by its own account, but %d follow", n, len(rest))
	}
	m := charMap{texts: rest[n:]}
	for table := rest[:n]; len(table) > 0; table = table[4:] {
		m.units = append(m.units, binary.LittleEndian.Uint32(table))
	}
	if !utf8.Valid(m.texts) {
		return nil, fmt.Errorf("precompiled_charsmap: its texts are not UTF-8")
	}
	return func(p piece) piece {
		p.text = m.rewrite(p.text)
		return p
	}, nil
}

// rewrite replaces short graphemes that the table has, and else characters.
func (m *charMap) rewrite(text string) string {
	const longest = 5 // bytes of a grapheme that is looked up whole, as in the reference
	b := make([]byte, 0, len(text))
	for segments := graphemes.FromString(text); segments.Next(); {
		grapheme := segments.Value()
		if len(grapheme) <= longest {
			if to, ok := m.find(grapheme); ok {
				b = append(b, to...)
				continue
			}
		}
		for i, r := range grapheme {
			char := grapheme[i : i+utf8.RuneLen(r)]
			if to, ok := m.find(char); ok {
				b = append(b, to...)
				continue
			}
			b = append(b, char...)
		}
	}
	return string(b)
}

// find looks for the shortest beginning of a text that is in the table. That it
// is the shortest, and may be less than the text, is the reference's way.
func (m *charMap) find(text string) (to []byte, ok bool) {
	unit, at := m.unit(0), uint32(0)
	at ^= offset(unit)
	for i := range len(text) {
		c := uint32(text[i])
		if c == 0 {
			break
		}
		at ^= c
		unit = m.unit(at)
		const label = 1<<31 | 0xff
		if unit&label != c {
			break
		}
		at ^= offset(unit)
		const hasLeaf = 1 << 8
		if unit&hasLeaf != 0 {
			return m.text(m.unit(at) & (1<<31 - 1)), true
		}
	}
	return nil, false
}

// unit is one of the table, or none where a broken table points outside.
func (m *charMap) unit(at uint32) uint32 {
	if int64(at) >= int64(len(m.units)) {
		return 1 << 31 // the label of no byte
	}
	return m.units[at]
}

// offset is how far from a unit its children are.
func offset(unit uint32) uint32 { return unit >> 10 << ((unit & (1 << 9)) >> 6) }

// text is the one that begins at a place.
func (m *charMap) text(at uint32) []byte {
	if int64(at) >= int64(len(m.texts)) {
		return nil
	}
	for end := at; int(end) < len(m.texts); end++ {
		if m.texts[end] == 0 {
			return m.texts[at:end]
		}
	}
	return m.texts[at:]
}
