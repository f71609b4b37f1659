package loader

import "math/rand/v2"

// An Order says in which order an epoch goes through the pairs.
type Order struct {
	Seed  uint64 // of the run
	Epoch int    // each epoch has an order of its own
	// Window is how many pairs are shuffled among each other, 0 for all. Data
	// on a disk are read faster where it is smaller.
	Window int
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
		shuffle(rng, pairs)
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
		shuffle(rng, order[lo:min(lo+o.Window, len(order))])
	}
	return order
}

func shuffle[T any](rng *rand.Rand, s []T) {
	rng.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
}
