package study

import (
	"path/filepath"
	"testing"

	"github.com/cosfit/cosfit/trainer/sweep/search"
)

// BenchmarkAsk asks, reports and tells in a study with 1,000 trials of 30
// reports.
func BenchmarkAsk(b *testing.B) {
	ctx := b.Context()
	s, err := Create(ctx, filepath.Join(b.TempDir(), "study.db"), example(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	next := func() Attempt {
		a, err := s.Ask(ctx, "w", propose)
		if err != nil {
			b.Fatal(err)
		}
		return a
	}
	for range 1000 {
		a := next()
		for step := range 30 {
			if err := s.Report(ctx, a, step, 0.5); err != nil {
				b.Fatal(err)
			}
		}
		if err := s.Tell(ctx, a, search.Complete, 0.5, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("Ask", func(b *testing.B) {
		for b.Loop() {
			next()
		}
	})
	a := next()
	b.Run("Report", func(b *testing.B) {
		for b.Loop() {
			if err := s.Report(ctx, a, 1, 0.5); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Trials", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Trials(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Open", func(b *testing.B) {
		for b.Loop() {
			other, err := Open(ctx, s.storage, s.definition.Name, Options{})
			if err != nil {
				b.Fatal(err)
			}
			if _, err := other.Trials(ctx); err != nil {
				b.Fatal(err)
			}
			other.Close()
		}
	})
}
