package loader

import (
	"context"
	"iter"
	"slices"
	"sync"
)

// A Chunk is some pairs with the vectors that they need.
type Chunk struct {
	Vectors []float32 // [n, d], row-major, each vector once; not to be changed
	Batch
}

// A Batch is some pairs of a chunk.
type Batch struct {
	Pairs  []int32   // numbers of the pairs in the data set
	Left   []int32   // rows of the chunk's vectors
	Right  []int32   // rows of the chunk's vectors
	Labels []float32 // on the data set's scale
	Groups []int32   // numbers of the groups
}

// Len returns the number of pairs.
func (b *Batch) Len() int { return len(b.Pairs) }

// Batches cuts a chunk into batches of the given size; the last one may be
// shorter. They share the chunk's memory.
func (c *Chunk) Batches(size int) iter.Seq[Batch] {
	return func(yield func(Batch) bool) {
		for lo := 0; lo < c.Len(); lo += size {
			hi := min(lo+size, c.Len())
			if !yield(Batch{c.Pairs[lo:hi], c.Left[lo:hi], c.Right[lo:hi], c.Labels[lo:hi], c.Groups[lo:hi]}) {
				return
			}
		}
	}
}

// Chunks delivers pairs in the given order with their vectors: all in one
// chunk where the data set is in memory. Otherwise a chunk takes a third of
// Options.Memory, though at least a batch and at most 256 MB, and the next one is
// read while the caller works on this one. A chunk is valid until the next is asked for.
// The sequence ends early with an error, which may be ctx's.
func (d *Dataset) Chunks(ctx context.Context, order []int32, batch int) iter.Seq2[Chunk, error] {
	if d.Vectors.Data == nil && len(order) > 0 {
		return d.streamed(ctx, order, max(d.chunkPairs()/batch, 1)*batch)
	}
	return func(yield func(Chunk, error) bool) {
		if len(order) == 0 {
			return
		}
		c := Chunk{Vectors: d.Vectors.Data}
		c.fill(&d.Pairs, order)
		yield(c, ctx.Err())
	}
}

// chunkPairs is how many pairs fit a chunk where no vector is used twice. More
// than the bound would not make reading faster, but let the first chunk wait.
func (d *Dataset) chunkPairs() int {
	const most = 256 << 20 // bytes
	pair := 2 * 4 * int64(d.Vectors.Dim)
	return int(min(d.Memory/3, most) / pair)
}

// Rows returns the vectors of the given rows of the table: memory that has them
// and the rows of it that they are. It is valid until the next chunk or rows
// are asked for.
func (d *Dataset) Rows(rows []int32) (vectors []float32, at []int32, err error) {
	if d.Vectors.Data != nil {
		return d.Vectors.Data, rows, nil
	}
	two := d.takeSpare()
	d.spare = two
	c := two[0]
	c.resize(len(rows) * d.Vectors.Dim)
	at = make([]int32, len(rows))
	for i := range at {
		at[i] = int32(i)
	}
	return c.Vectors, at, d.Vectors.Read(rows, c.Vectors)
}

// fill takes the given pairs.
func (b *Batch) fill(p *Pairs, pairs []int32) {
	b.Pairs = append(b.Pairs[:0], pairs...)
	b.Left, b.Right, b.Groups, b.Labels = b.Left[:0], b.Right[:0], b.Groups[:0], b.Labels[:0]
	for _, i := range pairs {
		b.Left = append(b.Left, p.Left[i])
		b.Right = append(b.Right, p.Right[i])
		b.Groups = append(b.Groups, p.Group[i])
		b.Labels = append(b.Labels, p.Label[i])
	}
}

// streamed reads chunk by chunk, one ahead.
func (d *Dataset) streamed(ctx context.Context, order []int32, pairs int) iter.Seq2[Chunk, error] {
	type read struct {
		chunk *Chunk
		err   error
	}
	return func(yield func(Chunk, error) bool) {
		inside, cancel := context.WithCancel(ctx)
		var reader sync.WaitGroup
		two := d.takeSpare()
		defer func() {
			cancel()
			reader.Wait()
			d.spare = two
		}()
		free, ready := make(chan *Chunk, len(two)), make(chan read)
		for _, c := range two {
			free <- c
		}
		reader.Go(func() {
			defer close(ready)
			for part := range slices.Chunk(order, pairs) {
				select {
				case c := <-free:
					if inside.Err() != nil {
						return
					}
					err := c.read(d, part)
					select {
					case ready <- read{c, err}:
					case <-inside.Done():
						return
					}
					if err != nil {
						return
					}
				case <-inside.Done():
					return
				}
			}
		})
		for r := range ready {
			if !yield(*r.chunk, r.err) || r.err != nil {
				return
			}
			free <- r.chunk
		}
		if err := ctx.Err(); err != nil {
			yield(Chunk{}, err)
		}
	}
}

// takeSpare returns memory for two chunks, of the last sequence where it is
// not in use.
func (d *Dataset) takeSpare() [2]*Chunk {
	two := d.spare
	d.spare = [2]*Chunk{}
	for i, c := range two {
		if c == nil {
			two[i] = &Chunk{}
		}
	}
	return two
}

// read fetches the given pairs and each of their vectors once.
func (c *Chunk) read(d *Dataset, pairs []int32) error {
	c.fill(&d.Pairs, pairs)
	rows := unique(c.Left, c.Right)
	c.resize(len(rows) * d.Vectors.Dim)
	return d.Vectors.Read(rows, c.Vectors)
}

// resize makes room for n numbers.
func (c *Chunk) resize(n int) {
	if cap(c.Vectors) < n {
		c.Vectors = make([]float32, n)
	}
	c.Vectors = c.Vectors[:n]
}

// unique returns the distinct values of all slices in ascending order, and
// replaces each value by its place among them.
func unique(slots ...[]int32) (values []int32) {
	n := 0
	for _, s := range slots {
		n += len(s)
	}
	keys := make([]uint64, 0, n) // value, then where it stands
	for i, s := range slots {
		for j, v := range s {
			keys = append(keys, uint64(v)<<32|uint64(j*len(slots)+i))
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		v, at := int32(key>>32), int(uint32(key))
		if len(values) == 0 || values[len(values)-1] != v {
			values = append(values, v)
		}
		slots[at%len(slots)][at/len(slots)] = int32(len(values) - 1)
	}
	return values
}

// Share returns n data sets with the contents of d, which may be read at the
// same time, each with its part of the memory for buffers. They are valid until
// d is closed, and none of them, nor d, may be changed any more.
func (d *Dataset) Share(n int) []*Dataset {
	shared := make([]*Dataset, n)
	for i := range shared {
		own := *d
		own.spare, own.Memory = [2]*Chunk{}, d.Memory/int64(n)
		shared[i] = &own
	}
	return shared
}
