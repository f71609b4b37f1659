//go:build gpu && linux

package cuda

import (
	"fmt"

	"github.com/cosfit/cosfit/cuda/internal/nvidia"
	"github.com/cosfit/cosfit/graph"
)

const (
	// projectRows are the rows of one product, so that one algorithm, chosen
	// once, computes every vector's projection. It fills a GPU of 132
	// multiprocessors at k = 1,024, and makes a block of P begin at a multiple
	// of 256 bytes.
	projectRows = 2048
	// keptBlocks bound the embeddings that are gathered at a time.
	keptBlocks = 32
)

// A projection computes P = X·M in float32, whatever the precision: it is what
// figures are made of, and those are of the matrix that is exported. Its rows
// are computed in blocks of one size, the last filled up with zeros, so a
// vector's projection is the same bits wherever it stands.
type projection struct {
	*Backend
	d, k  int
	x     memory // X [blocks, d], float32, of one part
	p, dm *array // p's memory is of whole blocks

	batch graph.Batch // the last one, which Backward gathers again where x did not hold it all
}

// NewProject prepares the projection of a batch.
func (b *Backend) NewProject(d, k int) (graph.ProjectKernel, error) {
	return &projection{Backend: b, d: d, k: k, p: b.newArray(0, k), dm: b.newArray(d, k)}, nil
}

func (o *projection) rows() int { return len(o.batch.Left) + len(o.batch.Right) }

// whole says whether all embeddings of the batch are gathered at a time.
func (o *projection) whole() bool { return o.rows() <= keptBlocks*o.projectRows }

// Forward computes P.
func (o *projection) Forward(m graph.Array, batch *graph.Batch) (graph.Array, error) {
	if err := o.enter(); err != nil {
		return nil, err
	}
	defer o.leave()
	if err := o.batched(batch, o.d); err != nil {
		return nil, err
	}
	matrix, err := o.matrix(m, o.d, o.k)
	if err != nil {
		return nil, err
	}
	o.keep(batch)
	if err := o.room(); err != nil {
		return nil, err
	}
	block := nvidia.Matmul{M: o.projectRows, N: o.k, K: o.d, Compute: nvidia.ComputeFloat32}
	return o.p, o.parts(batch, func(first, rows int) error {
		for at := 0; at < rows; at += o.projectRows {
			x, p := o.x.at+nvidia.Pointer(4*at*o.d), o.p.at+nvidia.Pointer(4*(first+at)*o.k)
			if err := o.multiply(block, x, matrix.at, 0, p); err != nil {
				return err
			}
		}
		return nil
	})
}

// keep remembers the batch, whose slices are the caller's.
func (o *projection) keep(batch *graph.Batch) {
	left, right := o.batch.Left[:0], o.batch.Right[:0]
	o.batch = *batch
	o.batch.Left, o.batch.Right = append(left, batch.Left...), append(right, batch.Right...)
}

// room makes room for the batch.
func (o *projection) room() error {
	n := o.rows()
	if err := o.p.resize(n); err != nil {
		return err
	}
	blocks := (n + o.projectRows - 1) / o.projectRows
	if err := o.grow(&o.p.memory, 4*blocks*o.projectRows*o.k); err != nil {
		return err
	}
	return o.grow(&o.x, 4*min(blocks, keptBlocks)*o.projectRows*o.d)
}

// parts gathers the batch part by part, and calls f for each: rows of the
// batch from number first on are in X.
func (o *projection) parts(batch *graph.Batch, f func(first, rows int) error) error {
	n := o.rows()
	if n == 0 {
		return nil
	}
	if o.whole() {
		if err := o.gather(batch, 0, n); err != nil {
			return err
		}
		return f(0, n)
	}
	most := keptBlocks * o.projectRows
	for first := 0; first < n; first += most {
		rows, lefts := min(most, n-first), len(batch.Left)
		ofLeft := max(0, min(lefts-first, rows))
		if ofLeft > 0 {
			side := graph.Batch{Table: batch.Table, Offset: batch.Offset, Left: batch.Left[first : first+ofLeft], Dropout: batch.Dropout}
			side.Dropout.Row += uint32(first)
			if err := o.gather(&side, 0, ofLeft); err != nil {
				return err
			}
		}
		if from := first + ofLeft - lefts; ofLeft < rows {
			side := graph.Batch{Table: batch.Table, Offset: batch.Offset, Right: batch.Right[from : from+rows-ofLeft], Dropout: batch.Dropout}
			side.Dropout.Row += uint32(from)
			if err := o.gather(&side, ofLeft, rows-ofLeft); err != nil {
				return err
			}
		}
		if err := f(first, rows); err != nil {
			return err
		}
	}
	return nil
}

// gather writes the embeddings of a batch to X from a row on, and zeros behind
// them up to the end of a block.
func (o *projection) gather(batch *graph.Batch, row, rows int) error {
	if err := o.stage(batch); err != nil {
		return err
	}
	end := (row + rows + o.projectRows - 1) / o.projectRows * o.projectRows
	return o.exact.Gather(o.stream, o.job.at, o.x.at+nvidia.Pointer(4*row*o.d), end-row, o.d)
}

// Backward computes dM = Xᵀ·dP. Where the batch was too large to be kept it is
// gathered again, from a table that must still hold it.
func (o *projection) Backward(dp graph.Array) (graph.Array, error) {
	if err := o.enter(); err != nil {
		return nil, err
	}
	defer o.leave()
	a, err := o.own(dp)
	if err != nil {
		return nil, err
	}
	n := o.p.Shape()[0]
	if a.Size() != n*o.k {
		return nil, fmt.Errorf("cuda: a gradient of %d numbers for %d rows of %d", a.Size(), n, o.k)
	}
	if err := o.grow(&o.dm.memory, 4*o.d*o.k); err != nil {
		return nil, err
	}
	add := func(first, rows int) error {
		dm := nvidia.Matmul{M: o.d, N: o.k, K: rows, TransA: true, Compute: nvidia.ComputeFloat32}
		beta := float32(min(first, 1))
		return o.multiply(dm, o.x.at, a.at+nvidia.Pointer(4*first*o.k), beta, o.dm.at)
	}
	switch {
	case n == 0:
		return o.dm, o.zero(o.dm)
	case o.whole():
		return o.dm, add(0, n)
	}
	return o.dm, o.parts(&o.batch, add)
}
