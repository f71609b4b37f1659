package loader

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// chunkData has 23 training pairs, numbers 0, 3, 6, …, among others. A third of
// the pairs share their right text with another.
func chunkData() *Dataset {
	var rows []row
	for i := range 69 {
		rows = append(rows, row{left: i, right: 100 + i%50, group: fmt.Sprint(i), split: Split(i % 3)})
	}
	d := dataset(rows)
	for i := range d.Pairs.Label {
		d.Pairs.Label[i] = float32(i) / 100
	}
	return d
}

// streamedFrom is the same data set with its vectors in a file, of which
// chunks may have so many pairs.
func streamedFrom(t *testing.T, d *Dataset, pairs int) *Dataset {
	t.Helper()
	s := *d
	s.Memory = int64(3 * pairs * 2 * 4 * d.Vectors.Dim)
	s.Vectors = &Table{Dim: d.Vectors.Dim, IDs: d.Vectors.IDs}
	store := newVectorStore(s.Vectors, Options{Memory: 1, Scratch: t.TempDir()})
	for i := range d.Vectors.Rows() {
		if err := store.put(i, vector(t, d.Vectors, int32(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.finish(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &s
}

// collect copies the pairs of each batch, and checks that a batch brings what
// the pairs are made of.
func collect(t *testing.T, d *Dataset, order []int32, size int) (batches [][]int32) {
	t.Helper()
	p, dim := &d.Pairs, d.Vectors.Dim
	for c, err := range d.Chunks(context.Background(), order, size) {
		if err != nil {
			t.Fatal(err)
		}
		for b := range c.Batches(size) {
			for k, i := range b.Pairs {
				left, right := int(b.Left[k])*dim, int(b.Right[k])*dim
				if !slices.Equal(c.Vectors[left:left+dim], vector(t, d.Vectors, p.Left[i])) ||
					!slices.Equal(c.Vectors[right:right+dim], vector(t, d.Vectors, p.Right[i])) ||
					b.Labels[k] != p.Label[i] || b.Groups[k] != p.Group[i] {
					t.Errorf("entry %d of a batch is not pair %d", k, i)
				}
			}
			batches = append(batches, slices.Clone(b.Pairs))
		}
	}
	return batches
}

// In memory or streamed through chunks of any size, the batches are the order
// cut into pieces.
func TestChunks(t *testing.T) {
	d := chunkData()
	order := d.Shuffled(Train, Order{Seed: 3})
	for _, pairs := range []int{0, 1, 2, 5, 6, 7, 100} {
		from := d
		if pairs > 0 {
			from = streamedFrom(t, d, pairs)
		}
		for _, size := range []int{1, 5, 22, 23, 24, 1000} {
			for range 2 { // the second time with the memory of the first
				want := slices.Collect(slices.Chunk(order, size))
				if got := collect(t, from, order, size); !slices.EqualFunc(got, want, slices.Equal) {
					t.Errorf("chunks of %d pairs, batches of %d: %v, want %v", pairs, size, got, want)
				}
			}
		}
	}
}

// Each vector is read once a chunk.
func TestChunkVectorsAreUnique(t *testing.T) {
	d := streamedFrom(t, chunkData(), 30)
	for c, err := range d.Chunks(context.Background(), []int32{0, 50, 1, 51, 2, 52}, 1) {
		if err != nil {
			t.Fatal(err)
		}
		if n := len(c.Vectors) / d.Vectors.Dim; n != 9 {
			t.Errorf("%d vectors for six left texts and three right ones", n)
		}
	}
}

func TestUnique(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		a, b := make([]int32, rng.IntN(40)), make([]int32, rng.IntN(40))
		for _, s := range [][]int32{a, b} {
			for i := range s {
				s[i] = int32(rng.IntN(30))
			}
		}
		before := slices.Concat(a, b)
		values := unique(a, b)
		want := slices.Compact(slices.Sorted(slices.Values(before)))
		if !slices.Equal(values, want) {
			t.Fatalf("%v of %v", values, before)
		}
		for i, place := range slices.Concat(a, b) {
			if values[place] != before[i] {
				t.Fatalf("place %d of %v, want that of %d", place, values, before[i])
			}
		}
	}
}

func TestRows(t *testing.T) {
	d := chunkData()
	for _, from := range []*Dataset{d, streamedFrom(t, d, 4)} {
		rows := []int32{40, 3, 4, 5, 0, 40}
		vectors, at, err := from.Rows(rows)
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range rows {
			if got := vectors[at[i]]; got != vector(t, d.Vectors, row)[0] {
				t.Errorf("row %d is %v", row, got)
			}
		}
	}
}

func TestShuffled(t *testing.T) {
	d := chunkData()
	first := d.Shuffled(Train, Order{Seed: 1, Epoch: 2})
	if slices.Equal(first, d.Indices(Train)) {
		t.Error("not shuffled")
	}
	if sorted := slices.Sorted(slices.Values(first)); !slices.Equal(sorted, d.Indices(Train)) {
		t.Errorf("no permutation: %v", first)
	}
	for name, c := range map[string]struct {
		order Order
		same  bool
	}{
		"again":              {Order{Seed: 1, Epoch: 2}, true},
		"a window of all":    {Order{Seed: 1, Epoch: 2, Window: 23}, true},
		"a smaller window":   {Order{Seed: 1, Epoch: 2, Window: 22}, false},
		"another epoch":      {Order{Seed: 1, Epoch: 3}, false},
		"another seed":       {Order{Seed: 2, Epoch: 2}, false},
		"exchanged":          {Order{Seed: 2, Epoch: 1}, false},
		"exchanged, windows": {Order{Seed: 2, Epoch: 1, Window: 5}, false},
	} {
		if got := d.Shuffled(Train, c.order); slices.Equal(got, first) != c.same {
			t.Errorf("%s: %v after %v", name, got, first)
		}
	}
}

// A window mixes blocks from all over the data, and holds whole blocks but at
// its ends.
func TestShuffledWindows(t *testing.T) {
	const pairs, window = 10_000, 1024
	var rows []row
	for i := range pairs {
		rows = append(rows, row{left: i, right: i, group: fmt.Sprint(i)})
	}
	d := dataset(rows)
	order := d.Shuffled(Train, Order{Seed: 5, Window: window})
	if sorted := slices.Sorted(slices.Values(order)); !slices.Equal(sorted, d.Indices(Train)) {
		t.Fatal("no permutation")
	}
	for part := range slices.Chunk(order, window) {
		blocks := map[int32]int{}
		for _, i := range part {
			blocks[i/orderBlock]++
		}
		if most := len(part)/orderBlock + 2; len(blocks) > most {
			t.Errorf("a window of %d pairs from %d blocks, want at most %d", len(part), len(blocks), most)
		}
		low, high := slices.Min(part), slices.Max(part)
		if len(part) == window && high-low < pairs/2 {
			t.Errorf("a window from pairs %d to %d", low, high)
		}
	}
}

func TestChunksCancelled(t *testing.T) {
	d := chunkData()
	order := d.Indices(Train)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	full := 0
	var last error
	for _, err := range streamedFrom(t, d, 2).Chunks(ctx, order, 1) {
		if last = err; err == nil {
			full++
		}
		if full == 2 {
			cancel()
		}
	}
	if full < 2 || full > 4 || last != context.Canceled {
		t.Errorf("%d chunks, then %v", full, last)
	}
	last = nil
	for _, err := range d.Chunks(ctx, order, 1) {
		last = err
	}
	if last != context.Canceled {
		t.Errorf("in memory %v", last)
	}
}

func TestChunksBreak(t *testing.T) {
	d := chunkData()
	order := d.Indices(Train)
	for _, from := range []*Dataset{d, streamedFrom(t, d, 3)} {
		sequence := from.Chunks(context.Background(), order, 3)
		for range 3 { // from the start each time
			for c := range sequence {
				if c.Pairs[0] != order[0] {
					t.Errorf("begins with %v", c.Pairs)
				}
				break
			}
		}
	}
}

func TestChunksOfNothing(t *testing.T) {
	d := dataset([]row{{left: 1, right: 2, group: "a"}})
	for _, from := range []*Dataset{d, streamedFrom(t, d, 3)} {
		if got := collect(t, from, from.Indices(Test), 5); got != nil {
			t.Errorf("batches %v of an empty split", got)
		}
	}
}

// A read that fails reaches the caller, and ends the sequence.
func TestChunksDamaged(t *testing.T) {
	d := streamedFrom(t, chunkData(), 2)
	if err := d.Vectors.scratch.file.Truncate(40); err != nil {
		t.Fatal(err)
	}
	var errs []error
	for _, err := range d.Chunks(context.Background(), d.Indices(Train), 1) {
		errs = append(errs, err)
	}
	if last := errs[len(errs)-1]; last == nil || len(errs) == len(d.Indices(Train)) {
		t.Errorf("errors %v", errs)
	}
	if _, err := d.Fingerprint(); err == nil {
		t.Error("a fingerprint of vectors that are not there")
	}
}

// With little memory a data set is the same, whichever layout it has.
func TestOpenStreamed(t *testing.T) {
	for _, name := range []string{"testdata/folder", "testdata/good/pandas.parquet", "testdata/good/dictionary_pages_v1_long.parquet"} {
		opts := Options{}
		if name == "testdata/folder" {
			opts.Embeddings = "alpha"
		}
		whole := mustOpen(t, name, opts)
		bytes := int64(4 * len(whole.Vectors.Data))
		for _, memory := range []int64{1, bytes, 2*bytes - 1, 2 * bytes} {
			opts.Memory, opts.Scratch = memory, t.TempDir()
			d := mustOpen(t, name, opts)
			if streamed := d.Vectors.Data == nil; streamed != (memory < 2*bytes) {
				t.Errorf("%s: %d bytes in a memory of %d: streamed is %v", name, bytes, memory, streamed)
			}
			if fingerprint(t, d) != fingerprint(t, whole) || !slices.Equal(d.Vectors.IDs, whole.Vectors.IDs) {
				t.Errorf("%s: another data set with %d bytes of memory", name, memory)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
			if left, err := os.ReadDir(opts.Scratch); err != nil || len(left) > 0 {
				t.Errorf("left in the scratch folder: %v, %v", left, err)
			}
		}
	}
}

func TestScratchErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(context.Background(), "testdata/good/pandas.parquet", Options{Memory: 1, Scratch: file})
	wantError(t, err, "vectors that exceed half of --memory go to a scratch file in "+file+": not a directory; make room there, or choose another folder with --scratch")
}
