package embed

// A model is what is known about a model by its name. The zero value is one that
// we do not know.
type model struct {
	Dimensions int     // of its vectors, by itself
	Price      float64 // US dollars for a million tokens
	Encoding   Encoding
}

// PriceDate is the month whose prices these are: OpenAI's list prices without its
// batch API. An account may pay others.
const PriceDate = "2026-05"

// knownModel looks a model up. A model of that name on another server costs what
// it costs there.
func knownModel(name string) model {
	switch name {
	case "text-embedding-3-small":
		return model{Dimensions: 1536, Price: 0.02, Encoding: Cl100k()}
	case "text-embedding-3-large":
		return model{Dimensions: 3072, Price: 0.13, Encoding: Cl100k()}
	case "text-embedding-ada-002":
		return model{Dimensions: 1536, Price: 0.10, Encoding: Cl100k()}
	}
	return model{}
}

// Price is what a million tokens cost in US dollars, where OpenAI or Azure is
// asked for a model that we know; else 0.
func (p *OpenAI) Price() float64 {
	if !p.official() {
		return 0
	}
	return knownModel(p.o.Model).Price
}

// EncodingOf returns how a model counts tokens, by its name.
func EncodingOf(model string) Encoding { return knownModel(model).Encoding }

// CountTokens counts as the model does, or, where that is not known, as the options
// say, with the prefix that goes before a text; it is nil where they do not say it.
func (p *OpenAI) CountTokens() func(text string) int {
	encoding := EncodingOf(p.o.Model)
	if !encoding.Known() {
		encoding = p.o.Encoding
	}
	if !encoding.Known() {
		return nil
	}
	count := encoding.Counter()
	return func(text string) int { return count(p.o.Prefix + text) }
}
