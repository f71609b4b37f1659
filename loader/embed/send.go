package embed

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cenkalti/backoff/v5"
)

// When nothing succeeds in between, this many batches whose retries are used up
// mean that the server is down, and this many rejected requests that it rejects
// everything. One bad text among good ones never comes to that.
const (
	dryBatches      = 3
	refusedRequests = 16
)

// embed asks for a batch, in pieces where it must, until every text of it is
// stored or known to be bad. Pieces are asked for breadth first, so a bad text's
// neighbours are answered before it is hunted further down.
func (r *runner) embed(b batch) (err error) {
	if b, err = r.claim(b); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.release(b)) }()
	for todo := []batch{b}; len(todo) > 0; todo = todo[1:] {
		piece, err := r.stillMissing(todo[0])
		if err != nil {
			return err
		}
		if len(piece.texts) == 0 {
			continue
		}
		if most := r.cap.limit(len(piece.texts)); most < len(piece.texts) {
			first, rest := piece.cut(most)
			todo = append(todo, first, rest)
			continue
		}
		rest, err := r.request(piece)
		if err != nil {
			return err
		}
		todo = append(todo, rest...)
	}
	return nil
}

// request sends a batch until it is answered or its retries are used up, and
// returns what is to be asked for in smaller pieces.
func (r *runner) request(b batch) ([]batch, error) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = r.firstWait
	for failures := 0; ; {
		before := r.usefulAnswers()
		var err error
		if b, err = r.send(b); err == nil {
			return nil, nil
		}
		var again *RetryError
		var limit *LimitError
		var large *TooLargeError
		var rejected *RejectedError
		switch {
		case errors.As(err, &large):
			r.cap.refuse(len(b.texts))
			return r.divide(b, err)
		case errors.As(err, &rejected):
			if err := r.countRefusal(err); err != nil {
				return nil, err
			}
			return r.divide(b, err)
		case errors.As(err, &limit):
			r.gate.allow(limit.Rate)
			r.gate.pause(limit.After)
			if r.usefulAnswers() > before {
				failures-- // the server lets others through: wait longer
			}
		case errors.As(err, &again):
			if again.After > 0 {
				r.gate.pause(again.After)
			}
		default:
			return nil, err
		}
		if failures++; failures > r.Retries {
			return r.giveUp(b, err)
		}
		if err := sleep(r.halt, wait.NextBackOff()); err != nil {
			return nil, err
		}
	}
}

// send asks once and keeps what is good in the answer. With an error it returns
// what is still missing.
func (r *runner) send(b batch) (batch, error) {
	if err := r.gate.wait(r.halt, b.total()); err != nil {
		return b, err
	}
	if err := r.reserve(b); err != nil {
		return b, err
	}
	texts := make([]string, len(b.texts))
	for i, t := range b.texts {
		texts[i] = t.Text
	}
	answer, err := r.provider.Embed(r.sending, texts)
	if err != nil {
		r.settle(b, 0, r.outcomeOf(err))
		if halted := r.halted(); halted != nil {
			err = halted
		}
		return b, err
	}
	r.gate.allow(answer.Rate)
	return r.keep(b, answer)
}

// keep stores the good vectors of an answer. With an error it returns the texts
// that have none.
func (r *runner) keep(b batch, answer Answer) (batch, error) {
	good, spoilt, err := r.inspect(b, answer.Vectors)
	var bad []int
	spoilt = slices.DeleteFunc(spoilt, func(i int) bool {
		if answer.Bad[i] == nil {
			return false
		}
		bad = append(bad, i)
		return true
	})
	if len(bad) > 0 && len(spoilt) == 0 {
		err = nil
	}
	if len(good)+len(bad) == 0 {
		r.settle(b, answer.Tokens, lost)
		if r.usefulAnswers() == 0 {
			if err := r.otherModel(answer.Vectors); err != nil {
				return b, err
			}
		}
		return b, &RetryError{Err: err}
	}
	if err != nil {
		err = &RetryError{Err: err}
	}
	if len(good) > 0 {
		if err := r.store.Append(b.pick(good).ids(), pick(answer.Vectors, good)); err != nil {
			r.settle(b, answer.Tokens, lost)
			return b, err
		}
		r.cap.accept(len(b.texts))
	}
	r.settle(b, answer.Tokens, answered)
	if len(good) > 0 {
		r.progress(len(good))
	}
	for _, i := range bad {
		if err := r.bad(b.texts[i], answer.Bad[i].Error()); err != nil {
			return b, err
		}
	}
	left := b.pick(spoilt)
	left.suspect = true
	return left, err
}

// otherModel is an error where all vectors have one length that is not the right
// one: asking again would only cost more.
func (r *runner) otherModel(vectors [][]float32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	want := r.shape.dimensions
	if len(vectors) < 2 || want == 0 {
		return nil
	}
	got := len(vectors[0])
	for _, v := range vectors {
		if len(v) != got || got == want || got == 0 {
			return nil
		}
	}
	return fmt.Errorf("the model's vectors have %d values, want %d", got, want)
}

// pick is the vectors with these numbers.
func pick(vectors [][]float32, numbers []int) [][]float32 {
	picked := make([][]float32, len(numbers))
	for i, n := range numbers {
		picked[i] = vectors[n]
	}
	return picked
}

// outcomeOf tells a request that was refused from one whose answer was lost, as
// it is where nobody waited for it any longer.
func (r *runner) outcomeOf(err error) outcome {
	var again *RetryError
	if errors.As(err, &again) && again.Billed || r.sending.Err() != nil {
		return lost
	}
	return refused
}

// progress counts stored vectors and tells the caller.
func (r *runner) progress(stored int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.Embedded += stored
	r.answers++
	r.dry, r.refused = 0, 0
	if r.Progress != nil {
		r.Progress(r.currentLocked())
	}
}

func (r *runner) usefulAnswers() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.answers
}

// divide halves a batch that cannot be answered as it is. A text by itself is
// bad.
func (r *runner) divide(b batch, why error) ([]batch, error) {
	if len(b.texts) == 1 {
		return nil, r.bad(b.texts[0], why.Error())
	}
	first, second := b.cut(len(b.texts) / 2)
	return []batch{first, second}, nil
}

// giveUp decides about a batch whose retries are used up: one of its texts may
// be the reason, unless nothing else succeeds either.
func (r *runner) giveUp(b batch, why error) ([]batch, error) {
	var vector *vectorError
	if b.suspect && errors.As(why, &vector) {
		for _, t := range b.texts {
			if err := r.bad(t, why.Error()); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
	r.mu.Lock()
	r.dry++
	dry := r.dry
	r.mu.Unlock()
	if dry >= dryBatches {
		return nil, fmt.Errorf("no usable answer after %d tries of %d batches: %w", r.Retries+1, dry, why)
	}
	return r.divide(b, why)
}

// countRefusal returns an error once the provider seems to refuse everything.
func (r *runner) countRefusal(why error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refused++; r.refused >= refusedRequests {
		return fmt.Errorf("the last %d requests were all refused: %w", r.refused, why)
	}
	return nil
}

// bad records a text that cannot be embedded, and is an error where the run is
// not to go on.
func (r *runner) bad(t Text, why string) error {
	bad := BadText{ID: t.ID, Start: beginning(t.Text), Why: why}
	if !r.SkipBad {
		return &BadTextError{Bad: bad}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.Bad = append(r.summary.Bad, bad)
	return nil
}

// beginning is enough of a text to know it by.
func beginning(text string) string {
	const most = 60
	runes := []rune(text[:min(len(text), 4*most)])
	if len(runes) <= most && len(text) <= 4*most {
		return text
	}
	return string(runes[:min(most, len(runes))]) + "…"
}

// tooLong says why a text with so many tokens is not sent.
func (r *runner) tooLong(tokens int) string {
	if r.textTokens == 0 || tokens <= r.textTokens {
		return ""
	}
	return fmt.Sprintf("has %d tokens, and the model takes at most %d", tokens, r.textTokens)
}
