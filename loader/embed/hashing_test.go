package embed

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"strings"
	"testing"
)

func hashed(t *testing.T, h *Hashing, texts ...string) [][]float32 {
	t.Helper()
	a, err := h.Embed(context.Background(), texts)
	if err != nil {
		t.Fatal(err)
	}
	return a.Vectors
}

func dot(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

// Vectors are of length 1, the same each time, and near where texts share words
// or parts of words, whatever their case and what stands between.
func TestHashing(t *testing.T) {
	h := NewHashing(HashingDimensions)
	v := hashed(t, h, "Heart attacks are treated at once.", "heart attack, treatment", "Repair a bicycle's chain", "HEART attacks; are treated at ONCE!")
	again := hashed(t, h, "Heart attacks are treated at once.")
	for i, x := range v {
		if len(x) != HashingDimensions || math.Abs(dot(x, x)-1) > 1e-6 {
			t.Errorf("text %d: %d dimensions, length² %g", i, len(x), dot(x, x))
		}
	}
	if fmt.Sprint(again[0]) != fmt.Sprint(v[0]) || fmt.Sprint(v[3]) != fmt.Sprint(v[0]) {
		t.Error("the same words have another vector")
	}
	if near, far := dot(v[0], v[1]), dot(v[0], v[2]); near < 0.3 || far > 0.15 {
		t.Errorf("cosine %.2f with a text that shares words, %.2f with one that does not", near, far)
	}
}

// A change of these numbers is another model: hashingModel must change too, or
// caches mix two.
func TestHashingIsFixed(t *testing.T) {
	v := hashed(t, NewHashing(8), "What's the pH of Wasser – naïve 東京 42?")[0]
	const want = "[-0.20701 -0.65296 0.11000 0.43102 -0.09519 0.18563 0.00340 -0.53793]" // from a reading of the comment of Hashing in Python
	if got := fmt.Sprintf("%.5f", v); got != want {
		t.Errorf("the vector is %s, want %s", got, want)
	}
}

// Order and repetition count, and a text without letters has a vector too.
func TestHashingDistinguishes(t *testing.T) {
	h := NewHashing(256)
	seen := map[string]string{}
	for _, text := range []string{"dog bites man", "man bites dog", "dog dog bites man", "!", "?!", "… —", "a", "é", "e"} {
		key := fmt.Sprint(hashed(t, h, text)[0])
		if other, ok := seen[key]; ok {
			t.Errorf("%q and %q have one vector", text, other)
		}
		seen[key] = text
	}
}

func TestHashingErrors(t *testing.T) {
	h := NewHashing(16)
	a, err := h.Embed(context.Background(), []string{"fine", "", " \n\t"})
	if err != nil || a.Vectors[0] == nil || len(a.Bad) != 2 {
		t.Fatal(a, err)
	}
	for i, why := range a.Bad {
		if a.Vectors[i] != nil || why.Error() != "a text of white space alone has no vector" {
			t.Errorf("text %d: %v, %v", i, a.Vectors[i], why)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := h.Embed(ctx, []string{"a"}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// The features of a large vocabulary spread evenly, over elements and signs.
func TestHashSpreads(t *testing.T) {
	const n, buckets = 1 << 16, 64
	var count [2 * buckets]int
	for i := range n {
		x := pieceFeature.of(fmt.Sprint(i)).mixed()
		count[2*(x&(1<<63-1)%buckets)+x>>63]++
	}
	var chi float64
	const expected = n / (2 * buckets)
	for _, c := range count {
		chi += float64((c-expected)*(c-expected)) / expected
	}
	if degrees := float64(2*buckets - 1); math.Abs(chi-degrees) > 5*math.Sqrt(2*degrees) {
		t.Errorf("χ² is %.0f, want about %.0f", chi, degrees)
	}
	h := fnv.New64a()
	h.Write([]byte("x"))
	if f := noFeature.of("x"); uint64(f) != h.Sum64() || f.mixed() == h.Sum64() {
		t.Error("no FNV-1a, or its bits are not mixed")
	}
}

func BenchmarkHashing(b *testing.B) {
	h := NewHashing(HashingDimensions)
	text := strings.Repeat("The quick brown fox jumps over the lazy dog near the river bank. ", 8)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := h.Embed(context.Background(), []string{text}); err != nil {
			b.Fatal(err)
		}
	}
}
