package loader

import (
	"context"
	"fmt"
	"slices"
	"testing"
)

// batchData has 23 training pairs, numbers 0, 3, 6, …, among others.
func batchData() *Dataset {
	var rows []row
	for i := range 69 {
		rows = append(rows, row{left: i, right: 100 + i, group: fmt.Sprint(i), split: Split(i % 3)})
	}
	d := dataset(rows)
	for i := range d.Pairs.Label {
		d.Pairs.Label[i] = float32(i) / 100
	}
	return d
}

// collect copies the pairs of each batch.
func collect(t *testing.T, d *Dataset, opts BatchOptions) [][]int32 {
	t.Helper()
	var out [][]int32
	for b, err := range d.Batches(context.Background(), opts) {
		if err != nil {
			t.Fatal(err)
		}
		checkBatch(t, d, b)
		out = append(out, slices.Clone(b.Pairs))
	}
	return out
}

func checkBatch(t *testing.T, d *Dataset, b Batch) {
	t.Helper()
	if b.Vectors != d.Vectors || b.Len() != len(b.Pairs) {
		t.Errorf("%d labels for %d pairs", b.Len(), len(b.Pairs))
	}
	for k, i := range b.Pairs {
		p := &d.Pairs
		if b.Left[k] != p.Left[i] || b.Right[k] != p.Right[i] || b.Labels[k] != p.Label[i] || b.Groups[k] != p.Group[i] {
			t.Errorf("entry %d of a batch is not pair %d", k, i)
		}
	}
}

func TestBatchesInOrder(t *testing.T) {
	d := batchData()
	for _, split := range []Split{Train, Validation, Test} {
		for _, size := range []int{1, 5, 22, 23, 24, 1000} {
			batches := collect(t, d, BatchOptions{Split: split, Size: size, Seed: 7, Epoch: 3})
			for i, b := range batches {
				if want := min(size, 23-i*size); len(b) != want {
					t.Errorf("size %d: batch %d has %d pairs, want %d", size, i, len(b), want)
				}
			}
			if got := slices.Concat(batches...); !slices.Equal(got, d.Indices(split)) {
				t.Errorf("size %d: pairs %v", size, got)
			}
		}
	}
}

func TestBatchesShuffled(t *testing.T) {
	d := batchData()
	order := func(opts BatchOptions) []int32 {
		opts.Shuffle = true
		return slices.Concat(collect(t, d, opts)...)
	}
	first := order(BatchOptions{Size: 5, Seed: 1, Epoch: 2})
	if slices.Equal(first, d.Indices(Train)) {
		t.Error("not shuffled")
	}
	if sorted := slices.Sorted(slices.Values(first)); !slices.Equal(sorted, d.Indices(Train)) {
		t.Errorf("no permutation: %v", first)
	}
	for name, c := range map[string]struct {
		opts BatchOptions
		same bool
	}{
		"again":         {BatchOptions{Size: 5, Seed: 1, Epoch: 2}, true},
		"another size":  {BatchOptions{Size: 23, Seed: 1, Epoch: 2}, true},
		"another epoch": {BatchOptions{Size: 5, Seed: 1, Epoch: 3}, false},
		"another seed":  {BatchOptions{Size: 5, Seed: 2, Epoch: 2}, false},
		"exchanged":     {BatchOptions{Size: 5, Seed: 2, Epoch: 1}, false},
	} {
		if got := order(c.opts); slices.Equal(got, first) != c.same {
			t.Errorf("%s: %v after %v", name, got, first)
		}
	}
}

func TestBatchesSkip(t *testing.T) {
	d := batchData()
	for _, shuffle := range []bool{false, true} {
		opts := BatchOptions{Size: 5, Shuffle: shuffle, Seed: 1, Epoch: 2}
		whole := collect(t, d, opts)
		for skip := range len(whole) + 2 {
			opts.Skip = skip
			got := collect(t, d, opts)
			want := whole[min(skip, len(whole)):]
			if !slices.EqualFunc(got, want, slices.Equal) {
				t.Errorf("skip %d: %v, want %v", skip, got, want)
			}
		}
	}
}

func TestBatchesCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	full := 0
	var last error
	for _, err := range batchData().Batches(ctx, BatchOptions{Size: 5}) {
		if last = err; err == nil {
			full++
		}
		if full == 2 {
			cancel()
		}
	}
	if full != 2 || last != context.Canceled {
		t.Errorf("%d batches, then %v", full, last)
	}
}

func TestBatchesBreak(t *testing.T) {
	d := batchData()
	sequence := d.Batches(context.Background(), BatchOptions{Size: 5, Shuffle: true})
	var first []int32
	for b := range sequence {
		first = slices.Clone(b.Pairs)
		break
	}
	for b := range sequence { // from the start again
		if !slices.Equal(b.Pairs, first) {
			t.Errorf("the second loop begins with %v, the first with %v", b.Pairs, first)
		}
		break
	}
}

func TestBatchesOfNothing(t *testing.T) {
	d := dataset([]row{{left: 1, right: 2, group: "a"}})
	if got := collect(t, d, BatchOptions{Split: Test, Size: 5}); got != nil {
		t.Errorf("batches %v of an empty split", got)
	}
	for _, err := range d.Batches(context.Background(), BatchOptions{}) {
		wantError(t, err, "batch size is 0, want at least 1")
	}
}
