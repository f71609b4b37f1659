package alike

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Two texts are alike where comparing all with all says so.
func TestWords(t *testing.T) {
	texts, in := made(rand.New(rand.NewPCG(9, 0)), 250)
	for i := range in {
		in[i] = 3 // in two splits, so that all count
	}
	want := map[[2]int32]bool{}
	for _, p := range brute(texts, in) {
		want[[2]int32{p.A, p.B}] = true
	}
	if len(want) < 20 {
		t.Fatalf("only %d are alike", len(want))
	}
	words := make([]Words, len(texts))
	for i, text := range texts {
		words[i] = WordsOf(text)
	}
	for a := range texts {
		for b := a + 1; b < len(texts); b++ {
			pair := [2]int32{int32(a), int32(b)}
			if words[a].Alike(words[b]) != want[pair] || words[b].Alike(words[a]) != want[pair] {
				t.Errorf("alike: %v, want %v\n%q\n%q", !want[pair], want[pair], texts[a], texts[b])
			}
		}
	}
	if none := WordsOf("?!"); !slices.Equal(none, nil) || none.Alike(none) {
		t.Error("texts without a word are alike")
	}
}
