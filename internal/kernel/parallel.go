package kernel

import (
	"sync"
	"sync/atomic"
)

// A Pool computes with a number of threads, and keeps the memory that its
// products need from one to the next. Its methods must not be called
// concurrently. The results do not depend on the number of threads.
type Pool struct {
	threads int
	a, b    []float32 // packed operands of the last product
}

// NewPool returns a pool of the given number of threads, at least one.
func NewPool(threads int) *Pool { return &Pool{threads: max(threads, 1)} }

// Run calls f(i) once for each i in [0, n), on at most the pool's threads.
// Which thread takes which i is left to chance, so f must write only what
// belongs to i.
func (p *Pool) Run(n int, f func(i int)) {
	threads := p.threads
	threads = min(threads, n)
	if threads <= 1 {
		for i := range n {
			f(i)
		}
		return
	}
	var next atomic.Int64
	work := func() {
		for {
			i := int(next.Add(1)) - 1
			if i >= n {
				return
			}
			f(i)
		}
	}
	var wg sync.WaitGroup
	for range threads - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}

// rowBlock is the number of rows that one piece of row-wise work covers.
const rowBlock = 32

// rows calls f with consecutive ranges [lo, hi) of n rows.
func (p *Pool) rows(n int, f func(lo, hi int)) {
	p.Run((n+rowBlock-1)/rowBlock, func(i int) {
		f(i*rowBlock, min((i+1)*rowBlock, n))
	})
}
