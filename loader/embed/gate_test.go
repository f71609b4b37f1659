package embed

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"
)

// A limit that the server lowers while requests wait for it is kept to, and is
// not an error.
func TestLimitChangesWhileWaiting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	l := rate.NewLimiter(1e12, 1000)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := take(ctx, l, 1000); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for ctx.Err() == nil {
		l.SetBurst(10)
		l.SetBurst(1000)
	}
	all.Wait()
}

// Who waits for a limit longer than the context lasts is told so when it ends.
func TestLimitBeyondDeadline(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := take(ctx, rate.NewLimiter(1, 1), 100); err != context.DeadlineExceeded {
		t.Error(err)
	}
}

// Those who waited for the end of a pause do not all go on at once.
func TestPauseEndsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in which no time passes but by waiting
		const pause = 10 * time.Second
		g := newGate(Rate{})
		g.pause(pause)
		start := time.Now()
		var mu sync.Mutex
		var first, last time.Duration
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if err := g.wait(t.Context(), 1); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if last = time.Since(start); first == 0 {
					first = last
				}
			})
		}
		all.Wait()
		if first < pause || last-first < pause/50 {
			t.Errorf("the first goes on after %s, the last after %s", first, last)
		}
	})
}
