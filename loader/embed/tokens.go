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
	count := func(text string) int {
		n, err := c.Count(text)
		if err != nil { // its regular expression has no time limit, so it does not happen
			return EstimateTokens(text)
		}
		return n
	}
	return func(text string) int {
		n := 0
		for {
			end := longRun(text)
			if end == len(text) {
				return n + count(text)
			}
			n += count(text[:end])
			text = text[end:]
		}
	}
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
