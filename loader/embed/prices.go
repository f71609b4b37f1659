package embed

// A Model is what is known about a model by its name.
type Model struct {
	Dimensions int     // of its vectors, by itself; 0 where unknown
	Price      float64 // US dollars for a million tokens; 0 where unknown
	Cl100k     bool    // its tokens are those of cl100k_base
}

// PriceDate is the month whose prices these are: OpenAI's list prices without its
// batch API. An account may pay others.
const PriceDate = "2026-05"

// knownModel looks a model up. A model of that name on another server costs what
// it costs there.
func knownModel(name string) Model {
	switch name {
	case "text-embedding-3-small":
		return Model{Dimensions: 1536, Price: 0.02, Cl100k: true}
	case "text-embedding-3-large":
		return Model{Dimensions: 3072, Price: 0.13, Cl100k: true}
	case "text-embedding-ada-002":
		return Model{Dimensions: 1536, Price: 0.10, Cl100k: true}
	}
	return Model{}
}

// Model is what is known about the provider's model.
func (p *OpenAI) Model() Model { return knownModel(p.o.Model) }
