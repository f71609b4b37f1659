package kernel

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A Pool computes with a number of threads, and keeps the memory that its
// products need from one to the next. Its methods must not be called
// concurrently. The results do not depend on the number of threads.
type Pool struct {
	threads int

	// The work at hand. A worker takes part while active counts it; active is
	// −1 while there is none.
	task   func(i int)
	n      int64
	next   atomic.Int64
	_      [7]int64 // keeps next and active apart, since all threads write them
	active atomic.Int64
	_      [7]int64

	round  atomic.Int64 // counts up with each piece of work
	parked atomic.Int64 // workers that sleep
	lock   sync.Mutex
	wake   *sync.Cond
	kept   bool // there are workers that wait for work
	closed atomic.Bool

	packing  packing
	product  product
	packed   struct{ a, b panels } // operands of the last product
	viewed   viewed                // A of the last product of a matrix engine
	edges    [][maxTile]float32
	rooms    rooms
	tasks    struct{ pack, block func(i int) }
	fillView filling
}

// NewPool returns a pool of the given number of threads, at least one. They
// are started for each piece of work, unless Keep was called.
func NewPool(threads int) *Pool {
	p := &Pool{threads: max(threads, 1)}
	p.wake = sync.NewCond(&p.lock)
	p.tasks.pack, p.tasks.block = p.packing.piece, p.product.block
	p.fillView = p.viewed.fill
	return p
}

// Keep keeps the threads between pieces of work, until Close: to start one
// takes longer than a small piece of work. There are no more of them than
// processors, since they would wait in each other's way.
func (p *Pool) Keep() {
	p.threads = min(p.threads, runtime.GOMAXPROCS(0))
	p.active.Store(-1)
	for range p.threads - 1 {
		go p.worker()
	}
	p.kept = true
}

// Close ends the threads that Keep keeps.
func (p *Pool) Close() {
	if !p.kept {
		return
	}
	p.kept = false
	p.closed.Store(true)
	p.rouse()
}

// rouse tells the workers that there is something new.
func (p *Pool) rouse() {
	p.round.Add(1)
	if p.parked.Load() > 0 {
		p.lock.Lock()
		p.wake.Broadcast()
		p.lock.Unlock()
	}
}

// Run calls f(i) once for each i in [0, n), on at most the pool's threads.
// Which thread takes which i is left to chance, so f must write only what
// belongs to i. A panic in f leaves the pool unusable.
func (p *Pool) Run(n int, f func(i int)) {
	switch {
	case n <= 1 || p.threads == 1:
		for i := range n {
			f(i)
		}
	case p.kept:
		p.share(n, f)
	default:
		p.start(n, f)
	}
}

// start does the work with threads of its own.
func (p *Pool) start(n int, f func(i int)) {
	p.task, p.n = f, int64(n)
	p.next.Store(0)
	var wg sync.WaitGroup
	for range min(p.threads, n) - 1 {
		wg.Go(p.take)
	}
	p.take()
	wg.Wait()
}

// share does the work together with the workers.
func (p *Pool) share(n int, f func(i int)) {
	p.task, p.n = f, int64(n)
	p.next.Store(0)
	p.active.Store(0)
	p.rouse()
	p.take()
	for turn := 1; !p.active.CompareAndSwap(0, -1); turn++ {
		pause()
		if turn%1024 == 0 {
			runtime.Gosched() // the system may have taken the processor from the one who works
		}
	}
}

// take does what nobody has taken yet.
func (p *Pool) take() {
	for {
		i := p.next.Add(1) - 1
		if i >= p.n {
			return
		}
		p.task(int(i))
	}
}

// worker takes part in each piece of work until the pool is closed.
func (p *Pool) worker() {
	for seen := int64(0); ; {
		seen = p.await(seen)
		if p.closed.Load() {
			return
		}
		for a := p.active.Load(); a >= 0; a = p.active.Load() {
			if p.active.CompareAndSwap(a, a+1) {
				p.take()
				p.active.Add(-1)
				break
			}
		}
	}
}

// await waits for a round after the one seen. For a while it looks again and
// again, since sleeping and being woken takes about as long as that.
func (p *Pool) await(seen int64) int64 {
	const patience = 100 * time.Microsecond
	for start := time.Now(); time.Since(start) < patience; {
		for range 64 {
			if now := p.round.Load(); now != seen {
				return now
			}
			pause()
		}
	}
	p.lock.Lock()
	defer p.lock.Unlock()
	p.parked.Add(1)
	defer p.parked.Add(-1)
	for p.round.Load() == seen {
		p.wake.Wait()
	}
	return p.round.Load()
}

// rowBlock is the number of rows that one piece of row-wise work covers.
const rowBlock = 32

// rows calls f with consecutive ranges [lo, hi) of n rows.
func (p *Pool) rows(n int, f func(lo, hi int)) {
	p.Run((n+rowBlock-1)/rowBlock, func(i int) {
		f(i*rowBlock, min((i+1)*rowBlock, n))
	})
}
