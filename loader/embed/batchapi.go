package embed

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
	openai "github.com/sashabaranov/go-openai"
)

// Limits of a batch of /v1/embeddings: OpenAI's API reference, "Create batch", and
// its guide "Batch API", "Rate limits", as of 2026-11. Azure takes more requests.
const (
	batchTexts = 50_000      // requests, and inputs over all requests
	batchBytes = 200_000_000 // of the file
)

// BatchDiscount is what the batch API costs of the usual price, as of PriceDate,
// at OpenAI and Azure.
const BatchDiscount = 0.5

// BatchOptions are what a run through the batch API has beside Options, whose
// Texts and Tokens are those of a batch then, and whose Concurrency is the number
// of batches under way at once.
type BatchOptions struct {
	// Dir is the folder for what is known about the batches of this space. It must
	// be the same in each run, or batches are lost, and paid for again.
	Dir string
	// NoWait collects what is answered, hands in what is missing, and returns.
	NoWait bool
	// Poll is the time between two looks at the batches at first; it grows to
	// twenty times as much while nothing happens. 0 means 15 s.
	Poll time.Duration
	// Trouble is told what went wrong when it is tried again after a while.
	Trouble func(error)

	bytes int64 // in a batch; 0 means batchBytes
}

// A BatchStatus is a batch that is under way.
type BatchStatus struct {
	ID       string `json:"id"`
	Status   string `json:"status"` // as the server said last
	Texts    int    `json:"texts"`
	Answered int    `json:"answered"` // of them, as the server said last
}

// RunBatches is Run through OpenAI's batch API: texts are handed in by batches,
// answered within a day, and cost half. It waits until all are in the store.
//
// What is under way is kept in a folder, before and after each step that costs,
// so whatever ends a run, and be it a kill, RunBatches goes on from there when it
// is called again: it collects what is answered meanwhile, and asks for nothing
// that is under way. A batch that was asked for by a request whose answer got
// lost is found by the name in its metadata.
//
// What a batch that expired, failed or was cancelled answered is kept, and the
// rest goes into the next one. The errors are those of Run, and *BusyError.
func RunBatches(ctx context.Context, p *OpenAI, store Store, texts Texts, o Options, b BatchOptions) (s Summary, err error) {
	folder, err := openBatches(b.Dir, p.Space(), p.endpoint.base)
	if err != nil {
		return Summary{}, err
	}
	defer func() { err = errors.Join(err, folder.close()) }()
	r := newBatchRun(ctx, p, store, folder, o, b)
	defer r.close()
	err = r.run(texts)
	r.abandon()
	if ctx.Err() == nil {
		err = errors.Join(err, r.forgetSpent())
	}
	s, err = r.result(err)
	s.Batches = r.batches()
	return s, err
}

// A batchRun is the state of one run. One goroutine does all of it.
type batchRun struct {
	*runner
	p      *OpenAI
	b      BatchOptions
	folder *batchFolder

	most struct {
		texts, jobs   int   // in a batch, and batches at once
		tokens, bytes int64 // in a batch; 0 tokens mean any
	}
	refusals int // of batches that cannot be made smaller, in a row

	open     *openJob
	underway map[string]*job     // by text id
	passed   map[string]struct{} // ids of texts that cannot be embedded
	tries    map[string]int      // answers that were of no use, by text id
	taken    int                 // jobs that are no longer under way
	barren   int                 // batches in a row without an answer of use
	again    bool                // texts came back without a vector since the pass began
}

func newBatchRun(ctx context.Context, p *OpenAI, store Store, folder *batchFolder, o Options, b BatchOptions) *batchRun {
	if b.Poll == 0 {
		b.Poll = 15 * time.Second
	}
	if b.bytes == 0 {
		b.bytes = batchBytes
	}
	r := &batchRun{
		runner: newRunner(ctx, p, store, o), p: p, b: b, folder: folder,
		underway: map[string]*job{}, passed: map[string]struct{}{}, tries: map[string]int{},
	}
	r.most.texts, r.most.tokens, r.most.bytes = within(o.Texts, batchTexts, batchTexts), int64(o.Tokens), b.bytes
	r.most.jobs = r.Concurrency
	return r
}

// errLater says that a run that does not wait has handed in what it may.
var errLater = errors.New("the rest is for the next run")

// run goes through the texts until none is missing.
func (r *batchRun) run(texts Texts) error {
	if err := r.resume(); err != nil {
		return err
	}
	if err := r.survey(texts); err != nil {
		return err
	}
	if _, err := r.round(); err != nil {
		return err
	}
	for {
		r.again = false
		err := r.pass(texts)
		cost, over := errors.AsType[*CostError](err)
		switch {
		case err == errLater:
			return nil
		case err != nil && !over:
			return err
		case !r.b.NoWait:
			if err := r.await(r.nothingWanted); err != nil {
				return err
			}
		}
		if over {
			return cost
		}
		if !r.again || r.b.NoWait {
			return nil
		}
	}
}

// nothingWanted tells whether no batch has a text of this run.
func (r *batchRun) nothingWanted() bool {
	return !slices.ContainsFunc(r.folder.state.Jobs, func(j *job) bool { return j.wanted })
}

// await looks at the batches until enough has happened.
func (r *batchRun) await(enough func() bool) error {
	wait := r.slowly()
	for !enough() {
		moved, err := r.round()
		switch {
		case err != nil:
			return err
		case enough():
			return nil
		case moved:
			wait.Reset()
		}
		if err := sleep(r.halt, wait.NextBackOff()); err != nil {
			return err
		}
	}
	return nil
}

// round looks at each batch once, and collects those that are done. moved says
// that something happened.
func (r *batchRun) round() (moved bool, err error) {
	for _, j := range slices.Clone(r.folder.state.Jobs) {
		b, err := r.look(j)
		if err != nil {
			return moved, err
		}
		if b.Status == j.status && b.RequestCounts.Completed == j.answered {
			continue
		}
		j.status, j.answered, moved = b.Status, b.RequestCounts.Completed, true
		switch b.Status {
		case "completed", "expired", "cancelled":
			j.answered = 0 // they count as embedded from now on
			err = r.collect(j, b)
		case "failed":
			err = r.failed(j, b)
		}
		if err != nil {
			return moved, err
		}
		r.tell()
	}
	return moved, nil
}

// look asks how far a batch is. One that the server does not know for a while is
// left as it was.
func (r *batchRun) look(j *job) (b openai.Batch, err error) {
	err = r.patiently(func() (err error) {
		b, err = r.p.batch(r.halt, j.BatchID)
		return err
	})
	unknown, ok := errors.AsType[*notFoundError](err)
	if !ok {
		j.missed = 0
		return b, err
	}
	const most = 5 // times in a row: a server may take a moment to know its own
	if j.missed++; j.missed < most {
		b.Status, b.RequestCounts.Completed = j.status, j.answered
		return b, nil
	}
	return b, r.lostError(j, unknown)
}

// tell says how far the run is.
func (r *batchRun) tell() {
	if r.Progress != nil {
		s := r.current()
		s.Batches = r.batches()
		r.Progress(s)
	}
}

// batches are those that are under way.
func (r *batchRun) batches() (all []BatchStatus) {
	for _, j := range r.folder.state.Jobs {
		if j.BatchID != "" {
			all = append(all, BatchStatus{j.BatchID, j.status, j.Texts, j.answered})
		}
	}
	return all
}

// forgetSpent has the next run begin at no cost, where this one leaves nothing
// under way.
func (r *batchRun) forgetSpent() error {
	if len(r.folder.state.Jobs) > 0 || r.folder.state.Spent == 0 {
		return nil
	}
	r.folder.state.Spent = 0
	return r.folder.save()
}

// patiently tries until something succeeds, fails for good, or has failed for too
// long: first as often as a request is tried again, and then as seldom as batches
// are looked at. A run takes days, in which networks and servers are down for an
// hour.
func (r *batchRun) patiently(try func() error) error {
	const most = 20 // of the slow tries
	quick, slow := backoff.NewExponentialBackOff(), r.slowly()
	quick.InitialInterval = r.firstWait
	for failures := 0; ; failures++ {
		err := try()
		after, passing := mayPass(err)
		if err == nil || !passing || failures >= r.Retries+most {
			return err
		}
		wait := quick
		if failures >= r.Retries {
			wait = slow
			if r.b.Trouble != nil {
				r.b.Trouble(err)
			}
		}
		if err := sleep(r.halt, max(after, wait.NextBackOff())); err != nil {
			return err
		}
	}
}

// slowly is the wait between two looks at the batches.
func (r *batchRun) slowly() *backoff.ExponentialBackOff {
	w := backoff.NewExponentialBackOff()
	w.InitialInterval, w.MaxInterval, w.RandomizationFactor = r.b.Poll, 20*r.b.Poll, 0.1
	return w
}

// mayPass tells whether a failure may pass, and how long the server asks to wait.
func mayPass(err error) (after time.Duration, passing bool) {
	if again, ok := errors.AsType[*RetryError](err); ok {
		return again.After, true
	}
	if limit, ok := errors.AsType[*LimitError](err); ok {
		return limit.After, true
	}
	return 0, false
}
