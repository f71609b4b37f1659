package tokenizer

import (
	"bufio"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// A recording is what testdata/make.py wrote.
type recording struct {
	Texts []string
	Cases []struct {
		Name      string
		Tokenizer json.RawMessage
		IDs       [][]int32 // of each text
	}
}

func recorded(t testing.TB) recording {
	t.Helper()
	text, err := os.ReadFile("testdata/tokens.json")
	if err != nil {
		t.Fatal(err)
	}
	var r recording
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Cases) == 0 {
		t.Fatal("nothing is recorded")
	}
	return r
}

// TestEncode compares with what the library tokenizers made of the same texts.
func TestEncode(t *testing.T) {
	r := recorded(t)
	for _, c := range r.Cases {
		t.Run(c.Name, func(t *testing.T) {
			tok, err := Read(c.Tokenizer)
			if err != nil {
				t.Fatal(err)
			}
			wantTokens(t, tok, r.Texts, c.IDs)
			for i, text := range r.Texts {
				for _, most := range []int{0, 1, 3, len(c.IDs[i])} {
					want := append([]int32{7}, c.IDs[i][:min(most, len(c.IDs[i]))]...)
					if cut := tok.Encode([]int32{7}, text, most); !slices.Equal(cut, want) {
						t.Errorf("%q cut at %d: %v, want %v", text, most, cut, want)
					}
				}
			}
		})
	}
}

func wantTokens(t *testing.T, tok *Tokenizer, texts []string, want [][]int32) {
	t.Helper()
	for i, text := range texts {
		if got := tok.Encode(nil, text, -1); !slices.Equal(got, want[i]) {
			t.Errorf("%q:\n got %v %q\nwant %v %q", text, got, spelt(tok, got), want[i], spelt(tok, want[i]))
		}
	}
}

// spelt is the text of tokens.
func spelt(t *Tokenizer, ids []int32) (tokens []string) {
	for _, id := range ids {
		for token, other := range t.Vocabulary() {
			if other == id {
				tokens = append(tokens, token)
			}
		}
	}
	return tokens
}

// TestEncodeAsPython compares on texts that are drawn at random with the library
// itself, where python3 has it.
func TestEncodeAsPython(t *testing.T) {
	if exec.Command("python3", "-c", "import tokenizers").Run() != nil {
		t.Skip("python3 with the package tokenizers is not here")
	}
	r := recorded(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	texts := drawTexts(rand.New(rand.NewPCG(seed, 0)), r.Texts, 400)
	c := exec.Command("python3", "testdata/encode.py")
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	}()
	answers := json.NewDecoder(bufio.NewReader(out))
	for _, test := range r.Cases {
		t.Run(test.Name, func(t *testing.T) {
			if err := json.NewEncoder(in).Encode(map[string]any{"tokenizer": test.Tokenizer, "texts": texts}); err != nil {
				t.Fatal(err)
			}
			var want [][]int32
			if err := answers.Decode(&want); err != nil {
				t.Fatal(err)
			}
			tok, err := Read(test.Tokenizer)
			if err != nil {
				t.Fatal(err)
			}
			wantTokens(t, tok, texts, want)
		})
	}
}

// drawTexts puts characters and parts of other texts together. Characters are of
// scripts that Unicode has had for long, since the reference's tables are older
// than ours.
func drawTexts(r *rand.Rand, from []string, n int) (texts []string) {
	old := []*unicode.RangeTable{unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Han, unicode.Hiragana, unicode.Hangul, unicode.Thai}
	char := func() rune {
		for {
			c := rune(r.IntN(0x3100))
			switch r.IntN(3) {
			case 0:
				c = rune(r.IntN(0x250))
			case 1:
				c = rune(0x3100 + r.IntN(0xcf00))
			}
			if c != 0 && c < 0x250 || unicode.In(c, old...) && (c < 0xa7c0 || c > 0xabff) {
				return c
			}
		}
	}
	for range n {
		var b strings.Builder
		for range 1 + r.IntN(8) {
			switch other := []rune(from[r.IntN(len(from))]); {
			case r.IntN(2) == 0 || len(other) == 0:
				for range r.IntN(6) {
					b.WriteRune(char())
				}
			default:
				start := r.IntN(len(other))
				b.WriteString(string(other[start:min(len(other), start+1+r.IntN(12))]))
			}
			b.WriteString([]string{"", " ", "\n"}[r.IntN(3)])
		}
		texts = append(texts, b.String())
	}
	return texts
}

// Bytes that are not UTF-8 are characters that nobody knows.
func TestBrokenText(t *testing.T) {
	tok, err := Read(recorded(t).Cases[0].Tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := tok.Encode(nil, "the\xff\xfe dog\xc3", -1), tok.Encode(nil, "the dog", -1); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestReadErrors(t *testing.T) {
	with := func(part string) string { return `{"model":{"type":"WordLevel","vocab":{"a":0}},` + part + `}` }
	for text, want := range map[string]string{
		``:                             "it is not what a tokenizer.json holds: unexpected end of JSON input",
		`[]`:                           "it is not what a tokenizer.json holds: it is array, want an object",
		`{}`:                           "model: it is missing",
		`{"version":"2.0","model":{}}`: `version is "2.0", want "1.0"`,
		`{"model":{"type":"Neural"}}`:  `model: the kind "Neural" is not supported; there are: BPE, Unigram, WordLevel, WordPiece`,
		`{"model":[]}`:                 "model: it is array, want an object",
		`{"model":{"type":"BPE","vocab":{},"merges":{}}}`:                                                "model: BPE: merges is object, want a list",
		`{"model":{"type":"BPE","vocab":{},"merges":[],"fuse_unk":1}}`:                                   "model: BPE: fuse_unk is number, want true or false",
		with(`"normalizer":"NFC"`):                                                                       "normalizer: it is string, want an object",
		with(`"added_tokens":[{"content":1}]`):                                                           "it is not what a tokenizer.json holds: added_tokens.content is number, want a string",
		`{"model":{"some":"thing"}}`:                                                                     `model: the kind "" is not supported`,
		`{"model":{"type":"WordPiece"}}`:                                                                 "model: WordPiece: vocab is missing",
		`{"model":{"type":"WordPiece","vocab":{"a":-1}}}`:                                                `model: WordPiece: vocab: the id of "a" is -1, want 0 or more`,
		`{"model":{"type":"WordPiece","vocab":{"a":1e12}}}`:                                              "model: WordPiece: vocab is number 1e12, want a whole number of 32 bits",
		`{"model":{"type":"Unigram","vocab":[["a",0]],"unk_id":1}}`:                                      "model: Unigram: unk_id is 1, but vocab has 1 tokens",
		`{"model":{"type":"Unigram","vocab":[["a"]]}}`:                                                   `model: Unigram: vocab holds ["a"], want tokens with a score`,
		`{"model":{"type":"Unigram"}}`:                                                                   "model: Unigram: vocab is missing",
		`{"model":{"type":"BPE","vocab":{"a":0},"merges":["a b"]}}`:                                      `model: BPE: merges: line 0: "b" is not in vocab`,
		`{"model":{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}}`:                                      "model: BPE: merges: line 0: 1 tokens, want 2",
		`{"model":{"type":"BPE","vocab":{"a":0},"merges":["a"]}}`:                                        `model: BPE: merges: line 0: "a", want two tokens with a space between them`,
		`{"model":{"type":"BPE","vocab":{"a":0},"merges":[],"dropout":0.1}}`:                             "model: BPE: dropout draws tokens at random, which is for training only: set it to null",
		with(`"normalizer":{"type":"Unidecode"}`):                                                        `normalizer: the kind "Unidecode" is not supported; there are: BertNormalizer, ByteLevel, `,
		with(`"normalizer":{"type":"Sequence","normalizers":[null]}`):                                    "normalizer: Sequence: part 0 is null",
		with(`"normalizer":{"type":"Sequence","normalizers":[{"type":"X"}]}`):                            `normalizer: Sequence: the kind "X" is not supported`,
		with(`"normalizer":{"type":"Precompiled","precompiled_charsmap":""}`):                            "normalizer: Precompiled: precompiled_charsmap has 0 bytes, too few",
		with(`"normalizer":{"type":"Precompiled","precompiled_charsmap":"CAAAAAAA"}`):                    "normalizer: Precompiled: precompiled_charsmap: the table is 8 bytes by its own account, but 2 follow",
		with(`"normalizer":{"type":"Replace","pattern":{},"content":""}`):                                "normalizer: Replace: pattern is neither a String nor a Regex",
		with(`"normalizer":{"type":"Replace","pattern":{"String":""},"content":""}`):                     "normalizer: Replace: pattern is empty",
		with(`"normalizer":{"type":"Replace","pattern":{"Regex":"("},"content":""}`):                     `normalizer: Replace: the regular expression "(" is not supported: `,
		with(`"pre_tokenizer":{"type":"UnicodeScripts"}`):                                                `pre_tokenizer: the kind "UnicodeScripts" is not supported; there are: BertPreTokenizer, ByteLevel, `,
		with(`"pre_tokenizer":{"type":"Metaspace","replacement":""}`):                                    `pre_tokenizer: Metaspace: replacement is "", want one character`,
		with(`"pre_tokenizer":{"type":"Metaspace","prepend_scheme":"last"}`):                             `pre_tokenizer: Metaspace: prepend_scheme is "last", want always, first or never`,
		with(`"pre_tokenizer":{"type":"FixedLength","length":0}`):                                        "pre_tokenizer: FixedLength: length is 0, want 1 or more",
		with(`"pre_tokenizer":{"type":"CharDelimiterSplit","delimiter":"ab"}`):                           `pre_tokenizer: CharDelimiterSplit: delimiter is "ab", want one character`,
		with(`"pre_tokenizer":{"type":"Split","pattern":{"String":"a"}}`):                                "pre_tokenizer: Split: behavior is missing",
		with(`"pre_tokenizer":{"type":"Punctuation","behavior":"Kept"}`):                                 `pre_tokenizer: Punctuation: behavior is "Kept", want Removed, Isolated, `,
		with(`"pre_tokenizer":{"type":"Split","pattern":{"Regex":"[[:punct:]]"},"behavior":"Isolated"}`): `pre_tokenizer: Split: the regular expression "[[:punct:]]" is not supported: a class stands in a class`,
		with(`"pre_tokenizer":{"type":"Split","pattern":{"Regex":"a++"},"behavior":"Isolated"}`):         `pre_tokenizer: Split: the regular expression "a++" is not supported: `,
	} {
		if _, err := Read([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %s", text, err, want)
		}
	}
}

// Old files leave out the model's kind, write merges as lines, and call
// Metaspace's scheme otherwise.
func TestOldFiles(t *testing.T) {
	for text, want := range map[string][]int32{
		`{"model":{"vocab":{"a":0,"b":1,"ab":2},"merges":["#version: 0.2","a b"]}}`:                                                         {2, 0},
		`{"model":{"vocab":{"a":0,"##b":1,"##a":2},"unk_token":"a","max_input_chars_per_word":100}}`:                                        {0, 1, 2},
		`{"model":{"vocab":[["a",-1],["b",-1.5]],"unk_id":null}}`:                                                                           {0, 1, 0},
		`{"model":{"vocab":{"aba":5},"unk_token":"x"}}`:                                                                                     {5},
		`{"model":{"vocab":{"aba":5,"▁aba":6},"unk_token":"x"},"pre_tokenizer":{"type":"Metaspace","add_prefix_space":false}}`:              {5},
		`{"model":{"vocab":{"aba":5,"▁aba":6},"unk_token":"x"},"pre_tokenizer":{"type":"Metaspace"}}`:                                       {6},
		`{"model":{"vocab":{"aba":5},"unk_token":"x"},"added_tokens":[{"id":9,"content":"ab","normalized":false},{"content":""}]}`:          {1},
		`{"model":{"vocab":{"a":0},"unk_token":"x"},"added_tokens":[{"id":9,"content":"x"},{"content":"ab"},{"content":"b"}]}`:              {2, 0},
		`{"model":{"vocab":{"a":0},"unk_token":"x"},"added_tokens":[{"content":"aB"}],"normalizer":{"type":"Lowercase"}}`:                   {},
		`{"model":{"vocab":{"a":0},"unk_token":"x"},"added_tokens":[{"content":"aB","normalized":true}],"normalizer":{"type":"Lowercase"}}`: {1, 0},
	} {
		tok, err := Read([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := tok.Encode(nil, "aba", -1); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// A word of any length takes time that grows hardly faster than it.
func TestLongWords(t *testing.T) {
	text := strings.Repeat("abcé", 1<<16)
	for _, c := range recorded(t).Cases {
		tok, err := Read(c.Tokenizer)
		if err != nil {
			t.Fatal(err)
		}
		if ids := tok.Encode(nil, text, -1); len(ids) == 0 {
			t.Errorf("%s: no tokens", c.Name)
		}
	}
}

func FuzzRead(f *testing.F) {
	r := recorded(f)
	for _, c := range r.Cases {
		if len(c.Tokenizer) < 20_000 {
			f.Add([]byte(c.Tokenizer), r.Texts[1])
		}
	}
	for _, text := range []string{
		`{"model":{"type":"WordPiece","vocab":{"a":0,"##b":1}},"normalizer":{"type":"BertNormalizer"},"pre_tokenizer":{"type":"BertPreTokenizer"},"added_tokens":[{"content":"ab","lstrip":true,"rstrip":true}]}`,
		`{"model":{"type":"Unigram","vocab":[["a",0],["ab",-1]],"unk_id":0,"byte_fallback":true},"pre_tokenizer":{"type":"Metaspace","prepend_scheme":"first"}}`,
		`{"model":{"type":"Unigram","vocab":[["a",0],["a",0],["ab",-1]],"unk_id":0,"byte_fallback":true},"pre_tokenizer":{"type":"Metaspace","prepend_scheme":"first"}}`,
		`{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b"]],"unk_token":"a"},"pre_tokenizer":{"type":"ByteLevel"}}`,
	} {
		f.Add([]byte(text), " ab éa\u0301b")
	}
	f.Fuzz(func(t *testing.T, file []byte, text string) {
		if strings.Contains(string(file), "egex") || len(text) > 1000 { // regexp2 may take any time
			t.Skip()
		}
		tok, err := Read(file)
		if err != nil {
			return
		}
		// A token that the file lists twice has its later id, but unk_id may name the
		// earlier one.
		known := map[int32]bool{tok.Unknown(): true}
		for _, id := range tok.Vocabulary() {
			known[id] = true
		}
		for _, id := range tok.Encode(nil, text, -1) {
			if !known[id] {
				t.Fatalf("%q has the token %d, which the vocabulary has not", text, id)
			}
		}
	})
}

// Scores are read as the reference reads them: the values are what it writes
// after it has read these texts. The first six are not the nearest float64.
func TestScores(t *testing.T) {
	for text, want := range map[string]float64{
		"-12.458033897794039":              -0x1.8ea836b46f839p+3,
		"-15.903871311313933":              -0x1.fcec83873c59ep+3,
		"-14.797971494798613":              -0x1.d988fb84299bdp+3,
		"-9.312453087562107":               -0x1.29ff9d9e13a1ap+3,
		"-18.867134339966274":              -0x1.2ddfc841f64c8p+4,
		"-9.381380955643275":               -0x1.2c3445d579c36p+3,
		"0":                                0,
		"12":                               12,
		"-3.25":                            -3.25,
		"1e-7":                             0x1.ad7f29abcaf48p-24,
		"2.5E+3":                           2500,
		"18446744073709551615":             0x1p+64,
		"18446744073709551616":             0x1p+64,
		"123456789012345678901234567890":   0x1.8ee90ff6c373ep+96,
		"-1.23456789012345678901234567890": -0x1.3c0ca428c59fbp+0,
		"-4.9406564584124654e-324":         -0x0.0000000000001p-1022,
		"1e-400":                           0,
		"3e-310":                           0x0.03739a252b281p-1022,
		"0e999":                            0,
		"1e-99999999999999999999":          0,
		"1.7976931348623157e308":           0x1.fffffffffffffp+1023,
	} {
		if got := asReference(text); got != want {
			t.Errorf("%s is %x, want %x", text, got, want)
		}
	}
}
