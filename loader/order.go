package loader

import "math/rand/v2"

// An Order says in which order an epoch goes through the pairs.
type Order struct {
	Seed  uint64 // of the run
	Epoch int    // each epoch has an order of its own
	// Window is how many pairs are shuffled among each other, 0 for all. Data
	// on a disk are read faster where it is smaller.
	Window int
	// Together is the size of the batches that the pairs of a group, as far as
	// they are in one window, come into together; 0 lets them go anywhere. A
	// group is divided only where none fits the end of a batch.
	Together int
}

// orderBlock is the number of neighbouring pairs that come into the same
// window: few enough to mix pairs from all over the data, enough to be read in
// one piece.
const orderBlock = 64

// Shuffled returns the numbers of a split's pairs in an order drawn from the
// seed and the epoch. Where there are more pairs than the window holds, blocks
// of neighbours are shuffled, and then the pairs of each window.
func (d *Dataset) Shuffled(s Split, o Order) []int32 {
	pairs := d.Indices(s)
	rng := rand.New(rand.NewPCG(o.Seed, uint64(o.Epoch)))
	if o.Window <= 0 || len(pairs) <= o.Window {
		d.mix(rng, pairs, o.Together, 0)
		return pairs
	}
	blocks := make([]int, (len(pairs)+orderBlock-1)/orderBlock)
	for i := range blocks {
		blocks[i] = i * orderBlock
	}
	shuffle(rng, blocks)
	order := make([]int32, 0, len(pairs))
	for _, at := range blocks {
		order = append(order, pairs[at:min(at+orderBlock, len(pairs))]...)
	}
	for lo := 0; lo < len(order); lo += o.Window {
		d.mix(rng, order[lo:min(lo+o.Window, len(order))], o.Together, lo)
	}
	return order
}

// mix shuffles a window of pairs, which begins at place first of the epoch.
func (d *Dataset) mix(rng *rand.Rand, window []int32, together, first int) {
	if together <= 0 {
		shuffle(rng, window)
		return
	}
	members := map[int32][]int32{}
	var groups []int32
	for _, pair := range window {
		g := d.Pairs.Group[pair]
		if members[g] == nil {
			groups = append(groups, g)
		}
		members[g] = append(members[g], pair)
	}
	shuffle(rng, groups)
	const ahead = 64 // groups that are looked at for one that fits
	for place := 0; len(groups) > 0; groups = groups[1:] {
		room := together - (first+place)%together
		for i := range groups[:min(ahead, len(groups))] {
			if len(members[groups[i]]) <= room {
				groups[0], groups[i] = groups[i], groups[0]
				break
			}
		}
		place += copy(window[place:], members[groups[0]])
	}
}

func shuffle[T any](rng *rand.Rand, s []T) {
	rng.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
}
