package loader

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestTogether: a group's pairs come into one batch, in an order of groups that
// every epoch has anew.
func TestTogether(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	d := &Dataset{}
	const groups = 300
	for g := range int32(groups) {
		for range 1 + rng.IntN(7) {
			d.Pairs.Group = append(d.Pairs.Group, g)
			d.Pairs.Split = append(d.Pairs.Split, Train)
			d.Pairs.Label = append(d.Pairs.Label, 0)
		}
	}
	n := d.Pairs.Len()
	for _, window := range []int{256, 0} {
		if window == 0 { // then it does not matter where the data have a group's pairs
			shuffle(rng, d.Pairs.Group)
		}
		o := Order{Seed: 1, Window: window, Together: 32}
		order := d.Shuffled(Train, o)
		if again := d.Shuffled(Train, o); !slices.Equal(order, again) {
			t.Error("the same order is another the second time")
		}
		if sorted := slices.Sorted(slices.Values(order)); sorted[0] != 0 || sorted[n-1] != int32(n-1) || len(slices.Compact(sorted)) != n {
			t.Fatal("the order is not one of all pairs")
		}
		o.Epoch = 1
		if slices.Equal(order, d.Shuffled(Train, o)) {
			t.Error("two epochs have one order")
		}
		type visit struct {
			group int32
			batch int
		}
		batches := map[visit]bool{}
		for place, pair := range order {
			batches[visit{d.Pairs.Group[pair], place / 32}] = true
		}
		torn := len(batches) - groups
		// Blocks of neighbours begin and end within a group.
		if most := map[int]int{0: 3, 256: 2*n/orderBlock + n/256 + 3}[window]; torn > most {
			t.Errorf("window %d: %d groups are divided, want at most %d", window, torn, most)
		}
	}
	plain := d.Shuffled(Train, Order{Seed: 1})
	var neighbours int
	for i := range plain[1:] {
		if d.Pairs.Group[plain[i]] == d.Pairs.Group[plain[i+1]] {
			neighbours++
		}
	}
	if neighbours > n/20 {
		t.Errorf("without Together %d of %d neighbours are of one group", neighbours, n)
	}
}
