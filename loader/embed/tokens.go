package embed

import (
	"unicode"
	"unicode/utf8"

	"github.com/tiktoken-go/tokenizer/codec"
)

// EstimateTokens guesses how many tokens a text has, for models whose vocabulary
// we do not know: one for four bytes of ASCII, one for two of anything else. It
// is right within a third for prose.
func EstimateTokens(text string) int {
	other := 0
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			other++
		}
	}
	return (len(text)-other+3)/4 + (other+1)/2
}

// longestRun is how many bytes without a break the tokenizer is given at once.
// Its time grows with the square of a run's length: 200,000 bytes take half a
// minute.
const longestRun = 512

// Cl100k counts tokens as OpenAI's embedding models do. It is made once and may
// be used by several goroutines. The counts are exact, but for runs of more than
// 512 bytes without a space or a sign, which are counted in pieces.
func Cl100k() func(text string) int {
	c := codec.NewCl100kBase()
	return func(text string) int {
		n := 0
		for text != "" {
			end := pieceEnd(text)
			n += count(c, text[:end])
			text = text[end:]
		}
		return n
	}
}

// CutCl100k shortens texts of more than most tokens to so many, or a few less
// where the border would be within a character, and says whether it did. What is
// not UTF-8 is left alone. It is made once and may be used by several goroutines.
func CutCl100k(most int) func(text string) (cut string, was bool) {
	c := codec.NewCl100kBase()
	return func(text string) (string, bool) {
		if len(text) <= most || !utf8.ValidString(text) { // a token has a byte at least
			return text, false
		}
		left := most
		for at := 0; at < len(text); {
			end := at + pieceEnd(text[at:])
			tokens := encode(c, text[at:end])
			if len(tokens) > left {
				return text[:at+cutAt(c, text[at:end], tokens, left)], true
			}
			left -= len(tokens)
			at = end
		}
		return text, false
	}
}

// cutAt returns where a piece ends that is cut after at most so many of its
// tokens: at the start of a character, and where what is left has no more tokens by
// itself.
func cutAt(c *codec.Codec, piece string, tokens []string, most int) int {
	end := 0
	for _, t := range tokens[:most] {
		end += len(t)
	}
	for n := most; n > 0; n-- {
		if utf8.RuneStart(piece[end]) && count(c, piece[:end]) <= most {
			return end
		}
		end -= len(tokens[n-1])
	}
	return 0
}

// count and encode return the number of tokens and the tokens of a text. An error
// would come from a time limit of the codec's regular expression, which has none.
func count(c *codec.Codec, text string) int {
	n, err := c.Count(text)
	if err != nil {
		return EstimateTokens(text)
	}
	return n
}

func encode(c *codec.Codec, text string) []string {
	_, tokens, err := c.Encode(text)
	if err != nil {
		panic(err)
	}
	return tokens
}

// longPiece is how many bytes the tokenizer is given at once where the text can
// be parted without changing its tokens.
const longPiece = 1 << 13

// pieceEnd returns how much of a text the tokenizer is given at once: up to where
// a run of it gets too long, and else up to a space behind a letter, before which
// a token always ends.
func pieceEnd(text string) int {
	if len(text) > longPiece {
		for i := longPiece; i > 0; i-- {
			if text[i] == ' ' && 'a' <= text[i-1]|0x20 && text[i-1]|0x20 <= 'z' {
				text = text[:i]
				break
			}
		}
	}
	return longRun(text)
}

// longRun returns where a text has to be cut because a run of it is too long, or
// its length.
func longRun(text string) int {
	start := 0
	kind := -1
	for i, r := range text {
		k := kindOf(r)
		if k != kind {
			start, kind = i, k
		}
		if i-start >= longestRun {
			return i
		}
	}
	return len(text)
}

// kindOf tells apart what the tokenizer's regular expression keeps together:
// letters, white space, other signs. Digits it takes three by three.
func kindOf(r rune) int {
	switch {
	case unicode.IsLetter(r):
		return 0
	case unicode.IsSpace(r):
		return 1
	case unicode.IsNumber(r):
		return 2
	}
	return 3
}
