package embed

import (
	"strings"
	"testing"
	"time"
)

// The counts are those of OpenAI's tiktoken for cl100k_base. Later versions of the
// tokenizer that we link are wrong about white space, hence the golden ones.
func TestCl100k(t *testing.T) {
	count := Cl100k()
	for text, want := range map[string]int{
		"": 0, "hello world": 2, "tiktoken is great!": 6, "antidisestablishmentarianism": 6, "2 + 2 = 4": 7,
		"お誕生日おめでとう": 9, "a\n \nb": 3, "a  b": 3,
	} {
		if got := count(text); got != want {
			t.Errorf("%q has %d tokens, want %d", text, got, want)
		}
	}
}

// A run without a break takes no longer than other text, and its count is close.
func TestLongRuns(t *testing.T) {
	count := Cl100k()
	start := time.Now()
	count(strings.Repeat("Embeddings are bought once. ", 20_000)) // about as many bytes
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

func TestEstimateTokens(t *testing.T) {
	count := Cl100k()
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

func BenchmarkCl100k(b *testing.B) {
	count := Cl100k()
	text := strings.Repeat("The cache of DESIGN is content-addressed, so that a text is embedded once, ever. ", 10)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		count(text)
	}
}
