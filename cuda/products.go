//go:build gpu && linux

package cuda

import (
	"fmt"
	"time"

	"github.com/cosfit/cosfit/cuda/internal/nvidia"
)

// products are the matrix products by cuBLASLt, each planned at its first use.
type products struct {
	handle *nvidia.Handle
	plans  map[nvidia.Matmul]*plan
	tuning tuning
	number int    // of the algorithm to take, from 1 on; 0 takes the fastest
	space  memory // that algorithms work in
	other  memory // for results while algorithms are timed
}

type plan struct {
	*nvidia.Plan
	algo nvidia.Algo
}

const (
	workspace  = 32 << 20 // bytes, as much as cuBLAS takes on an H100
	candidates = 8
)

func newProducts(h *nvidia.Handle, on tunedFor, cache string, number int) *products {
	return &products{handle: h, plans: map[nvidia.Matmul]*plan{}, tuning: newTuning(on, cache), number: number}
}

func (p *products) close() (first error) {
	for _, made := range p.plans {
		if err := made.Destroy(); first == nil {
			first = err
		}
	}
	clear(p.plans)
	return first
}

// aligned is what matrices begin at a multiple of that lie so many bytes inside
// their memories, as Matmul.Align.
func aligned(bytes ...int) int {
	all := 256
	for _, b := range bytes {
		all |= b
	}
	return all & -all % 256
}

// multiply queues d = op(x)·op(y) + beta·d.
func (b *Backend) multiply(m nvidia.Matmul, x, y nvidia.Pointer, beta float32, d nvidia.Pointer) error {
	p := b.products
	made := p.plans[m]
	if made == nil {
		if err := b.notRecording(); err != nil {
			return err
		}
		if err := b.grow(&p.space, workspace); err != nil {
			return err
		}
		to, err := d, error(nil)
		if beta != 0 { // what is there is to be added to
			if err := b.reserve(&p.other, 4*m.M*m.N); err != nil {
				return err
			}
			to = p.other.at
		}
		if made, err = b.plan(m, x, y, to); err != nil {
			return fmt.Errorf("the product of %d × %d and %d × %d at %s: %w", m.M, m.K, m.K, m.N, precisionOf(m), err)
		}
		p.plans[m] = made
	}
	return made.Run(b.stream, &made.algo, 1, x, y, beta, d, d, p.space.at, p.space.bytes)
}

// plan describes a product and chooses its algorithm: the one that was chosen
// before, or else the fastest on these very operands. d is overwritten.
func (b *Backend) plan(m nvidia.Matmul, x, y, d nvidia.Pointer) (_ *plan, err error) {
	p := b.products
	described, err := p.handle.Plan(m)
	if err != nil {
		return nil, err
	}
	made := &plan{Plan: described}
	defer func() {
		if err != nil {
			made.Destroy()
		}
	}()
	if algo, bound := p.tuning.find(m); algo != nil {
		if algo.Workspace, err = made.Check(algo); err == nil && algo.Workspace <= workspace {
			made.algo = *algo
			return made, nil
		}
		if bound {
			return nil, fmt.Errorf("the run was begun with an algorithm that this GPU or this cuBLASLt does not have (%w): go on where it was begun", err)
		}
	}
	all, err := made.Candidates(workspace, candidates)
	if err != nil {
		return nil, err
	}
	if p.number > 0 {
		made.algo = all[min(p.number, len(all))-1]
	} else if all, err = b.accepted(made, all, x, y, d); err != nil {
		return nil, err
	} else if made.algo, err = b.fastest(made, all, x, y, d); err != nil {
		return nil, err
	}
	p.tuning.keep(m, made.algo)
	return made, nil
}

// accepted are the algorithms that cuBLASLt runs: it may refuse one that it has
// named. The error is that of the last one, where it refuses all.
func (b *Backend) accepted(p *plan, all []nvidia.Algo, x, y, d nvidia.Pointer) (some []nvidia.Algo, err error) {
	space := &b.products.space
	for i := range all {
		if refused := p.Run(b.stream, &all[i], 1, x, y, 0, d, d, space.at, space.bytes); refused != nil {
			err = refused
			continue
		}
		some = append(some, all[i])
	}
	if len(some) > 0 {
		err = nil
	}
	return some, err
}

// fastest times algorithms in turns and takes the fastest; of those as good as
// equal the one that cuBLASLt named first, so that noise chooses seldom.
func (b *Backend) fastest(p *plan, all []nvidia.Algo, x, y, d nvidia.Pointer) (best nvidia.Algo, err error) {
	if len(all) == 1 {
		return all[0], nil
	}
	start, err := b.context.NewEvent(true)
	if err != nil {
		return best, err
	}
	defer start.Destroy()
	end, err := b.context.NewEvent(true)
	if err != nil {
		return best, err
	}
	defer end.Destroy()
	space := &b.products.space
	run := func(algo *nvidia.Algo, times int) (time.Duration, error) {
		if err := b.stream.Record(start); err != nil {
			return 0, err
		}
		for range times {
			if err := p.Run(b.stream, algo, 1, x, y, 0, d, d, space.at, space.bytes); err != nil {
				return 0, err
			}
		}
		if err := b.stream.Record(end); err != nil {
			return 0, err
		}
		if err := end.Synchronize(); err != nil {
			return 0, err
		}
		return end.Since(start)
	}
	const rounds, about, as = 3, time.Millisecond, 1.02
	least := make([]time.Duration, len(all))
	for round := range rounds + 1 {
		for i := range all {
			times := 1 // to warm up, and to see how often
			if round > 0 {
				times = int(min(20, max(1, about/max(1, least[i]))))
			}
			took, err := run(&all[i], times)
			if err != nil {
				return best, err
			}
			took /= time.Duration(times)
			if round <= 1 || took < least[i] {
				least[i] = took
			}
		}
	}
	chosen := 0
	for i, t := range least {
		if float64(t)*as < float64(least[chosen]) {
			chosen = i
		}
	}
	return all[chosen], nil
}

// precisionOf is what a product's factors are.
func precisionOf(m nvidia.Matmul) Precision {
	switch {
	case m.Input == nvidia.BFloat16:
		return BF16
	case m.Compute == nvidia.ComputeTF32:
		return TF32
	}
	return FP32
}
