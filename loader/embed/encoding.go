package embed

import "github.com/tiktoken-go/tokenizer/codec"

// An Encoding is how OpenAI's models cut texts into tokens: in pieces, by a regular
// expression, and each piece by a vocabulary. The zero value is one that we do not
// know. Naming one costs nothing: its vocabulary is built, which takes some tenths
// of a second, when a text is counted.
type Encoding struct {
	Name string

	codec func() *codec.Codec
	piece func(text string) int // how long the first piece of a text is, which is not empty
}

// Cl100k is cl100k_base, which OpenAI's embedding models use.
func Cl100k() Encoding { return Encoding{"cl100k_base", codec.NewCl100kBase, cl100kPiece} }

// O200k is o200k_base, which OpenAI's language models use since GPT-4o.
func O200k() Encoding { return Encoding{"o200k_base", codec.NewO200kBase, o200kPiece} }

// Known reports whether tokens can be counted.
func (e Encoding) Known() bool { return e.codec != nil }
