package embed

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Static embeds with a static model: each token has a vector, and a text has the
// mean of its tokens' (van Dongen and Tulkens, Model2Vec, 2024). It needs
// no network and no Python. Its vectors are those of the Python package
// model2vec, StaticModel.from_pretrained(dir).encode(texts).
type Static struct {
	model  *staticModel
	name   string
	prefix string
}

// StaticOptions say what is embedded, and with which model.
type StaticOptions struct {
	// Dir is the model's folder, as model2vec or sentence-transformers write it.
	Dir string
	// Name comes before the digest of the model's files in the name of the
	// space; "" means none.
	Name string
	// Dimensions are how many of the first elements of each token's vector are
	// used; 0 means all.
	Dimensions int
	// Prefix comes before each text.
	Prefix string
}

// NewStatic reads a model. Its errors name the file and what is wrong with it.
func NewStatic(o StaticOptions) (*Static, error) {
	m, err := readStaticModel(o.Dir)
	if err != nil {
		return nil, err
	}
	if o.Dimensions > m.dimensions {
		return nil, fmt.Errorf("%s: its vectors have %d dimensions, fewer than %d", o.Dir, m.dimensions, o.Dimensions)
	}
	if o.Dimensions > 0 {
		m.used = o.Dimensions
	}
	name := "sha256-" + m.digest
	if o.Name != "" {
		name = o.Name + "-" + m.digest
	}
	return &Static{m, name, o.Prefix}, nil
}

// Space is named after what the model's files hold, not after where they are:
// another model in the same folder is another space.
func (s *Static) Space() Space {
	return Space{Provider: "static", Model: s.name, Dimensions: s.model.used, Prompt: s.prefix}
}

// Limits are none.
func (s *Static) Limits() Limits { return Limits{} }

// Embed makes a vector for each text. One of which the model knows no token
// would have a vector of zeros, which has no direction: it is bad.
func (s *Static) Embed(ctx context.Context, texts []string) (Answer, error) {
	return embedEach(ctx, texts, func(text string) ([]float32, error) {
		v := s.model.vector(s.prefix + text)
		if !slices.ContainsFunc(v, func(x float32) bool { return x != 0 }) {
			return nil, errors.New("the model knows nothing of this text, so that its vector would be zero")
		}
		return v, nil
	})
}
