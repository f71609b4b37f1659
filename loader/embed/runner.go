package embed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Options of a run. The zero value is what most people want.
type Options struct {
	Texts       int // in a request; 0 means 128, or fewer where the provider takes fewer
	Tokens      int // in a request; 0 means what the provider takes
	Concurrency int // requests at once; 0 means 4
	Retries     int // of a request that failed; 0 means 5, and a negative number none

	// Rate is kept to beside what the provider says that it allows.
	Rate Rate

	// CountTokens counts the tokens of a text, for the limits of a request and
	// of a minute, and for the cost. Without it they are estimated.
	CountTokens func(text string) int

	Price   float64 // US dollars for a million tokens; 0 where it is free or unknown
	MaxCost float64 // US dollars that the run may cost; 0 means any

	// SkipBad goes on after a text that the provider cannot embed. Otherwise the
	// run ends there.
	SkipBad bool

	// Progress is called after each answer, one call at a time.
	Progress func(Summary)

	// Grace is how long the requests under way may take once the context is
	// cancelled, since they are paid for; 0 means 5 s.
	Grace time.Duration

	// firstWait is the mean wait after the first failure; 0 means half a second.
	firstWait time.Duration
}

// A Summary is what a run did so far.
type Summary struct {
	Texts    int `json:"texts"`    // that the run was given
	Cached   int `json:"cached"`   // of them, that the store had
	Embedded int `json:"embedded"` // that are new in the store

	// Bad are the texts that the provider cannot embed.
	Bad []BadText `json:"bad,omitempty"`

	Requests int `json:"requests"` // all that were sent; through the batch API, batches that were handed in
	Failed   int `json:"failed"`   // of them, without an answer that was of use

	Tokens       int64   `json:"tokens"`        // of the answers
	LostTokens   int64   `json:"lost_tokens"`   // of answers that did not arrive, or were of no use; they may be billed
	CachedTokens int64   `json:"cached_tokens"` // an estimate of what the store saved
	Cost         float64 `json:"cost"`          // US dollars for Tokens and LostTokens
	Saved        float64 `json:"saved"`         // US dollars for CachedTokens

	Dimensions int  `json:"dimensions"` // of the new vectors
	Normalized bool `json:"normalized"` // the new vectors have length 1

	Seconds float64 `json:"seconds"`

	// Batches are those of the batch API that are under way.
	Batches []BatchStatus `json:"batches,omitempty"`
}

// Underway is the number of texts in batches that are under way.
func (s Summary) Underway() (n int) {
	for _, b := range s.Batches {
		n += b.Texts
	}
	return n
}

// A CostError says that the next request would pass Options.MaxCost.
type CostError struct {
	Spent, Next, Max float64 // US dollars
}

func (e *CostError) Error() string {
	return fmt.Sprintf("the cost is $%.4f so far, and the next request of about $%.4f would pass the limit of $%.4g", e.Spent, e.Next, e.Max)
}

// A BadText is a text that a provider cannot embed.
type BadText struct {
	ID    string `json:"id"`
	Start string `json:"start"` // of the text
	Why   string `json:"why"`
}

func (b BadText) String() string { return fmt.Sprintf("text %s (%q): %s", b.ID, b.Start, b.Why) }

// A BadTextError ends a run that does not skip bad texts.
type BadTextError struct{ Bad BadText }

func (e *BadTextError) Error() string { return e.Bad.String() }

// Run embeds the texts that a store lacks and appends each answer to it as it
// arrives. It may be called again after whatever ended it, and then asks only
// for what is still missing.
//
// Requests that fail are sent again, those that hold too much are halved, and a
// text that spoils its batch is found. Vectors are checked: one for each text,
// of equal length, finite, not zero. An answer that is good in part is kept in
// part.
//
// The summary says what was done, also beside an error. The errors are
// *BadTextError, *CostError, the context's, and those of the provider, the
// store and the texts.
func Run(ctx context.Context, p Provider, store Store, texts Texts, o Options) (Summary, error) {
	r := newRunner(ctx, p, store, o)
	defer r.close()
	for {
		r.pass(texts)
		left := r.takeElsewhere()
		if len(left) == 0 || sleep(r.halt, claimWait) != nil {
			return r.result(context.Cause(r.halt))
		}
		texts = sequence(left)
	}
}

// pass embeds the texts that the store lacks, but for those that other runs are
// about to buy.
func (r *runner) pass(texts Texts) {
	batches := make(chan batch)
	var workers sync.WaitGroup
	for range r.Concurrency {
		workers.Go(func() {
			for b := range batches {
				if err := r.embed(b); err != nil {
					r.stop(err)
				}
			}
		})
	}
	if err := r.read(texts, batches); err != nil {
		r.stop(err)
	}
	close(batches)
	workers.Wait()
}

// A runner is the state of one run.
type runner struct {
	Options
	provider Provider
	store    Store
	start    time.Time

	// No request is sent once halt is done. Those under way are on sending,
	// which ends only some time after the caller's context.
	halt    context.Context
	stop    context.CancelCauseFunc
	sending context.Context
	cut     context.CancelFunc
	forget  func() bool // the caller's context

	gate       *gate
	cap        sizeCap
	textTokens int // of one text at most; 0 means any

	mu       sync.Mutex
	shape    shape
	summary  Summary
	reserved int64               // tokens of the requests under way, as we count
	billed   int64               // tokens that the provider counted
	counted  int64               // the same ones, as we count
	asked    map[string]struct{} // ids between the first look into the store and the last
	answers  int                 // that were of use
	dry      int                 // batches given up since the last of them
	refused  int                 // requests rejected since the last of them

	elsewhere []Text // that other runs are about to buy
}

func newRunner(ctx context.Context, p Provider, store Store, o Options) *runner {
	r := &runner{Options: o.filled(p.Limits()), provider: p, store: store, start: time.Now(), asked: map[string]struct{}{}}
	r.halt, r.stop = context.WithCancelCause(ctx)
	r.sending, r.cut = context.WithCancel(context.WithoutCancel(ctx))
	r.forget = context.AfterFunc(ctx, func() { time.AfterFunc(r.Grace, r.cut) })
	r.gate = newGate(r.Rate)
	if o.CountTokens != nil { // an estimate is no reason to leave a text out
		r.textTokens = p.Limits().TextTokens
	}
	r.shape = shape{dimensions: p.Space().Dimensions, normalized: true}
	return r
}

// close lets go of what the run holds. Its callers have waited for all
// requests.
func (r *runner) close() {
	r.forget()
	r.stop(nil)
	r.cut()
}

// filled replaces zeros by what they stand for, and keeps within what a
// provider takes.
func (o Options) filled(l Limits) Options {
	o.Texts = within(o.Texts, 128, l.Texts)
	if o.Tokens == 0 || l.Tokens > 0 && l.Tokens < o.Tokens {
		o.Tokens = l.Tokens
	}
	o.Concurrency = max(1, within(o.Concurrency, 4, 0))
	switch {
	case o.Retries == 0:
		o.Retries = 5
	case o.Retries < 0:
		o.Retries = 0
	}
	if o.Grace == 0 {
		o.Grace = 5 * time.Second
	}
	if o.firstWait == 0 {
		o.firstWait = 500 * time.Millisecond
	}
	return o
}

// within is n, or standard where it is zero, but not above limit, where there
// is one.
func within(n, standard, limit int) int {
	if n == 0 {
		n = standard
	}
	if limit > 0 {
		n = min(n, limit)
	}
	return n
}

// result is what a run that ended with an error, or without, returns.
func (r *runner) result(err error) (Summary, error) {
	s := r.current()
	var bad *BadTextError
	if errors.As(err, &bad) && len(s.Bad) == 0 {
		s.Bad = []BadText{bad.Bad}
	}
	return s, err
}

// current is the summary so far.
func (r *runner) current() Summary {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.currentLocked()
}

func (r *runner) currentLocked() Summary {
	s := r.summary
	s.Cost = r.dollars(s.Tokens + s.LostTokens)
	s.Saved = r.dollars(s.CachedTokens)
	s.Dimensions, s.Normalized = r.shape.dimensions, r.shape.normalized && s.Embedded > 0
	s.Seconds = time.Since(r.start).Seconds()
	return s
}

// dollars is what tokens cost.
func (r *runner) dollars(tokens int64) float64 { return float64(tokens) * r.Price / 1e6 }

// halted says why no further request may be sent.
func (r *runner) halted() error {
	if r.halt.Err() != nil {
		return context.Cause(r.halt)
	}
	return nil
}
