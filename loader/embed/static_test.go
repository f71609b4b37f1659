package embed

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const staticModels = "testdata/static"

// staticVectors are what testdata/make_static.py recorded.
type staticVectors struct {
	Texts   []string
	Vectors map[string][][]float32 // by model
}

func recordedStatic(t testing.TB) (r staticVectors) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(staticModels, "vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Vectors) == 0 {
		t.Fatal("nothing is recorded")
	}
	return r
}

func openStatic(t testing.TB, o StaticOptions) *Static {
	t.Helper()
	s, err := NewStatic(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wantVectors compares to a millionth of the largest element, if that is above 1.
func wantVectors(t *testing.T, s *Static, texts []string, want [][]float32) {
	t.Helper()
	worst := 0.0
	for i, text := range texts {
		got := s.model.vector(text)
		if len(got) != len(want[i]) {
			t.Fatalf("%q: %d dimensions, want %d", text, len(got), len(want[i]))
		}
		largest := 1.0
		for _, x := range want[i] {
			largest = max(largest, math.Abs(float64(x)))
		}
		for j, x := range got {
			difference := math.Abs(float64(x)-float64(want[i][j])) / largest
			worst = max(worst, difference)
			if !(difference <= 1e-6) {
				t.Errorf("%q: element %d is %g, want %g", text, j, x, want[i][j])
				break
			}
		}
	}
	t.Logf("%d texts, the largest difference is %.2g", len(texts), worst)
}

// TestStatic compares with what model2vec embedded.
func TestStatic(t *testing.T) {
	r := recordedStatic(t)
	for name, want := range r.Vectors {
		t.Run(name, func(t *testing.T) {
			wantVectors(t, openStatic(t, StaticOptions{Dir: filepath.Join(staticModels, name)}), r.Texts, want)
		})
	}
}

// TestStaticAsPython compares with model2vec itself on texts put together at
// random, where python3 has it. COSFIT_TEST_STATIC names further models.
func TestStaticAsPython(t *testing.T) {
	if exec.Command("python3", "-c", "import model2vec").Run() != nil {
		t.Skip("python3 with the package model2vec is not here")
	}
	recorded := recordedStatic(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var texts []string
	for range 300 {
		var parts []string
		for range r.IntN(30) {
			words := strings.Split(recorded.Texts[r.IntN(len(recorded.Texts))], " ")
			start := r.IntN(len(words))
			parts = append(parts, words[start:min(len(words), start+1+r.IntN(3))]...)
		}
		texts = append(texts, strings.Join(parts, " "))
	}
	dirs := filepath.SplitList(os.Getenv("COSFIT_TEST_STATIC"))
	for name := range recorded.Vectors {
		dirs = append(dirs, filepath.Join(staticModels, name))
	}
	var tasks bytes.Buffer
	type model struct {
		dir        string
		dimensions int
	}
	var models []model
	for _, dir := range dirs {
		models = append(models, model{dir, 0}, model{dir, 5})
	}
	lines := json.NewEncoder(&tasks)
	for _, m := range models {
		task := map[string]any{"dir": m.dir, "dimensions": nil, "texts": texts}
		if m.dimensions > 0 {
			task["dimensions"] = m.dimensions
		}
		if err := lines.Encode(task); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command("python3", "testdata/static.py")
	c.Stdin, c.Stderr = &tasks, os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := json.NewDecoder(bytes.NewReader(out))
	for _, m := range models {
		t.Run(fmt.Sprintf("%s/%d", filepath.Base(m.dir), m.dimensions), func(t *testing.T) {
			var want [][]float32
			if err := answers.Decode(&want); err != nil {
				t.Fatal(err)
			}
			wantVectors(t, openStatic(t, StaticOptions{Dir: m.dir, Dimensions: m.dimensions}), texts, want)
		})
	}
}

// A text without a known token is bad, and a prefix is part of the text.
func TestStaticEmbed(t *testing.T) {
	dir := filepath.Join(staticModels, "wordpiece")
	s := openStatic(t, StaticOptions{Dir: dir, Prefix: "the "})
	a, err := s.Embed(t.Context(), []string{"dog", "quick fox"})
	if err != nil || len(a.Vectors) != 2 {
		t.Fatal(a, err)
	}
	plain := openStatic(t, StaticOptions{Dir: dir})
	if !slices.Equal(a.Vectors[0], plain.model.vector("the dog")) {
		t.Error("the prefix is not part of the text")
	}
	unknown := []string{"", "  \n", "ꙮ"}
	if a, err = plain.Embed(t.Context(), append(unknown, "the")); err != nil || len(a.Bad) != len(unknown) || a.Vectors[3] == nil {
		t.Error(a, err)
	}
	for i := range unknown {
		if a.Vectors[i] != nil || a.Bad[i] == nil {
			t.Errorf("%q: %v, %v", unknown[i], a.Vectors[i], a.Bad[i])
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := plain.Embed(ctx, []string{"a"}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// The space is the same wherever the files are, and another when any of them
// changes.
func TestStaticSpace(t *testing.T) {
	dir := copyStatic(t, "wordpiece")
	space := openStatic(t, StaticOptions{Dir: dir}).Space()
	if again := openStatic(t, StaticOptions{Dir: filepath.Join(staticModels, "wordpiece")}).Space(); again != space {
		t.Errorf("%v and %v", space, again)
	}
	if space.Provider != "static" || !strings.HasPrefix(space.Model, "sha256-") || space.Dimensions != 12 {
		t.Errorf("%+v", space)
	}
	named := openStatic(t, StaticOptions{Dir: dir, Name: "tiny", Dimensions: 5, Prefix: "q: "}).Space()
	if named.Model != "tiny-"+strings.TrimPrefix(space.Model, "sha256-") || named.Dimensions != 5 || named.Prompt != "q: " {
		t.Errorf("%+v", named)
	}
	seen := map[string]string{space.Model: "nothing"}
	for name, edit := range map[string]func([]byte) []byte{
		"config.json": func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"normalize": true`), []byte(`"normalize": false`), 1)
		},
		"tokenizer.json": func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"lowercase":true`), []byte(`"lowercase":false`), 1)
		},
		"model.safetensors": func(b []byte) []byte { b[len(b)-2] ^= 1; return b },
	} {
		editFile(t, filepath.Join(dir, name), edit)
		model := openStatic(t, StaticOptions{Dir: dir}).Space().Model
		if same, ok := seen[model]; ok {
			t.Errorf("after %s changed, the space is as when %s had", name, same)
		}
		seen[model] = name
	}
}

func copyStatic(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(staticModels, name))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// editFile changes a file, and fails where there is nothing to change.
func editFile(t *testing.T, path string, edit func([]byte) []byte) {
	t.Helper()
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := edit(slices.Clone(old))
	if bytes.Equal(text, old) {
		t.Fatalf("%s does not change", path)
	}
	if err := os.WriteFile(path, text, 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestStaticErrors(t *testing.T) {
	replace := func(old, new string) func([]byte) []byte {
		return func(b []byte) []byte { return bytes.Replace(b, []byte(old), []byte(new), 1) }
	}
	for _, c := range []struct {
		model, file string
		edit        func([]byte) []byte // nil removes the file
		want        string
	}{
		{"wordpiece", "config.json", nil, "DIR has no config.json: a static model is "},
		{"wordpiece", "tokenizer.json", nil, "DIR has no tokenizer.json: a static model is "},
		{"transformers", "0_StaticEmbedding/model.safetensors", nil, "DIR has no 0_StaticEmbedding/model.safetensors: a static model is "},
		{"wordpiece", "config.json", replace("true", `"yes"`), `DIR/config.json: normalize is "yes", want true or false`},
		{"wordpiece", "config.json", func([]byte) []byte { return []byte("[]") }, "DIR/config.json: it holds no JSON object: "},
		{"wordpiece", "config.json", replace("512", "-1"), "DIR/config.json: max_length is -1, want a whole number up to 16777216, or null"},
		{"wordpiece", "config.json", replace("512", "1.5"), "DIR/config.json: max_length is 1.5, want a whole number up to 16777216, or null"},
		{"wordpiece", "tokenizer.json", replace(`"BertNormalizer"`, `"Unidecode"`), `DIR/tokenizer.json: normalizer: the kind "Unidecode" is not supported; there are: BertNormalizer, `},
		{"wordpiece", "tokenizer.json", replace(`"WordPiece"`, `"Neural"`), `DIR/tokenizer.json: model: the kind "Neural" is not supported; there are: BPE, `},
		{"wordpiece", "tokenizer.json", replace(`"the":`, `"more":9,"the":`), "DIR/model.safetensors: it has vectors for 500 tokens, but tokenizer.json has 501: the files belong to different models"},
		{"wordpiece", "tokenizer.json", replace(`"the":`, `"the":1000,"":`), "DIR/model.safetensors: it has vectors for 500 tokens, but tokenizer.json has 501: the files belong to different models"},
		{"wordpiece", "model.safetensors", replace("[500,12]", "[12,500]"), "DIR/model.safetensors: it has vectors for 12 tokens, but tokenizer.json has 500: the files belong to different models"},
		{"wordpiece", "model.safetensors", replace("[500,12]", "  [6000]"), `DIR/model.safetensors: tensor "embeddings": shape is [6000], want two dimensions`},
		{"wordpiece", "model.safetensors", replace(`"embeddings"`, `"embeddingz"`), `DIR/model.safetensors: it has neither a tensor "embeddings", as model2vec names it, nor "embedding.weight", as sentence-transformers does`},
		{"wordpiece", "model.safetensors", func(b []byte) []byte { return b[:len(b)-4] }, `DIR/model.safetensors: tensor "embeddings": data_offsets are [0 24000], want them in order and within the file's 23996 bytes of data`},
		{"wordpiece", "model.safetensors", func(b []byte) []byte { copy(b[len(b)-4:], "\x00\x00\xc0\x7f"); return b }, `DIR/model.safetensors: tensor "embeddings": row 499, column 11 is NaN, want a finite number`},
		{"wordpiece", "model.safetensors", func(b []byte) []byte { return bytes.Replace(b, []byte(`"F32"`), []byte(`"I32"`), 1) }, `DIR/model.safetensors: tensor "embeddings": dtype is "I32", want F32, F64, F16, BF16 or I8`},
		{"mapped", "model.safetensors", replace(`"mapping"`, `"mopping"`), "DIR/model.safetensors: it has vectors for 40 tokens, but tokenizer.json has 50"},
		{"mapped", "model.safetensors", func(b []byte) []byte { return setTensor(t, b, "mapping", 40) }, `DIR/model.safetensors: tensor "mapping": value 0 is row 40, but there are 40`},
		{"mapped", "model.safetensors", func(b []byte) []byte { return setTensor(t, b, "weights", 0x7c00) }, `DIR/model.safetensors: tensor "weights": value 0 is +Inf, want a finite number`},
	} {
		dir := copyStatic(t, c.model)
		path := filepath.Join(dir, filepath.FromSlash(c.file))
		if c.edit == nil {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		} else {
			editFile(t, path, c.edit)
		}
		_, err := NewStatic(StaticOptions{Dir: dir})
		if err == nil || !strings.HasPrefix(filepath.ToSlash(err.Error()), strings.Replace(c.want, "DIR", filepath.ToSlash(dir), 1)) {
			t.Errorf("%s, %s:\n got %v\nwant %s", c.model, c.file, err, c.want)
		}
	}
	if _, err := NewStatic(StaticOptions{Dir: "testdata/no such folder"}); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := NewStatic(StaticOptions{Dir: filepath.Join(staticModels, "wordpiece"), Dimensions: 13}); err == nil || !strings.HasSuffix(err.Error(), "its vectors have 12 dimensions, fewer than 13") {
		t.Error(err)
	}
}

// setTensor changes the first number of a tensor of a safetensors file.
func setTensor(t *testing.T, file []byte, name string, to uint16) []byte {
	t.Helper()
	n := int(file[0]) | int(file[1])<<8
	var header map[string]struct {
		Offsets [2]int `json:"data_offsets"`
	}
	if err := json.Unmarshal(file[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	at := 8 + n + header[name].Offsets[0]
	file[at], file[at+1] = byte(to), byte(to>>8)
	return file
}

func TestToHalf(t *testing.T) {
	for _, c := range []struct{ x, want float32 }{
		{0, 0}, {1, 1}, {-1.0009765, -1.0009766}, {1 + 1.0/2048, 1}, {1 + 3.0/2048, 1 + 2.0/1024}, {65504, 65504}, {65519, 65504},
		{65520, float32(math.Inf(1))}, {-1e9, float32(math.Inf(-1))}, {5.9604645e-8, 5.9604645e-8}, {2.9802322e-8, 0}, {2.9802326e-8, 5.9604645e-8},
		{6.1035156e-5, 6.1035156e-5}, {6.1e-5, 6.0975552e-5}, {0.1, 0.099975586},
	} {
		if got := toHalf(c.x); got != c.want {
			t.Errorf("%g becomes %g, want %g", c.x, got, c.want)
		}
	}
}

func FuzzStatic(f *testing.F) {
	dir := f.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(staticModels, "wordpiece"))); err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{"wordpiece", "mapped"} {
		config, err := os.ReadFile(filepath.Join(staticModels, name, "config.json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(config, []byte("\x3f\x00\x00\x00\x00\x00\x00\x00"+`{"embeddings":{"dtype":"I8","shape":[500,1],"data_offsets":[0,500]}}`+strings.Repeat("a", 500)))
	}
	f.Fuzz(func(t *testing.T, config, tensors []byte) {
		for name, text := range map[string][]byte{"config.json": config, "model.safetensors": tensors} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if s, err := NewStatic(StaticOptions{Dir: dir}); err == nil {
			s.model.vector("the quick brown fox")
		}
	})
}

// BenchmarkStatic embeds texts of a sentence or two with a model of 30,000
// tokens of 256 dimensions, and prints how many texts a minute that is for one
// core. COSFIT_TEST_STATIC names a model to take instead.
func BenchmarkStatic(b *testing.B) {
	dirs := filepath.SplitList(os.Getenv("COSFIT_TEST_STATIC"))
	if len(dirs) == 0 {
		dirs = []string{largeStatic(b, 30_000, 256)}
	}
	texts := []string{
		"The quick brown fox jumps over the lazy dog near the river bank.",
		"Can I freeze a casserole before it is baked, and how long does it keep in the freezer? Most keep for three months when they are wrapped well.",
		"Was ist die höchste erlaubte Geschwindigkeit auf Landstraßen?",
		strings.Repeat("A heart attack happens when the flow of blood that brings oxygen to the heart is blocked. ", 5),
	}
	for _, dir := range dirs {
		b.Run(filepath.Base(dir), func(b *testing.B) {
			s := openStatic(b, StaticOptions{Dir: dir})
			tokens := 0
			for _, text := range texts {
				tokens += len(s.model.tokenizer.Encode(nil, text, -1))
			}
			for b.Loop() {
				if _, err := s.Embed(b.Context(), texts); err != nil {
					b.Fatal(err)
				}
			}
			seconds := b.Elapsed().Seconds() / float64(b.N)
			b.ReportMetric(float64(len(texts))/seconds*60, "texts/min")
			b.ReportMetric(float64(tokens)/float64(len(texts)), "tokens/text")
		})
	}
}

// largeStatic writes a model with the words and pieces that a vocabulary of that
// size has room for.
func largeStatic(b *testing.B, tokens, dimensions int) string {
	b.Helper()
	vocabulary := map[string]int{"[UNK]": 0}
	add := func(token string) {
		if _, ok := vocabulary[token]; !ok && len(vocabulary) < tokens {
			vocabulary[token] = len(vocabulary)
		}
	}
	for c := range 128 {
		add(string(rune(c)))
		add("##" + string(rune(c)))
	}
	for _, text := range recordedStatic(b).Texts {
		for _, word := range strings.Fields(strings.ToLower(text)) {
			add(word)
		}
	}
	for i := 0; len(vocabulary) < tokens; i++ { // three and four letters
		word := []byte{'a' + byte(i%26), 'a' + byte(i/26%26), 'a' + byte(i/676%26)}
		add(string(word))
		add("##" + string(word))
	}
	spec, err := json.Marshal(map[string]any{
		"normalizer": map[string]any{"type": "BertNormalizer"}, "pre_tokenizer": map[string]any{"type": "BertPreTokenizer"},
		"model": map[string]any{"type": "WordPiece", "vocab": vocabulary},
	})
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	header := fmt.Sprintf(`{"embeddings":{"dtype":"F32","shape":[%d,%d],"data_offsets":[0,%d]}}`, tokens, dimensions, 4*tokens*dimensions)
	tensors := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
	for range tokens * dimensions {
		tensors = binary.LittleEndian.AppendUint32(tensors, math.Float32bits(float32(r.NormFloat64())))
	}
	dir := b.TempDir()
	for name, text := range map[string][]byte{"config.json": []byte(`{"normalize":true}`), "tokenizer.json": spec, "model.safetensors": tensors} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o666); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}
