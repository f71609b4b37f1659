package cache

import (
	"fmt"
	"testing"

	"github.com/cosfit/cosfit/loader"
)

// BenchmarkAppend keeps the answers of requests for 64 texts, 1,536 dimensions
// each, with the merging that this brings.
func BenchmarkAppend(b *testing.B) {
	const texts, d = 64, 1536
	s, err := Open(b.TempDir()).Store(space(d))
	if err != nil {
		b.Fatal(err)
	}
	ids, vectors := make([]string, texts), make([][]float32, texts)
	n := 0
	for b.Loop() {
		b.StopTimer()
		for i := range ids {
			ids[i] = loader.TextID(fmt.Sprint(n))
			vectors[i] = vectorOf(ids[i], d)
			n++
		}
		b.StartTimer()
		if err := s.Append(ids, vectors); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "vectors/s")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkMissing asks about the texts of one request, of which a cache of a
// hundred thousand has none.
func BenchmarkMissing(b *testing.B) {
	const d = 64
	s, err := Open(b.TempDir()).Store(space(d))
	if err != nil {
		b.Fatal(err)
	}
	for i := range 100 {
		if err := appendTexts(s, d, 1000*i, 1000); err != nil {
			b.Fatal(err)
		}
	}
	ids := textIDs(1_000_000, 64)
	for b.Loop() {
		if missing, err := s.Missing(ids); err != nil || len(missing) != len(ids) {
			b.Fatal(len(missing), err)
		}
	}
}
