package embed

// A model is what is known about a model by its name. The zero value is one that
// we do not know.
type model struct {
	Dimensions int     // of its vectors, by itself
	Price      float64 // US dollars for a million tokens
	Cl100k     bool    // its tokens are those of cl100k_base
}

// PriceDate is the month whose prices these are: OpenAI's list prices without its
// batch API. An account may pay others.
const PriceDate = "2026-05"

// knownModel looks a model up. A model of that name on another server costs what
// it costs there.
func knownModel(name string) model {
	switch name {
	case "text-embedding-3-small":
		return model{Dimensions: 1536, Price: 0.02, Cl100k: true}
	case "text-embedding-3-large":
		return model{Dimensions: 3072, Price: 0.13, Cl100k: true}
	case "text-embedding-ada-002":
		return model{Dimensions: 1536, Price: 0.10, Cl100k: true}
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

// CountTokens counts as the model does, with the prefix that goes before a text;
// it is nil where we do not know its vocabulary.
func (p *OpenAI) CountTokens() func(text string) int {
	if !knownModel(p.o.Model).Cl100k {
		return nil
	}
	count := Cl100k()
	return func(text string) int { return count(p.o.Prefix + text) }
}
