package tokenizer

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A normalizer rewrites a piece. It keeps p.first as long as the new text begins
// with what the old one began with.
type normalizer func(p piece) piece

// normalizers are the kinds that there are.
func normalizers() map[string]func(json.RawMessage) (normalizer, error) {
	plain := func(n normalizer) func(json.RawMessage) (normalizer, error) {
		return func(json.RawMessage) (normalizer, error) { return n, nil }
	}
	form := func(f norm.Form) func(json.RawMessage) (normalizer, error) {
		return plain(func(p piece) piece {
			p.text = f.String(p.text)
			return p
		})
	}
	return map[string]func(json.RawMessage) (normalizer, error){
		"BertNormalizer": readBertNormalizer,
		"ByteLevel":      readByteLevelText,
		"Lowercase":      plain(lowercase),
		"NFC":            form(norm.NFC),
		"NFD":            form(norm.NFD),
		"NFKC":           form(norm.NFKC),
		"NFKD":           form(norm.NFKD),
		"Nmt":            plain(nmt),
		"Precompiled":    readPrecompiled,
		"Prepend":        readPrepend,
		"Replace":        readReplace,
		"Sequence":       readNormalizers,
		"Strip":          readStrip,
		"StripAccents":   plain(func(p piece) piece { return remove(p, unicode.IsMark) }),
	}
}

func readNormalizers(text json.RawMessage) (normalizer, error) {
	s, err := decode(text, struct{ Normalizers []json.RawMessage }{})
	if err != nil {
		return nil, err
	}
	parts, err := readParts(s.Normalizers, normalizers())
	if err != nil {
		return nil, err
	}
	return func(p piece) piece {
		for _, normalize := range parts {
			p = normalize(p)
		}
		return p
	}, nil
}

func appendRune(b []byte, r rune) []byte { return utf8.AppendRune(b, r) }

// remove takes characters out.
func remove(p piece, drop func(rune) bool) piece {
	i := strings.IndexFunc(p.text, drop)
	if i < 0 {
		return p
	}
	p.first = p.first && i > 0
	p.text = strings.Map(func(r rune) rune {
		if drop(r) {
			return -1
		}
		return r
	}, p.text)
	return p
}

func lowercase(p piece) piece {
	b := make([]byte, 0, len(p.text))
	for _, r := range p.text {
		b = lower(b, r)
	}
	p.text = string(b)
	return p
}

// readBertNormalizer makes the normalizer of BERT: it takes control characters
// out and makes white space plain, puts spaces around ideographs, takes accents
// off, and makes all lower case.
func readBertNormalizer(text json.RawMessage) (normalizer, error) {
	s, err := decode(text, struct {
		Clean     bool  `json:"clean_text"`
		Ideograph bool  `json:"handle_chinese_chars"`
		Accents   *bool `json:"strip_accents"` // as Lower where it is null
		Lower     bool  `json:"lowercase"`
	}{Clean: true, Ideograph: true, Lower: true})
	if err != nil {
		return nil, err
	}
	accents := s.Lower
	if s.Accents != nil {
		accents = *s.Accents
	}
	return func(p piece) piece {
		if s.Clean {
			p = remove(p, func(r rune) bool { return r == 0 || r == utf8.RuneError || isControl(r) })
			p.text = strings.Map(func(r rune) rune {
				if isSpace(r) {
					return ' '
				}
				return r
			}, p.text)
		}
		if s.Ideograph {
			p.text = spaceIdeographs(p.text)
		}
		if accents {
			p.text = norm.NFD.String(p.text)
			p = remove(p, func(r rune) bool { return unicode.Is(unicode.Mn, r) })
		}
		if s.Lower {
			p = lowercase(p)
		}
		return p
	}, nil
}

func spaceIdeographs(text string) string {
	if strings.IndexFunc(text, isIdeograph) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if isIdeograph(r) {
			b.WriteByte(' ')
			b.WriteRune(r)
			b.WriteByte(' ')
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// nmt is how SentencePiece cleans texts for translation.
func nmt(p piece) piece {
	p = remove(p, func(r rune) bool {
		return 1 <= r && r <= 8 || r == 0xb || 0xe <= r && r <= 0x1f || r == 0x7f || r == 0x8f || r == 0x9f
	})
	p.text = strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n', r == '\f', r == '\r', r == 0x1680, 0x200b <= r && r <= 0x200f,
			r == 0x2028, r == 0x2029, r == 0x2581, r == 0xfeff, r == 0xfffd:
			return ' '
		}
		return r
	}, p.text)
	return p
}

func readStrip(text json.RawMessage) (normalizer, error) {
	s, err := decode(text, struct {
		Left  bool `json:"strip_left"`
		Right bool `json:"strip_right"`
	}{})
	return func(p piece) piece {
		if s.Left {
			n := len(p.text)
			p.text = strings.TrimLeftFunc(p.text, isSpace)
			p.first = p.first && len(p.text) == n
		}
		if s.Right {
			p.text = strings.TrimRightFunc(p.text, isSpace)
		}
		return p
	}, err
}

func readPrepend(text json.RawMessage) (normalizer, error) {
	s, err := decode(text, struct{ Prepend string }{})
	return func(p piece) piece {
		if p.text != "" {
			p.text = s.Prepend + p.text
		}
		return p
	}, err
}

func readReplace(text json.RawMessage) (normalizer, error) {
	s, err := decode(text, struct {
		Pattern pattern
		Content string
	}{})
	if err != nil {
		return nil, err
	}
	find, err := s.Pattern.finder()
	if err != nil {
		return nil, err
	}
	if s.Pattern.String != nil && *s.Pattern.String == "" {
		return nil, errors.New("pattern is empty")
	}
	return func(p piece) piece {
		spans := find(p.text)
		if len(spans) < 2 && (len(spans) == 0 || !spans[0].match) {
			return p
		}
		var b strings.Builder
		for i, s2 := range spans {
			part := p.text[s2.start:s2.end]
			if !s2.match {
				b.WriteString(part)
				continue
			}
			b.WriteString(s.Content)
			// What is put in belongs to the last character that was there.
			if i == 0 && (s.Content == "" || utf8.RuneCountInString(part) > 1) {
				p.first = false
			}
		}
		p.text = b.String()
		return p
	}, nil
}
