package search

import (
	"fmt"
	"testing"

	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// ended are random trials of conditional's space, with some value.
func ended(b *testing.B, n int) (space.Space, []Trial) {
	s := conditional(b)
	var history []Trial
	for i := range n {
		p, err := Random{}.Next(s, i, nil, stream(0, i))
		if err != nil {
			b.Fatal(err)
		}
		history = append(history, Trial{Number: i, State: Complete, Point: p, Value: p["dropout"] - p["temperature"] + p["loss"]*p["dims"]/64})
	}
	return s, history
}

func BenchmarkTPE(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprint("trials=", n), func(b *testing.B) {
			s, history := ended(b, n)
			for b.Loop() {
				if _, err := (TPE{}).Next(s, n, history, stream(1, n)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkImportance(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprint("trials=", n), func(b *testing.B) {
			s, history := ended(b, n)
			for b.Loop() {
				if _, err := ImportanceOf(s, history, stream(1, n)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
