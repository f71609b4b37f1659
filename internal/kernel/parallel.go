package kernel

import (
	"sync"
	"sync/atomic"
)

// Parallel calls f(i) once for each i in [0, n), on at most threads
// goroutines. Which goroutine takes which i is left to chance, so f must
// write only what belongs to i.
func Parallel(threads, n int, f func(i int)) {
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

// parallelRows calls f with consecutive ranges [lo, hi) of n rows.
func parallelRows(threads, n int, f func(lo, hi int)) {
	Parallel(threads, (n+rowBlock-1)/rowBlock, func(i int) {
		f(i*rowBlock, min((i+1)*rowBlock, n))
	})
}
