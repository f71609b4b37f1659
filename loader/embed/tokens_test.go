package embed

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// Counts and cuts are those of OpenAI's tiktoken. Later versions of the tokenizer
// that we link are wrong about white space.
func TestEncodings(t *testing.T) {
	raw, err := os.ReadFile("testdata/tokens.json") // from tokens.py
	if err != nil {
		t.Fatal(err)
	}
	type golden struct {
		Tokens int
		First  *string
	}
	var texts []struct {
		Text   string
		Cl100k golden `json:"cl100k_base"`
		O200k  golden `json:"o200k_base"`
	}
	if err := json.Unmarshal(raw, &texts); err != nil {
		t.Fatal(err)
	}
	for _, e := range encodings {
		count, cut := e.Counter(), e.Cutter(3)
		for _, c := range texts {
			want := c.Cl100k
			if e.Name == O200k().Name {
				want = c.O200k
			}
			if got := count(c.Text); got != want.Tokens {
				t.Errorf("%s: %q has %d tokens, want %d", e.Name, c.Text, got, want.Tokens)
			}
			if got, _ := cut(c.Text); want.First != nil && got != *want.First {
				t.Errorf("%s: %q is cut to %q, want %q", e.Name, c.Text, got, *want.First)
			}
		}
	}
}

var encodings = []Encoding{Cl100k(), O200k()}

// A run without a break takes no longer than other text takes the tokenizer, and its
// count is close.
func TestLongRuns(t *testing.T) {
	for _, e := range encodings {
		t.Run(e.Name, func(t *testing.T) { testLongRuns(t, e) })
	}
}

func testLongRuns(t *testing.T, e Encoding) {
	count := e.Counter()
	count("") // builds the vocabulary
	start := time.Now()
	if _, err := e.codec().Count(strings.Repeat("Embeddings are bought once. ", 20_000)); err != nil { // about as many bytes
		t.Fatal(err)
	}
	usual := time.Since(start)
	start = time.Now()
	if got := count(strings.Repeat("a", 200_000)); got < 200_000/9 || got > 200_000/7 { // "aaaaaaaa" is a token
		t.Errorf("200,000 a have %d tokens", got)
	}
	for _, text := range []string{strings.Repeat("字", 50_000), strings.Repeat(" ", 100_000), strings.Repeat("=", 100_000), strings.Repeat("\xff", 50_000)} {
		if got := count(text); got < 100 || got > len(text) {
			t.Errorf("%d times %q have %d tokens", len(text), text[:4], got)
		}
	}
	if took := time.Since(start); took > 30*usual {
		t.Errorf("took %s, other text %s", took, usual)
	}
}

// Texts are cut on the border of a token and of a character.
func TestCut(t *testing.T) {
	count := Cl100k().Counter()
	long := strings.Repeat("The cache of DESIGN is content-addressed, so that a text is embedded once, ever. ", 1000)
	for _, c := range []struct {
		name, text string
		most       int
		want       string // "" where only the number of tokens is asked
		cut        bool
	}{
		{"short", "hello world", 2, "hello world", false},
		{"one too many", "hello world again", 2, "hello world", true},
		{"as many bytes as tokens", "ab", 2, "ab", false},
		{"nothing fits", "hello world", 0, "", true},
		{"a character of several tokens", "a \U0001D11E", 2, "a", true}, // the clef has four tokens
		{"white space", "a\n \nb", 2, "a\n \n", true},
		{"prose", long, 8191, "", true},
		{"long pieces of prose that fit", long, 100_000, long, false},
		{"another alphabet", strings.Repeat("埋め込みは一度だけ購入され、", 1000), 8191, "", true},
		{"a run without a break", strings.Repeat("a", 100_000), 8191, "", true},
		{"signs", strings.Repeat("=-", 50_000), 500, "", true},
		{"not UTF-8", strings.Repeat("\xff", 9000), 8191, strings.Repeat("\xff", 9000), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, cut := Cl100k().Cutter(c.most)(c.text)
			if cut != c.cut || c.want != "" && got != c.want || !strings.HasPrefix(c.text, got) {
				t.Fatalf("%d of %d bytes, cut %v: %.40q", len(got), len(c.text), cut, got)
			}
			if n := count(got); cut && n > c.most || cut && c.most > 100 && n < c.most-4 && utf8.ValidString(c.text) {
				t.Errorf("%d tokens are left, want about %d", n, c.most)
			}
			if utf8.ValidString(c.text) && !utf8.ValidString(got) {
				t.Errorf("%q is not UTF-8", got[max(0, len(got)-8):])
			}
		})
	}
}

// FuzzPieces compares the pieces with those of the tokenizer's own regular
// expressions: all at once, a text has as many tokens as its pieces.
func FuzzPieces(f *testing.F) {
	for _, text := range []string{
		"hello world", "don't DON'T 'S 'ſ 'lL ''re", "a\n \nb", "a  b", "  \r\n \t x", "1234567 ½²Ⅷ", " ==\n\n= --", "日本語 l'été e\u0301t\u0301", "\u00a0\u3000x\u2028 \u180ey", "\xff\xfe a", " ", "\n", "x\n ", "'", "K\u212a\u0130'\u017f",
		"HTTPServer iPhone's ABC日D", "\u0301AB =\u0301= \u0301'sX", "ǅun ªºʰ", "==/\n/=\r\n//x",
	} {
		f.Add(text)
	}
	checks := make([]func(*testing.T, string), len(encodings))
	for i, e := range encodings {
		whole, count := e.codec(), e.Counter()
		checks[i] = func(t *testing.T, text string) {
			t.Helper()
			want, err := whole.Count(text)
			if got := count(text); err != nil || got != want {
				t.Fatalf("%s: %q has %d tokens in pieces, %d at once (%v)", e.Name, text, got, want, err)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > longestPiece {
			return
		}
		for _, check := range checks {
			check(t, text)
		}
	})
}

// Long texts have as many tokens in pieces as at once.
func TestPieces(t *testing.T) {
	for _, e := range encodings {
		t.Run(e.Name, func(t *testing.T) { testPieces(t, e) })
	}
}

func testPieces(t *testing.T, e Encoding) {
	c, count := e.codec(), e.Counter()
	words := strings.Fields("a the Ünïcode don't x1 42 1234 -- == ¿qué? l'été 日本語 A.B. it's \u180e END ABC日D HTTPServer =\u0301 //x")
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		var b strings.Builder
		for b.Len() < 30_000 {
			b.WriteString(words[r.IntN(len(words))])
			b.WriteString([]string{" ", "  ", "\n", " \n ", "\t", "\u00a0", ""}[min(r.IntN(12), 6)])
		}
		want, err := c.Count(b.String())
		if got := count(b.String()); err != nil || got != want {
			t.Fatalf("%d tokens in pieces, %d at once (%v)", got, want, err)
		}
	}
}

func TestEstimateTokens(t *testing.T) {
	count := Cl100k().Counter()
	for _, text := range []string{
		"The cache of DESIGN is content-addressed, so that a text is embedded once, ever, across data sets.",
		"Die Einbettungen kosten Geld und Stunden, und deshalb werden sie nur einmal gekauft.",
		"埋め込みは一度だけ購入され、どのデータセットでも使えます。",
	} {
		if got, want := EstimateTokens(text), count(text); got < want*6/10 || got > want*17/10 {
			t.Errorf("%q: estimated %d tokens, there are %d", text, got, want)
		}
	}
}

func BenchmarkTokens(b *testing.B) {
	for _, e := range encodings {
		b.Run(e.Name, func(b *testing.B) { benchmarkTokens(b, e) })
	}
}

func benchmarkTokens(b *testing.B, e Encoding) {
	count := e.Counter()
	text := strings.Repeat("The cache of DESIGN is content-addressed, so that a text is embedded once, ever. ", 10)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		count(text)
	}
}
