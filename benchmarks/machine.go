package benchmarks

import (
	"context"
	"sync"

	"github.com/cosfit/cosfit/internal/kernel"
)

// ceiling is what the machine itself can do: arithmetic in registers, and
// copying memory.
func ceiling(what string) *local {
	return &local{is: Peer{Who: what, Tasks: []string{Machine + ":" + what}}, prepare: func(_ context.Context, r request) (job, error) {
		if what == peak {
			return job{do: func() error { kernel.Peak(r.Task.Threads); return nil }}, nil
		}
		return copyJob(r.Task.Threads), nil
	}}
}

// copySize is more bytes than caches hold.
const copySize = 256_000_000

// copyJob copies with each thread its own part.
func copyJob(threads int) job {
	from, to := make([]byte, copySize), make([]byte, copySize)
	for i := range from {
		from[i] = byte(i) // untouched pages all show the same zeros
	}
	return job{do: func() error {
		var wg sync.WaitGroup
		for i := range threads {
			lo, hi := copySize*i/threads, copySize*(i+1)/threads
			wg.Go(func() { copy(to[lo:hi], from[lo:hi]) })
		}
		wg.Wait()
		return nil
	}}
}
