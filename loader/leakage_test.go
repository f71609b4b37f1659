package loader

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// tangled draws pairs of few texts and groups, in splits at random, so that
// everything leaks.
func tangled(rng *rand.Rand, pairs, texts int) (Pairs, SplitFacts) {
	var p Pairs
	var groups []string
	for range pairs {
		p.Left, p.Right = append(p.Left, int32(rng.IntN(texts))), append(p.Right, int32(rng.IntN(texts)))
		p.Label = append(p.Label, 1)
		p.Split = append(p.Split, Split(rng.IntN(NumSplits)))
		groups = append(groups, fmt.Sprint(rng.IntN(texts)))
	}
	p.setGroups(groups)
	f := SplitFacts{Texts: texts}
	for range texts / 10 {
		f.Same = append(f.Same, [2]int32{int32(rng.IntN(texts)), int32(rng.IntN(texts))})
	}
	return p, f
}

// sameText is the definition: two texts that count as one, over others.
func sameText(f SplitFacts) func(a, b int32) bool {
	number := make([]int32, f.Texts)
	for t := range number {
		number[t] = int32(t)
	}
	for range f.Same {
		for _, s := range f.Same {
			low := min(number[s[0]], number[s[1]])
			number[s[0]], number[s[1]] = low, low
		}
	}
	return func(a, b int32) bool { return number[a] == number[b] }
}

// share is the definition: two pairs have a group or a text in common.
func share(p *Pairs, same func(a, b int32) bool, i, j int) bool {
	return p.Group[i] == p.Group[j] || same(p.Left[i], p.Left[j]) || same(p.Left[i], p.Right[j]) || same(p.Right[i], p.Left[j]) || same(p.Right[i], p.Right[j])
}

// TestLeaks compares with the definition, all pairs with all.
func TestLeaks(t *testing.T) {
	found := 0
	for seed := range uint64(30) {
		p, f := tangled(rand.New(rand.NewPCG(seed, 0)), 60, 200)
		same := sameText(f)
		shared := p.SharedWith(f, Train)
		for i := range p.Split {
			want := false
			for j := range p.Split {
				want = want || p.Split[i] != Train && p.Split[j] == Train && share(&p, same, i, j)
			}
			if shared[i] != want {
				t.Fatalf("seed %d: pair %d shares: %v, want %v", seed, i, shared[i], want)
			}
		}
		counted := map[[2]Split]int{}
		for _, l := range p.Leaks(f, func(text int32) string { return fmt.Sprint(text) }) {
			counted[[2]Split{l.A, l.B}] = l.Pairs
			if l.Groups+l.Texts == 0 || len(l.InGroup) != min(l.Groups, leakExamples) || len(l.InText) != min(l.Texts, leakExamples) {
				t.Errorf("seed %d: %+v", seed, l)
			}
		}
		for _, order := range leakOrder {
			want := 0
			for i := range p.Split {
				if p.Split[i] == order[1] && slices.ContainsFunc(indices(p.Len()), func(j int) bool { return p.Split[j] == order[0] && share(&p, same, i, j) }) {
					want++
				}
			}
			found += want
			if counted[order] != want {
				t.Errorf("seed %d: %d pairs of %s share with %s, want %d", seed, counted[order], order[1], order[0], want)
			}
		}
	}
	if found < 100 {
		t.Errorf("only %d leaks to find", found)
	}
}

func indices(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// TestMendLeaks: nothing is shared afterwards, test stays, and no pair goes
// without a reason.
func TestMendLeaks(t *testing.T) {
	for seed := range uint64(30) {
		p, f := tangled(rand.New(rand.NewPCG(seed, 1)), 60, 200)
		same := sameText(f)
		keep, gone := p.MendLeaks(f)
		left := p.Only(keep)
		if leaks := left.Leaks(f, func(int32) string { return "" }); leaks != nil {
			t.Errorf("seed %d: left: %v", seed, leaks)
		}
		before, after := p.count(), left.count()
		for s := range before {
			if before[s]-after[s] != gone[s] {
				t.Errorf("seed %d: %v went of %v, %v are left", seed, gone, before, after)
			}
		}
		if gone[Test] != 0 {
			t.Errorf("seed %d: %d test pairs went", seed, gone[Test])
		}
		for i, k := range keep {
			reason := func(j int) bool { return keep[j] && p.Split[j] > p.Split[i] && share(&p, same, i, j) }
			if !k && !slices.ContainsFunc(indices(p.Len()), reason) {
				t.Errorf("seed %d: pair %d of %s went without a reason", seed, i, p.Split[i])
			}
		}
	}
}
