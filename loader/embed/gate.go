package embed

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A gate lets requests through at the rate that the caller and the provider
// allow.
type gate struct {
	own Rate // that the caller allows

	mu               sync.Mutex
	requests, tokens *rate.Limiter // nil means any
	until            time.Time     // when the provider wants to be asked again
}

func newGate(own Rate) *gate {
	g := &gate{own: own}
	g.allow(own)
	return g
}

// allow takes over what the provider says that it allows, as far as it is not
// more than the caller does.
func (g *gate) allow(r Rate) {
	g.mu.Lock()
	g.requests = limiter(g.requests, lower(r.Requests, g.own.Requests))
	g.tokens = limiter(g.tokens, lower(r.Tokens, g.own.Tokens))
	g.mu.Unlock()
	g.pause(r.Wait)
}

// limiter has l let n through in a minute, a tenth of them at once. 0 leaves it
// as it is.
func limiter(l *rate.Limiter, n int) *rate.Limiter {
	perSecond, atOnce := rate.Limit(float64(n)/60), max(1, n/10)
	switch {
	case n == 0:
	case l == nil:
		l = rate.NewLimiter(perSecond, atOnce)
	case l.Limit() != perSecond:
		l.SetLimit(perSecond)
		l.SetBurst(atOnce)
	}
	return l
}

// lower is the smaller of two limits, either of which may be 0 for none.
func lower(a, b int) int {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// pause lets no request through for a while, and then not all at once.
func (g *gate) pause(d time.Duration) {
	if d <= 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := time.Now().Add(d); until.After(g.until) {
		g.until = until
	}
}

// wait returns when a request with so many tokens may be sent, or with the
// cause that ended the context. After a pause it waits a little more, so that
// those who wait do not all go on at once.
func (g *gate) wait(ctx context.Context, tokens int64) error {
	g.mu.Lock()
	perRequest, perToken := g.requests, g.tokens
	g.mu.Unlock()
	if err := take(ctx, perRequest, 1); err != nil {
		return err
	}
	if err := take(ctx, perToken, tokens); err != nil {
		return err
	}
	for d := g.remaining(); d > 0; d = g.remaining() {
		if err := sleep(ctx, d+time.Duration(rand.Int64N(int64(d)/5+1))); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// remaining is how long the pause lasts.
func (g *gate) remaining() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Until(g.until)
}

// take waits for n of a limiter. More than it ever has at once is taken in
// parts.
func take(ctx context.Context, l *rate.Limiter, n int64) error {
	for l != nil && n > 0 {
		part := min(n, int64(l.Burst()))
		if l.WaitN(ctx, int(part)) == nil {
			n -= part
			continue
		}
		// The context has ended or is about to, or the server lowered the limit
		// meanwhile: then smaller parts are taken.
		if err := sleep(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// sleep waits, or returns the cause that ended the context.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
