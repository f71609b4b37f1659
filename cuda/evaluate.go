//go:build gpu && linux

package cuda

import (
	"fmt"

	"github.com/cosfit/cosfit/cuda/internal/nvidia"
	"github.com/cosfit/cosfit/graph"
)

// PairCosines compares rows of p and waits for the result.
func (b *Backend) PairCosines(p graph.Array, left, right []int32, s []float32) error {
	if err := b.enter(); err != nil {
		return err
	}
	defer b.leave()
	a, err := b.own(p)
	if err != nil {
		return err
	}
	n := len(s)
	if len(left) != n || len(right) != n {
		return fmt.Errorf("cuda: %d left and %d right rows for %d cosines", len(left), len(right), n)
	}
	if err := within(a, left, right); err != nil {
		return err
	}
	if err := b.notRecording(); err != nil {
		return err
	}
	if n == 0 {
		return nil
	}
	if err := b.reserve(&b.rows, 8*n); err != nil {
		return err
	}
	if err := b.reserve(&b.results, 4*n); err != nil {
		return err
	}
	second := b.rows.at + nvidia.Pointer(4*n)
	if err := b.send(b.stream, b.rows.at, raw(left)); err != nil {
		return err
	}
	if err := b.send(b.stream, second, raw(right)); err != nil {
		return err
	}
	if err := b.exact.PairCosines(b.stream, a.at, b.rows.at, second, b.results.at, n, a.Shape()[1]); err != nil {
		return err
	}
	return b.fetch(raw(s), b.results.at)
}

// similarities are of vectors that it keeps, of length 1.
type similarities struct {
	*Backend
	k                 int
	passages, queries vectors
}

// vectors are rows of length 1.
type vectors struct {
	memory
	n int
}

// NewSimilarities prepares to compare vectors of k dimensions.
func (b *Backend) NewSimilarities(k int) (graph.SimilarityKernel, error) {
	return &similarities{Backend: b, k: k}, nil
}

// SetPassages replaces the passages.
func (o *similarities) SetPassages(p graph.Array, rows []int32) error {
	o.passages.n = 0
	return o.add(&o.passages, p, rows)
}

// AddQueries appends queries.
func (o *similarities) AddQueries(p graph.Array, rows []int32) error {
	return o.add(&o.queries, p, rows)
}

// add appends rows of p, divided by their lengths.
func (o *similarities) add(to *vectors, p graph.Array, rows []int32) error {
	if err := o.enter(); err != nil {
		return err
	}
	defer o.leave()
	a, err := o.own(p)
	if err != nil {
		return err
	}
	if k := a.Shape()[1]; k != o.k {
		return fmt.Errorf("cuda: vectors of %d dimensions among some of %d", k, o.k)
	}
	if err := within(a, rows); err != nil {
		return err
	}
	if err := o.notRecording(); err != nil {
		return err
	}
	n := len(rows)
	if n == 0 {
		return nil
	}
	if err := o.reserve(&o.rows, 4*n); err != nil {
		return err
	}
	if err := o.extend(to, n); err != nil {
		return err
	}
	if err := o.send(o.stream, o.rows.at, raw(rows)); err != nil {
		return err
	}
	at := to.at + nvidia.Pointer(4*to.n*o.k)
	to.n += n
	return o.exact.Normalize(o.stream, a.at, o.rows.at, at, n, o.k)
}

// extend makes room for n more and keeps those that are there.
func (o *similarities) extend(v *vectors, n int) error {
	bytes := 4 * (v.n + n) * o.k
	if bytes <= v.bytes || v.n == 0 {
		return o.reserve(&v.memory, bytes)
	}
	var larger memory
	if err := o.replace(&larger, max(bytes, 2*v.bytes)); err != nil {
		return err
	}
	if err := o.stream.Copy(larger.at, v.at, 4*v.n*o.k); err != nil {
		return err
	}
	return o.exchange(&v.memory, &larger)
}

// Of multiplies unit queries by unit passages and waits for the result.
func (o *similarities) Of(first, n int, out []float32) error {
	if err := o.enter(); err != nil {
		return err
	}
	defer o.leave()
	if first < 0 || n < 0 || first+n > o.queries.n {
		return fmt.Errorf("cuda: queries %d to %d of %d", first, first+n-1, o.queries.n)
	}
	if len(out) != n*o.passages.n {
		return fmt.Errorf("cuda: room for %d similarities of %d queries and %d passages", len(out), n, o.passages.n)
	}
	if err := o.notRecording(); err != nil {
		return err
	}
	if len(out) == 0 {
		return nil
	}
	if err := o.reserve(&o.results, 4*len(out)); err != nil {
		return err
	}
	queries := o.queries.at + nvidia.Pointer(4*first*o.k)
	if err := o.exact.Similarities(o.stream, queries, o.passages.at, o.results.at, n, o.passages.n, o.k); err != nil {
		return err
	}
	return o.fetch(raw(out), o.results.at)
}
