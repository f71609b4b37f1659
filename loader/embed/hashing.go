package embed

import (
	"context"
	"errors"
	"math"
	"strings"
	"unicode"
)

// Hashing makes vectors of the words and pieces of words that a text has, and
// of nothing else: texts are near each other where they share these, so
// "heart attack" is near "heart attacks" and far from "cardiac arrest". It needs
// no network, no key and no model, and a text has the same vector everywhere.
//
// Each feature adds to one element of the vector, with a sign; both are taken
// from its hash (Weinberger et al., Feature Hashing for Large Scale Multitask
// Learning, 2009). The features are the words in lower case, pairs of words that
// follow each other, and the pieces of three to five characters of <word>, as
// in fastText (Bojanowski et al., Enriching Word Vectors with Subword
// Information, 2017). A word that comes n times counts 1 + ln n. A long word
// counts more than a short one, for want of the frequencies in a language.
type Hashing struct {
	dimensions int
}

// HashingDimensions is the length of Hashing's vectors where none is asked for.
const HashingDimensions = 1024

// hashingModel is what the vectors are called. It changes when they do.
const hashingModel = "ngrams-1"

// NewHashing returns a provider of vectors of some dimensions.
func NewHashing(dimensions int) *Hashing { return &Hashing{dimensions} }

// Space is the space of these vectors.
func (h *Hashing) Space() Space {
	return Space{Provider: "hashing", Model: hashingModel, Dimensions: h.dimensions}
}

// Limits make a request small enough to be interrupted.
func (h *Hashing) Limits() Limits { return Limits{Texts: 256} }

// Embed makes a vector of length 1 for each text but those of white space alone,
// which are bad.
func (h *Hashing) Embed(ctx context.Context, texts []string) (Answer, error) {
	return embedEach(ctx, texts, h.vector)
}

// embedEach embeds texts one by one. An error is that a text is bad.
func embedEach(ctx context.Context, texts []string, embed func(text string) ([]float32, error)) (Answer, error) {
	a := Answer{Vectors: make([][]float32, len(texts)), Bad: map[int]error{}}
	for i, text := range texts {
		if err := ctx.Err(); err != nil {
			return Answer{}, err
		}
		var err error
		if a.Vectors[i], err = embed(text); err != nil {
			a.Bad[i] = err
		}
	}
	return a, nil
}

func (h *Hashing) vector(text string) ([]float32, error) {
	sum := make([]float64, h.dimensions)
	words := splitWords(text)
	counts := make(map[string]int, len(words))
	for _, w := range words {
		counts[w]++
	}
	var marked markedWord
	for i, w := range words {
		if n := counts[w]; n > 0 { // the first time
			counts[w] = 0
			h.addWord(sum, w, 1+math.Log(float64(n)), &marked)
		}
		if i > 0 {
			const weight = 0.5
			h.add(sum, pairFeature.of(words[i-1]).of(" ").of(w), weight)
		}
	}
	var square float64
	for _, x := range sum {
		square += x * x
	}
	if square == 0 {
		return nil, errors.New("a text of white space alone has no vector")
	}
	length := math.Sqrt(square)
	v := make([]float32, len(sum))
	for i, x := range sum {
		v[i] = float32(x / length)
	}
	return v, nil
}

// A markedWord is <word>, with the place where each of its characters begins and
// that of its end. Its memory is used again for the next.
type markedWord struct {
	text   []byte
	begins []int
}

func (m *markedWord) set(word string) {
	m.text = append(append(append(m.text[:0], '<'), word...), '>')
	m.begins = m.begins[:0]
	for i := range string(m.text) {
		m.begins = append(m.begins, i)
	}
	m.begins = append(m.begins, len(m.text))
}

// addWord adds a word and its pieces, which count together as much as it.
func (h *Hashing) addWord(sum []float64, word string, weight float64, marked *markedWord) {
	marked.set(word)
	characters := len(marked.begins) - 1
	weight *= math.Log2(1 + float64(characters-2))
	h.add(sum, wordFeature.of(word), weight)
	const shortest, longest = 3, 5
	pieces := 0
	for n := shortest; n <= longest; n++ {
		pieces += max(0, characters-n+1)
	}
	weight /= math.Sqrt(float64(pieces))
	for n := shortest; n <= longest; n++ {
		for i := 0; i+n <= characters; i++ {
			h.add(sum, pieceFeature.ofBytes(marked.text[marked.begins[i]:marked.begins[i+n]]), weight)
		}
	}
}

// add adds a feature: the low bits of its hash choose the element, the highest
// bit the sign.
func (h *Hashing) add(sum []float64, f feature, weight float64) {
	x := f.mixed()
	if x>>63 == 1 {
		weight = -weight
	}
	sum[(x&(1<<63-1))%uint64(len(sum))] += weight
}

// A feature is the hash FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv) of the
// bytes so far.
type feature uint64

const noFeature feature = 14695981039346656037

// The kinds of feature begin with a character of their own.
var (
	wordFeature  = noFeature.of("1")
	pairFeature  = noFeature.of("2")
	pieceFeature = noFeature.of("p")
)

func (x feature) of(s string) feature {
	for i := 0; i < len(s); i++ {
		x = (x ^ feature(s[i])) * 1099511628211
	}
	return x
}

func (x feature) ofBytes(s []byte) feature {
	for _, b := range s {
		x = (x ^ feature(b)) * 1099511628211
	}
	return x
}

// mixed is the hash with its bits mixed as by the last step of SplitMix64 (Steele
// et al., 2014): the highest ones of FNV depend little on the last characters.
func (x feature) mixed() uint64 {
	h := uint64(x)
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// splitWords cuts a text into words, which are runs of letters and digits in
// lower case, or, where it has none, into what white space divides.
func splitWords(text string) []string {
	text = strings.ToLower(text)
	words := strings.FieldsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	})
	if len(words) == 0 {
		words = strings.Fields(text)
	}
	return words
}
