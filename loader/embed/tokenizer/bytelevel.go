package tokenizer

import (
	"encoding/json"
	"strings"
)

// byteChars gives each byte a character that can be seen, as GPT-2 does: the
// printable ones of Latin-1 stand for themselves, the others follow from U+0100.
func byteChars() (chars [256]rune) {
	next := rune(256)
	for b := range chars {
		if '!' <= b && b <= '~' || 0xa1 <= b && b <= 0xac || 0xae <= b {
			chars[b] = rune(b)
			continue
		}
		chars[b] = next
		next++
	}
	return chars
}

// byteText writes the bytes of a text as characters.
func byteText(chars *[256]rune, text string) string {
	b := make([]byte, 0, 2*len(text))
	for i := range len(text) {
		b = appendRune(b, chars[text[i]])
	}
	return string(b)
}

func readByteLevelText(json.RawMessage) (normalizer, error) {
	chars := byteChars()
	return func(p piece) piece {
		p.text = byteText(&chars, p.text)
		return p
	}, nil
}

// gpt2Words is how GPT-2 cuts a text into words
// (https://github.com/openai/gpt-2/blob/master/src/encoder.py).
const gpt2Words = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

// readByteLevel makes the splitter of GPT-2, which also writes bytes as
// characters.
func readByteLevel(text json.RawMessage) (splitter, error) {
	s, err := decode(text, struct {
		PrefixSpace bool `json:"add_prefix_space"`
		Regex       bool `json:"use_regex"`
	}{PrefixSpace: true, Regex: true})
	if err != nil {
		return nil, err
	}
	find, err := findRegexp(gpt2Words)
	if err != nil {
		return nil, err
	}
	chars := byteChars()
	return func(out []piece, p piece) []piece {
		if s.PrefixSpace && !strings.HasPrefix(p.text, " ") {
			p.text = " " + p.text
		}
		n := len(out)
		if s.Regex {
			out = isolated.cut(out, p, find)
		} else {
			out = append(out, p)
		}
		for i := range out[n:] {
			out[n+i].text = byteText(&chars, out[n+i].text)
		}
		return out
	}, nil
}
