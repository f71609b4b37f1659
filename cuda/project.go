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
	side  graph.Side
	d, k  int
	x     memory // X [blocks, d], float32, of the whole batch or of one part
	block memory // [projectRows, k], of P
	p, dm *array // p's memory is of whole blocks

	batch graph.Batch // the last one, which Backward gathers again where x did not hold it all
}

var _ graph.SidedBackend = (*Backend)(nil)

// NewProject prepares the projection of a batch.
func (b *Backend) NewProject(d, k int) (graph.ProjectKernel, error) {
	return b.NewSidedProject(graph.Both, d, k)
}

// NewSidedProject prepares it for any side.
func (b *Backend) NewSidedProject(side graph.Side, d, k int) (graph.ProjectKernel, error) {
	return &projection{Backend: b, side: side, d: d, k: k, p: b.newArray(0, k), dm: b.newArray(side.Rows(d), k)}, nil
}

// A half is rows of the batch that have a matrix.
type half struct {
	first, rows int // of the batch
	matrix      int // row of M, and of dM, that theirs begins at
	x           int // row of X that they begin at
}

// halves are one for each matrix.
func (o *projection) halves() []half {
	left, right := half{rows: len(o.batch.Left)}, half{first: len(o.batch.Left), rows: len(o.batch.Right), matrix: o.d}
	switch o.side {
	case graph.Query:
		return []half{left}
	case graph.Dual:
		if o.whole() {
			right.x = o.padded(left.rows)
		}
		return []half{left, right}
	}
	return []half{{rows: o.rows()}}
}

func (o *projection) rows() int { return len(o.batch.Left) + len(o.batch.Right) }

// padded is a number of rows filled up to whole blocks.
func (o *projection) padded(rows int) int {
	return (rows + o.projectRows - 1) / o.projectRows * o.projectRows
}

// most is how many rows of a half are gathered at a time.
func (o *projection) most() int { return keptBlocks * o.projectRows }

// whole says whether all embeddings of the batch are gathered at a time.
func (o *projection) whole() bool { return o.rows() <= o.most() }

// Forward computes P.
func (o *projection) Forward(m graph.Array, batch *graph.Batch) (graph.Array, error) {
	if err := o.enter(); err != nil {
		return nil, err
	}
	defer o.leave()
	if err := o.batched(batch, o.d, o.side.Width(o.d, o.k)); err != nil {
		return nil, err
	}
	matrix, err := o.matrix(m, o.side.Rows(o.d), o.k)
	if err != nil {
		return nil, err
	}
	o.keep(batch)
	if err := o.room(); err != nil {
		return nil, err
	}
	for _, h := range o.halves() {
		if err := o.parts(batch, h, func(at, rows int) error { return o.multiplyPart(h, at, rows, matrix.at) }); err != nil {
			return nil, err
		}
	}
	if o.side == graph.Query {
		return o.p, o.asIs(batch)
	}
	return o.p, nil
}

// keep remembers the batch, whose slices are the caller's.
func (o *projection) keep(batch *graph.Batch) {
	left, right := o.batch.Left[:0], o.batch.Right[:0]
	o.batch = *batch
	o.batch.Left, o.batch.Right = append(left, batch.Left...), append(right, batch.Right...)
}

// room makes room for the batch.
func (o *projection) room() error {
	if err := o.p.resize(o.rows()); err != nil {
		return err
	}
	halves := o.halves()
	if err := o.grow(&o.p.memory, 4*max(o.rows(), o.padded(halves[0].rows))*o.k); err != nil {
		return err
	}
	if o.side == graph.Dual {
		if err := o.grow(&o.block, 4*o.projectRows*o.k); err != nil {
			return err
		}
	}
	rows := o.most()
	if last := halves[len(halves)-1]; o.whole() {
		rows = last.x + o.padded(last.rows)
	}
	return o.grow(&o.x, 4*rows*o.d)
}

// parts gathers a half part by part, and calls f for each: its rows from number at
// on are in X.
func (o *projection) parts(batch *graph.Batch, h half, f func(at, rows int) error) error {
	for at := 0; at < h.rows; at += o.most() {
		rows := min(o.most(), h.rows-at)
		if err := o.gather(batch, h, at, rows); err != nil {
			return err
		}
		if err := f(at, rows); err != nil {
			return err
		}
	}
	return nil
}

// gather writes embeddings of a half to X, and zeros behind them up to the end of a
// block.
func (o *projection) gather(batch *graph.Batch, h half, at, rows int) error {
	x, end := o.embeddings(h), o.padded(rows)
	return o.reading(batch, h.first+at, rows, func(row, from, n int) error {
		return o.exact.Gather(o.stream, o.job.at, x+nvidia.Pointer(4*row*o.d), from, n, end-row, o.d)
	})
}

// embeddings is where those of a half are in X.
func (o *projection) embeddings(h half) nvidia.Pointer {
	return o.x.at + nvidia.Pointer(4*h.x*o.d)
}

// reading stages rows of the batch from number first on and calls f, which is to
// queue what reads them: those from number row on are n of the job's, from number
// from on. A batch that is not whole is staged piece by piece, each of one side.
func (o *projection) reading(batch *graph.Batch, first, rows int, f func(row, from, n int) error) error {
	if o.whole() {
		if err := o.stage(batch); err != nil {
			return err
		}
		return f(0, first, rows)
	}
	piece := func(row int, left, right []int32, place int) error {
		n := len(left) + len(right)
		if n == 0 {
			return nil
		}
		side := graph.Batch{Table: batch.Table, Offset: batch.Offset, Left: left, Right: right, Dropout: batch.Dropout}
		side.Dropout.Row += uint32(place)
		if err := o.stage(&side); err != nil {
			return err
		}
		return f(row, 0, n)
	}
	lefts := len(batch.Left)
	left := batch.Left[min(first, lefts):min(first+rows, lefts)]
	if err := piece(0, left, nil, first); err != nil {
		return err
	}
	from := first + len(left) - lefts // of the right ones, unless there are none
	return piece(len(left), nil, batch.Right[max(0, from):max(0, first+rows-lefts)], from)
}

// multiplyPart computes the rows of P for what is in X. Those of a second half may
// begin where no product can, and the algorithm must not depend on where they do.
func (o *projection) multiplyPart(h half, at, rows int, m nvidia.Pointer) error {
	of := 4 * h.matrix * o.k
	block := nvidia.Matmul{M: o.projectRows, N: o.k, K: o.d, Compute: nvidia.ComputeFloat32, Align: aligned(of)}
	for row := 0; row < rows; row += o.projectRows {
		x, p := o.embeddings(h)+nvidia.Pointer(4*row*o.d), o.p.at+nvidia.Pointer(4*(h.first+at+row)*o.k)
		if h.matrix == 0 { // P has room behind it for a whole block
			if err := o.multiply(block, x, m+nvidia.Pointer(of), 0, p); err != nil {
				return err
			}
			continue
		}
		if err := o.multiply(block, x, m+nvidia.Pointer(of), 0, o.block.at); err != nil {
			return err
		}
		if err := o.stream.Copy(p, o.block.at, 4*min(o.projectRows, rows-row)*o.k); err != nil {
			return err
		}
	}
	return nil
}

// asIs copies the right embeddings, which have no matrix.
func (o *projection) asIs(batch *graph.Batch) error {
	lefts, rights := len(batch.Left), len(batch.Right)
	for at := 0; at < rights; at += o.most() {
		first := lefts + at
		if err := o.reading(batch, first, min(o.most(), rights-at), func(row, _, n int) error {
			return o.exact.AsIs(o.stream, o.job.at, o.p.at+nvidia.Pointer(4*(first+row)*o.k), n, o.k)
		}); err != nil {
			return err
		}
	}
	return nil
}

// Backward computes dM = Xᵀ·dP for each matrix. Where the batch was too large to be
// kept it is gathered again, from a table that must still hold it.
func (o *projection) Backward(dp graph.Array) (graph.Array, error) {
	if err := o.enter(); err != nil {
		return nil, err
	}
	defer o.leave()
	a, err := o.own(dp)
	if err != nil {
		return nil, err
	}
	if n := o.p.Shape()[0]; a.Size() != n*o.k {
		return nil, fmt.Errorf("cuda: a gradient of %d numbers for %d rows of %d", a.Size(), n, o.k)
	}
	if err := o.grow(&o.dm.memory, 4*o.dm.Size()); err != nil {
		return nil, err
	}
	for _, h := range o.halves() {
		if err := o.backward(h, a.at); err != nil {
			return nil, err
		}
	}
	return o.dm, nil
}

// backward computes the part of dM that is of one matrix.
func (o *projection) backward(h half, dp nvidia.Pointer) error {
	of := 4 * h.matrix * o.k
	dm := o.dm.at + nvidia.Pointer(of)
	add := func(at, rows int) error {
		product := nvidia.Matmul{M: o.d, N: o.k, K: rows, TransA: true, Compute: nvidia.ComputeFloat32, Align: aligned(of, 4*h.first*o.k)}
		return o.multiply(product, o.embeddings(h), dp+nvidia.Pointer(4*(h.first+at)*o.k), float32(min(at, 1)), dm)
	}
	switch {
	case h.rows == 0:
		return o.stream.Fill(dm, 0, o.d*o.k)
	case o.whole():
		return add(0, h.rows)
	}
	return o.parts(&o.batch, h, add)
}
