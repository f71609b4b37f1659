package embed

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/cosfit/cosfit/loader"
)

// A Space is everything that decides what a text's vector is. Vectors of one
// space can be compared, and those of two can not.
type Space struct {
	Provider string // such as "openai"
	Model    string // such as "text-embedding-3-small"
	// Dimensions is the length of the vectors; 0 means what the model has by
	// itself, which is unknown until its first answer.
	Dimensions int
	// Prompt is what the model is told beside the text: a prefix ("query: ") or
	// an input type. "" means nothing.
	Prompt string
}

func (s Space) String() string {
	text := s.Provider + " " + s.Model
	if s.Dimensions > 0 {
		text += fmt.Sprintf(", %d dimensions", s.Dimensions)
	}
	if s.Prompt != "" {
		text += fmt.Sprintf(", prompt %q", s.Prompt)
	}
	return text
}

// A Provider turns texts into vectors. Several calls of Embed may run at once.
type Provider interface {
	// Space says whose vectors they are.
	Space() Space
	// Limits says how much one request may hold.
	Limits() Limits
	// Embed returns a vector for each text, in their order, which belong to the
	// caller. Its errors say what can be done about them: see RetryError,
	// LimitError, TooLargeError and RejectedError. Any other ends the run.
	Embed(ctx context.Context, texts []string) (Answer, error)
}

// Limits bound a request. Zero means without a bound.
type Limits struct {
	Texts      int // in a request
	Tokens     int // in a request, over all texts
	TextTokens int // of one text
}

// An Answer is what a request brings.
type Answer struct {
	Vectors [][]float32 // [texts][Dimensions]
	// Bad says why texts cannot be embedded, by their numbers. A provider that
	// knows it of single texts leaves their vectors nil. May be nil.
	Bad    map[int]error
	Tokens int  // that the provider counted, and bills; 0 where it does not say
	Rate   Rate // what the provider said that it allows
}

// A Rate is what a provider allows in a minute. Zero means that it does not say.
type Rate struct {
	Requests int
	Tokens   int
	// Wait is how long no further request is welcome, where little is left of
	// the minute.
	Wait time.Duration
}

// A Text is what is embedded.
type Text struct {
	ID   string // hex of the first 16 bytes of the text's SHA-256: loader.TextID
	Text string
}

// NewText returns a text with its id.
func NewText(text string) Text { return Text{ID: loader.TextID(text), Text: text} }

// A Store keeps the vectors of one space by text id. It is safe for concurrent
// use.
type Store interface {
	// Missing returns the ids without a vector, in their order. Many at once are
	// far cheaper than one by one.
	Missing(ids []string) ([]string, error)
	// Append keeps vectors of equal length, one for each id. Once it returns, no end
	// of the process loses them. It does not keep the slices.
	Append(ids []string, vectors [][]float32) error
}

// A Claimer is a Store that several processes fill at once. A run claims texts
// before it looks a last time whether the store has them, and releases them once
// they are kept or given up, so that no two runs buy a text.
type Claimer interface {
	// Claim returns those ids, in their order, that nobody else claims, and
	// claims them.
	Claim(ids []string) ([]string, error)
	Release(ids []string) error
}

// Texts are a sequence of texts that may be gone through more than once. An
// error ends it.
type Texts = iter.Seq2[Text, error]
