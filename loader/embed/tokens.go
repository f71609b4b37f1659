package embed

import (
	"strings"
	"sync"
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

// longestPiece is how many bytes the tokenizer is given at once. Its time grows
// with the square of a piece's length: 200,000 letters take half a minute.
const longestPiece = 512

// mostPieces is how many different pieces are remembered.
const mostPieces = 1 << 17

// A pieceCounter counts the tokens of pieces, and remembers them: most are words, and
// most words come again. It belongs to one goroutine.
type pieceCounter struct {
	codec *codec.Codec
	piece func(text string) int
	known map[string]int
}

// counters makes pieceCounters where there are too few. The vocabulary is built
// for the first of them.
func (e Encoding) counters() *sync.Pool {
	vocabulary := sync.OnceValue(e.codec)
	return &sync.Pool{New: func() any { return &pieceCounter{vocabulary(), e.piece, map[string]int{}} }}
}

// next returns how long the next piece of a text is, and how many tokens it has.
func (c *pieceCounter) next(text string) (length, tokens int) {
	length = c.piece(text[:min(len(text), 2*longestPiece)])
	if length > longestPiece {
		for length = longestPiece; length > longestPiece-utf8.UTFMax && !utf8.RuneStart(text[length]); length-- {
		}
	}
	piece := text[:length]
	if n, ok := c.known[piece]; ok {
		return length, n
	}
	n, err := c.codec.Count(piece)
	if err != nil { // its regular expression has no time limit, so it does not happen
		n = EstimateTokens(piece)
	}
	if len(c.known) >= mostPieces {
		clear(c.known)
	}
	c.known[strings.Clone(piece)] = n
	return length, n
}

// Counter returns what counts the tokens of a text. It may be used by several
// goroutines. The counts are exact, but for runs of more than 512 bytes without a
// space or a sign, which are counted in pieces.
func (e Encoding) Counter() func(text string) int {
	pool := e.counters()
	return func(text string) int {
		c := pool.Get().(*pieceCounter)
		defer pool.Put(c)
		total := 0
		for text != "" {
			length, tokens := c.next(text)
			total += tokens
			text = text[length:]
		}
		return total
	}
}

// Cutter returns what shortens texts of more than most tokens to so many, or a few
// less where the border would be within a character, and says whether it did. What
// is not UTF-8 is left alone. It may be used by several goroutines.
func (e Encoding) Cutter(most int) func(text string) (cut string, was bool) {
	pool := e.counters()
	return func(text string) (string, bool) {
		if len(text) <= most || !utf8.ValidString(text) { // a token has a byte at least
			return text, false
		}
		c := pool.Get().(*pieceCounter)
		defer pool.Put(c)
		left := most
		for at := 0; at < len(text); {
			length, tokens := c.next(text[at:])
			if tokens > left {
				return text[:at+c.cutAt(text[at:at+length], left)], true
			}
			left -= tokens
			at += length
		}
		return text, false
	}
}

// cutAt returns where a piece ends that is cut after at most so many of its
// tokens: at the start of a character, and where what is left has no more tokens by
// itself.
func (c *pieceCounter) cutAt(piece string, most int) int {
	_, tokens, err := c.codec.Encode(piece)
	if err != nil {
		return 0
	}
	end := 0
	for _, t := range tokens[:most] {
		end += len(t)
	}
	for n := most; n > 0; n-- {
		if utf8.RuneStart(piece[end]) {
			if again, err := c.codec.Count(piece[:end]); err == nil && again <= most {
				return end
			}
		}
		end -= len(tokens[n-1])
	}
	return 0
}
