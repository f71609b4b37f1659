package embed

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"unicode/utf8"

	"github.com/cosfit/cosfit/internal/safetensors"
	"github.com/cosfit/cosfit/loader/embed/tokenizer"
)

// staticFiles are the files of a static model.
type staticFiles struct{ config, tensors, tokenizer string }

// staticLayouts are how a folder may hold them, in the order in which the
// reference looks.
func staticLayouts() []staticFiles {
	const transformers, nested = "config_sentence_transformers.json", "0_StaticEmbedding"
	return []staticFiles{
		{"config.json", "model.safetensors", "tokenizer.json"},
		{transformers, "model.safetensors", "tokenizer.json"},
		{transformers, filepath.Join(nested, "model.safetensors"), filepath.Join(nested, "tokenizer.json")},
	}
}

// findStaticFiles chooses the layout of a folder.
func findStaticFiles(dir string) (staticFiles, error) {
	if _, err := os.ReadDir(dir); err != nil {
		return staticFiles{}, err
	}
	var missing []string // of the layout with the fewest
	for _, f := range staticLayouts() {
		var lacks []string
		for _, path := range []*string{&f.config, &f.tensors, &f.tokenizer} {
			name := *path
			*path = filepath.Join(dir, name)
			if _, err := os.Stat(*path); errors.Is(err, fs.ErrNotExist) {
				lacks = append(lacks, name)
			}
		}
		if lacks == nil {
			return f, nil
		}
		if missing == nil || len(lacks) < len(missing) {
			missing = lacks
		}
	}
	return staticFiles{}, fmt.Errorf("%s has no %s: a static model is config.json, model.safetensors and tokenizer.json as model2vec saves them, "+
		"or config_sentence_transformers.json with the others beside it or in 0_StaticEmbedding", dir, missing[0])
}

// readStaticModel reads the model in a folder.
func readStaticModel(dir string) (*staticModel, error) {
	files, err := findStaticFiles(dir)
	if err != nil {
		return nil, err
	}
	m := &staticModel{}
	sums := sha256.New()
	sums.Write([]byte("cosfit static 1\n")) // changes when the same files give other vectors

	text, err := os.ReadFile(files.config)
	if err != nil {
		return nil, err
	}
	addSum(sums, sha256.Sum256(text))
	limit, err := m.readConfig(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", files.config, err)
	}

	if text, err = os.ReadFile(files.tokenizer); err != nil {
		return nil, err
	}
	addSum(sums, sha256.Sum256(text))
	t, err := tokenizer.Read(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", files.tokenizer, err)
	}
	m.tokenizer = t
	m.most, m.chars = -1, -1
	if limit >= 0 {
		m.most, m.chars = limit, limit*medianLength(t.Vocabulary())
	}

	sum, err := m.readTensors(files.tensors, t.Vocabulary())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", files.tensors, err)
	}
	addSum(sums, sum)
	m.digest = hex.EncodeToString(sums.Sum(nil)[:8])
	return m, nil
}

func addSum(w io.Writer, sum [sha256.Size]byte) { w.Write(sum[:]) } // a hash takes all

// readConfig reads whether vectors are normalised, and how many tokens of a text
// count; a negative number means all.
func (m *staticModel) readConfig(text []byte) (limit int, err error) {
	const standard, most = 512, 1 << 24
	var c map[string]json.RawMessage
	if err := json.Unmarshal(text, &c); err != nil {
		return 0, fmt.Errorf("it holds no JSON object: %w", err)
	}
	switch value := string(c["normalize"]); value {
	case "", "null", "false":
	case "true":
		m.normalize = true
	default:
		return 0, fmt.Errorf("normalize is %s, want true or false", value)
	}
	switch string(c["max_length"]) {
	case "":
		return standard, nil
	case "null":
		return -1, nil
	}
	if err := json.Unmarshal(c["max_length"], &limit); err != nil || limit < 0 || limit > most {
		return 0, fmt.Errorf("max_length is %s, want a whole number up to %d, or null", c["max_length"], most)
	}
	return limit, nil
}

// medianLength is the median of the lengths of tokens in characters, rounded
// down.
func medianLength(vocabulary map[string]int32) int {
	if len(vocabulary) == 0 {
		return 0
	}
	lengths := make([]int, 0, len(vocabulary))
	for token := range vocabulary {
		lengths = append(lengths, utf8.RuneCountInString(token))
	}
	slices.Sort(lengths)
	n := len(lengths)
	return (lengths[(n-1)/2] + lengths[n/2]) / 2
}

// readTensors reads the vectors and what goes with them, and returns the file's
// SHA-256.
func (m *staticModel) readTensors(path string, vocabulary map[string]int32) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	size, err := io.Copy(h, f)
	if err != nil {
		return sum, err
	}
	file, err := safetensors.Open(f, size)
	if err != nil {
		return sum, err
	}
	if err := m.readVectors(file); err != nil {
		return sum, err
	}
	if err := m.readWeights(file); err != nil {
		return sum, err
	}
	if err := m.readMapping(file); err != nil {
		return sum, err
	}
	return [sha256.Size]byte(h.Sum(nil)), m.fit(vocabulary)
}

// staticTypes are the types of numbers in which vectors and weights may stand.
func staticTypes() map[string]numberType {
	return map[string]numberType{
		"I8": int8Numbers, "F16": float16Numbers, "BF16": float32Numbers, "F32": float32Numbers, "F64": float64Numbers,
	}
}

// readVectors reads the vectors, which model2vec and sentence-transformers call
// by different names.
func (m *staticModel) readVectors(file *safetensors.File) (err error) {
	t, ok := file.Tensor("embeddings")
	if !ok {
		t, ok = file.Tensor("embedding.weight")
	}
	switch {
	case !ok:
		return errors.New(`it has neither a tensor "embeddings", as model2vec names it, nor "embedding.weight", as sentence-transformers does`)
	case len(t.Shape) != 2:
		return fmt.Errorf("tensor %q: shape is %v, want two dimensions", t.Name, t.Shape)
	}
	if m.rows, err = file.Floats(t); err != nil {
		return fmt.Errorf("tensor %q: %w", t.Name, err)
	}
	m.vectorType = staticTypes()[t.DType]
	m.dimensions = int(t.Shape[1])
	m.used = m.dimensions
	if i := firstNotFinite(m.rows); i >= 0 {
		return fmt.Errorf("tensor %q: row %d, column %d is %g, want a finite number", t.Name, i/m.dimensions, i%m.dimensions, m.rows[i])
	}
	return nil
}

// readWeights reads the weights, where there are any.
func (m *staticModel) readWeights(file *safetensors.File) (err error) {
	t, ok := file.Tensor("weights")
	if !ok {
		return nil
	}
	if t.DType == "I8" {
		return fmt.Errorf(`tensor "weights": dtype is "I8", want F16, F32 or F64`)
	}
	if len(t.Shape) != 1 {
		return fmt.Errorf(`tensor "weights": shape is %v, want one dimension`, t.Shape)
	}
	if m.weights, err = file.Floats(t); err != nil {
		return fmt.Errorf(`tensor "weights": %w`, err)
	}
	m.weightType = staticTypes()[t.DType]
	if i := firstNotFinite(m.weights); i >= 0 {
		return fmt.Errorf(`tensor "weights": value %d is %g, want a finite number`, i, m.weights[i])
	}
	return nil
}

// readMapping reads which vector is a token's, where that is said.
func (m *staticModel) readMapping(file *safetensors.File) (err error) {
	t, ok := file.Tensor("mapping")
	if !ok {
		return nil
	}
	if len(t.Shape) != 1 {
		return fmt.Errorf(`tensor "mapping": shape is %v, want one dimension`, t.Shape)
	}
	if m.mapping, err = file.Integers(t); err != nil {
		return fmt.Errorf(`tensor "mapping": %w`, err)
	}
	rows := int64(len(m.rows) / m.dimensions)
	for i, row := range m.mapping {
		if row < 0 || row >= rows {
			return fmt.Errorf(`tensor "mapping": value %d is row %d, but there are %d`, i, row, rows)
		}
	}
	return nil
}

func firstNotFinite(values []float32) int {
	return slices.IndexFunc(values, func(x float32) bool { return math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) })
}

// fit holds the tensors against the tokens.
func (m *staticModel) fit(vocabulary map[string]int32) error {
	tokens := 0 // that the ids have room for
	for _, id := range vocabulary {
		tokens = max(tokens, int(id)+1)
	}
	rows := len(m.rows) / m.dimensions
	switch {
	case m.mapping == nil && rows != len(vocabulary):
		return fmt.Errorf("it has vectors for %d tokens, but tokenizer.json has %d: the files belong to different models", rows, len(vocabulary))
	case m.mapping == nil && tokens > rows:
		return fmt.Errorf("it has vectors for %d tokens, but an id in tokenizer.json is %d", rows, tokens-1)
	case m.mapping != nil && tokens > len(m.mapping):
		return fmt.Errorf(`tensor "mapping" has values for %d tokens, but tokenizer.json has %d: the files belong to different models`, len(m.mapping), tokens)
	case m.weights != nil && tokens > len(m.weights):
		return fmt.Errorf(`tensor "weights" has values for %d tokens, but tokenizer.json has %d: the files belong to different models`, len(m.weights), tokens)
	}
	return nil
}
