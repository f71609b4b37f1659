package alike

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// list visits texts from memory.
func list(texts []string) func(func(int32, []byte) error) error {
	return func(visit func(int32, []byte) error) error {
		for n, text := range texts {
			if err := visit(int32(n), []byte(text)); err != nil {
				return err
			}
		}
		return nil
	}
}

// backwards visits them in another order.
func backwards(texts []string) func(func(int32, []byte) error) error {
	return func(visit func(int32, []byte) error) error {
		for n, text := range slices.Backward(texts) {
			if err := visit(int32(n), []byte(text)); err != nil {
				return err
			}
		}
		return nil
	}
}

// made writes texts of a small vocabulary, many of them changed copies.
func made(rng *rand.Rand, n int) (texts []string, in []uint8) {
	for i := range n {
		var words []string
		if i > 0 && rng.IntN(2) == 0 {
			words = strings.Fields(texts[rng.IntN(i)])
			for range rng.IntN(3) {
				words[rng.IntN(len(words))] = fmt.Sprint("w", rng.IntN(500))
			}
			if rng.IntN(3) == 0 {
				words[0] = strings.ToUpper(words[0]) + "!"
			}
		} else {
			for range 1 + rng.IntN(60) {
				words = append(words, fmt.Sprint("w", rng.IntN(500)))
			}
		}
		texts = append(texts, strings.Join(words, " "))
		in = append(in, uint8(rng.IntN(8)))
	}
	return texts, in
}

// shinglesOf is the definition, with strings.
func shinglesOf(text string) map[string]bool {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !strings.ContainsRune("w0123456789", r) })
	set := map[string]bool{}
	if len(words) > 0 && len(words) < 3 {
		set[strings.Join(words, " ")] = true
	}
	for i := 0; i+3 <= len(words); i++ {
		set[strings.Join(words[i:i+3], " ")] = true
	}
	return set
}

// brute compares all with all.
func brute(texts []string, in []uint8) (pairs []Pair) {
	sets := make([]map[string]bool, len(texts))
	for i, text := range texts {
		sets[i] = shinglesOf(text)
	}
	for a := range texts {
		for b := a + 1; b < len(texts); b++ {
			different := false
			for s := range 3 {
				for t := range 3 {
					different = different || s != t && in[a]>>s&1 == 1 && in[b]>>t&1 == 1
				}
			}
			x, y := sets[a], sets[b]
			both := 0
			for s := range x {
				if y[s] {
					both++
				}
			}
			union := len(x) + len(y) - both
			if different && 5*both >= 4*union {
				pairs = append(pairs, Pair{int32(a), int32(b), float64(both) / float64(union)})
			}
		}
	}
	return pairs
}

// TestAcross: nothing is missed and nothing made up, however little memory
// there is.
func TestAcross(t *testing.T) {
	total := 0
	for seed := range uint64(4) {
		texts, in := made(rand.New(rand.NewPCG(seed, 0)), 250)
		want := brute(texts, in)
		total += len(want)
		for _, memory := range []int64{0, 1, 20_000} {
			visit := list(texts)
			if memory > 1 {
				visit = backwards(texts)
			}
			got, err := Across(context.Background(), in, visit, memory)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("seed %d, %d bytes: %d pairs, want %d", seed, memory, len(got), len(want))
			}
		}
	}
	if total < 100 {
		t.Errorf("only %d pairs to find", total)
	}
}

// TestFolding: which texts have the same words.
func TestFolding(t *testing.T) {
	var a, b shingler
	for _, c := range []struct {
		x, y string
		same bool
	}{
		{"What is DNA?", "what is  dna", true},
		{"Ｆｕｌｌ width", "full width", true},
		{"of\ufb01ce caf\u00e9", "office cafe\u0301", true},
		{"one two", "two one", false},
		{"a b", "a b c", false},
		{"3.5 mm", "35 mm", false},
		{"東京は大きい", "東京 は大きい。", true},
		{"東京は大きい", "東京は小さい", false},
		{"...", "!?", true}, // no words at all, which Across compares with nothing
	} {
		x := slices.Clone(a.shingles([]byte(c.x), asIs))
		if same := slices.Equal(x, b.shingles([]byte(c.y), asIs)); same != c.same {
			t.Errorf("%q and %q: same is %v", c.x, c.y, same)
		}
	}
	if pairs, err := Across(context.Background(), []uint8{1, 2}, list([]string{"...", "!?"}), 0); err != nil || pairs != nil {
		t.Errorf("%v, %v", pairs, err)
	}
}

// TestAcrossStops hands on the errors of reading and of the context.
func TestAcrossStops(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if _, err := Across(ctx, []uint8{1, 2}, list([]string{"a", "b"}), 0); err != context.Canceled {
		t.Errorf("%v, want that of the context", err)
	}
}

// BenchmarkAcross: 100,000 texts of 100 words, of which one in ten is a changed
// copy; a third is not for training.
func BenchmarkAcross(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	texts := make([]string, 100_000)
	in := make([]uint8, len(texts))
	size := 0
	for i := range texts {
		if i > 0 && i%10 == 0 {
			texts[i] = texts[rng.IntN(i)] + " and more"
		} else {
			words := make([]string, 100)
			for j := range words {
				words[j] = fmt.Sprintf("word%d", int(1000*rng.ExpFloat64()))
			}
			texts[i] = "It is said that in the beginning " + strings.Join(words, " ")
		}
		size += len(texts[i])
		in[i] = 1
		if i%3 == 0 {
			in[i] = 4
		}
	}
	b.SetBytes(int64(size))
	for b.Loop() {
		pairs, err := Across(context.Background(), in, list(texts), 0)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(pairs)), "pairs")
	}
}
