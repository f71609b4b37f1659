package benchmarks

import (
	"context"
	"sync"

	"github.com/cosfit/cosfit/internal/kernel"
)

// ceiling is what the machine itself can do: arithmetic in registers, and
// copying memory. The arithmetic also takes turns at products and steps, with
// as many operations as they have, because a shared machine's clock changes.
func ceiling(what string) *local {
	is := Peer{Who: what, Tasks: []string{Machine + ":" + what}}
	if what == peak {
		is.Tasks = append(is.Tasks, Core, Step)
	}
	return &local{is: is, prepare: func(_ context.Context, r request) (job, error) {
		switch what {
		case peak:
			return peakJob(r.Task), nil
		case enginePeak:
			return enginePeakJob(r.Task.Threads), nil
		}
		return copyJob(r.Task.Threads), nil
	}}
}

// peakTiles is what a thread has to do where no task says how much: about ten
// milliseconds, so that a thread which is late to begin does not count.
const peakTiles = 20_000

func peakJob(t Task) job {
	pool := kernel.NewPool(t.Threads)
	pool.Keep()
	tiles := peakTiles
	if t.What != peak {
		tiles = int(float64(t.flop())/pool.PeakFLOP(1) + 0.5)
	}
	return job{do: func() error { pool.Peak(tiles); return nil }, close: pool.Close}
}

// peakFLOP is how many operations the machine's own row has.
func peakFLOP(threads int) float64 { return kernel.NewPool(threads).PeakFLOP(peakTiles) }

// engineSteps is peakTiles for a matrix engine: about ten milliseconds too.
const engineSteps = 100_000

func enginePeakJob(threads int) job {
	pool := kernel.NewPool(threads)
	pool.Keep()
	return job{do: func() error { pool.EnginePeak(engineSteps); return nil }, close: pool.Close}
}

func engineFLOP(threads int) float64 { return kernel.NewPool(threads).EngineFLOP(engineSteps) }

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
