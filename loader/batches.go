package loader

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
)

// BatchOptions say which pairs to deliver and in what order.
type BatchOptions struct {
	Split   Split
	Size    int    // pairs in a batch; the last one may be shorter
	Shuffle bool   // in an order drawn from Seed and Epoch; otherwise as stored
	Seed    uint64 // of the run
	Epoch   int    // each epoch has an order of its own
	Skip    int    // batches to leave out at the start, when a run is resumed
}

// A Batch is some pairs of a data set. Its slices are reused: they are valid
// until the next batch is asked for.
type Batch struct {
	Vectors *Table    // what Left and Right index into; the same for all batches of a chunk
	Pairs   []int32   // numbers of the pairs in the data set
	Left    []int32   // rows of Vectors
	Right   []int32   // rows of Vectors
	Labels  []float32 // on the data set's scale
	Groups  []int32   // numbers of the groups
}

// Len returns the number of pairs.
func (b *Batch) Len() int { return len(b.Labels) }

// Batches delivers the pairs of one split. It ends early with ctx's error.
func (d *Dataset) Batches(ctx context.Context, opts BatchOptions) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		if opts.Size < 1 {
			yield(Batch{}, fmt.Errorf("batch size is %d, want at least 1", opts.Size))
			return
		}
		order := d.Indices(opts.Split)
		if opts.Shuffle {
			rng := rand.New(rand.NewPCG(opts.Seed, uint64(opts.Epoch)))
			rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		}
		order = order[min(opts.Skip*opts.Size, len(order)):]
		b := Batch{Vectors: d.Vectors}
		for len(order) > 0 {
			if err := ctx.Err(); err != nil {
				yield(Batch{}, err)
				return
			}
			n := min(opts.Size, len(order))
			b.fill(&d.Pairs, order[:n])
			order = order[n:]
			if !yield(b, nil) {
				return
			}
		}
	}
}

func (b *Batch) fill(p *Pairs, rows []int32) {
	b.Pairs = append(b.Pairs[:0], rows...)
	b.Left, b.Right, b.Groups, b.Labels = b.Left[:0], b.Right[:0], b.Groups[:0], b.Labels[:0]
	for _, i := range rows {
		b.Left = append(b.Left, p.Left[i])
		b.Right = append(b.Right, p.Right[i])
		b.Groups = append(b.Groups, p.Group[i])
		b.Labels = append(b.Labels, p.Label[i])
	}
}
