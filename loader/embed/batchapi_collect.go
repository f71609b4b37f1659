package embed

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	openai "github.com/sashabaranov/go-openai"
)

const (
	// A text is asked for so often while its vectors are of no use, which costs, or
	// while the server fails at it, which does not.
	vectorTries, failureTries = 3, 6
	// flushBytes is how much of the vectors of an output is held until it is
	// stored.
	flushBytes = 16 << 20
)

// A collection is what becomes of a batch that is done.
type collection struct {
	r *batchRun
	j *job

	verdicts map[string]verdict // by text id
	answers  int                // vectors that came, good or not
	good     int
	tried    int // texts whose answer was of no use
	tokens   int64
	lost     int64 // of tokens, those of vectors that are of no use
	why      error // of a text without a vector, the last
	fatal    error // that happens to every text, if no vector came

	ids     []string // of vectors that are not stored yet
	vectors [][]float32
	bytes   int
}

// A verdict is what a line said about a text.
type verdict struct {
	kept bool   // its vector is in the store, or will be
	bad  string // why it cannot be embedded
	try  string // why it must be asked for again
	most int    // tries
}

// collect stores the answers of a batch that is done. They are in the store
// before the batch is forgotten, so a kill has them read once more and no more.
func (r *batchRun) collect(j *job, b openai.Batch) error {
	c := &collection{r: r, j: j, verdicts: map[string]verdict{}}
	if err := c.download(b); err != nil {
		if unknown, ok := errors.AsType[*notFoundError](err); ok {
			return r.lostError(j, unknown)
		}
		return err
	}
	r.summary.Tokens += c.tokens - c.lost
	r.summary.LostTokens += c.lost
	r.billed += c.tokens
	r.counted += j.Tokens * int64(c.answers) / int64(max(1, j.Texts))
	r.folder.state.Spent += c.tokens
	bad, err := c.badTexts()
	if err != nil {
		return err
	}
	if c.good < j.Texts {
		r.again = true
	}
	r.takeBack(j)
	if err := r.folder.remove(j); err != nil {
		return err
	}
	r.deleteInput(j)
	return c.judge(b.Status, bad)
}

// download reads the output and the errors of a batch, once more where something
// is wrong with them: what is not there after that is asked for, and paid for,
// again. What is stored stays so, and is passed over when it is read again.
func (c *collection) download(b openai.Batch) error {
	tries := 0
	return c.r.patiently(func() error {
		tries++
		broken := 0
		for _, id := range []*string{b.OutputFileID, b.ErrorFileID} {
			if id == nil || *id == "" {
				continue
			}
			err := c.r.p.download(c.r.halt, *id, func(raw []byte) error {
				l, err := decodeOutputLine(raw)
				if err != nil {
					broken++
					c.why = c.r.p.hidden(err)
					return nil
				}
				return c.line(l)
			})
			if err = errors.Join(err, c.flush()); err != nil {
				return err
			}
		}
		// Servers differ in whether a request that failed is a completed one: it is
		// enough if each has a line.
		if n := c.answers + broken; n < b.RequestCounts.Completed && len(c.verdicts)+broken < c.j.Texts {
			return &RetryError{Err: fmt.Errorf("batch %s has %d answers in its files, and %d by what the server says", b.ID, n, b.RequestCounts.Completed)}
		}
		if broken > 0 && tries <= c.r.Retries+2 {
			return &RetryError{Err: fmt.Errorf("%d lines of the output of batch %s cannot be read: %w", broken, b.ID, c.why)}
		}
		return nil
	})
}

// line takes in a line of the output or of the errors.
func (c *collection) line(l outputLine) error {
	if c.r.underway[l.id] != c.j {
		return nil
	}
	if _, twice := c.verdicts[l.id]; twice {
		return nil
	}
	if l.message != "" {
		c.verdicts[l.id] = c.failure(l)
		return nil
	}
	tokens := int64(l.tokens)
	if tokens == 0 {
		tokens = c.j.Tokens / int64(max(1, c.j.Texts))
	}
	c.answers++
	c.tokens += tokens
	if err := c.r.shape.check(l.vector); err != nil {
		c.lost += tokens
		c.why = fmt.Errorf("text %s: %w", l.id, err)
		c.verdicts[l.id] = verdict{try: err.Error(), most: vectorTries}
		return nil
	}
	c.good++
	c.verdicts[l.id] = verdict{kept: true}
	c.ids, c.vectors = append(c.ids, l.id), append(c.vectors, l.vector)
	if c.bytes += 4 * len(l.vector); c.bytes < flushBytes {
		return nil
	}
	return c.flush()
}

// failure says what a line with an error means for its text.
func (c *collection) failure(l outputLine) verdict {
	message := excerpt(c.r.p.o.Key.hide(l.message))
	text := message
	if l.status > 0 {
		text = fmt.Sprintf("HTTP %d: %s", l.status, message)
	}
	c.why = fmt.Errorf("text %s: %s", l.id, text)
	if l.code == "batch_expired" || l.code == "batch_cancelled" {
		return verdict{}
	}
	status := l.status
	if status == 0 {
		status = http.StatusInternalServerError // the request was not made
	}
	switch class(status, l.code, message) {
	case badInput, tooLarge:
		return verdict{bad: text}
	case lasting:
		c.fatal = errors.New(text + c.r.p.advice(l.status))
	}
	return verdict{try: text, most: failureTries}
}

// flush stores the vectors that are held, but those that the store got meanwhile.
func (c *collection) flush() error {
	missing, err := c.r.store.Missing(c.ids)
	if err != nil {
		return err
	}
	lacks := make(map[string]bool, len(missing))
	for _, id := range missing {
		lacks[id] = true
	}
	var ids []string
	var vectors [][]float32
	for i, id := range c.ids {
		if lacks[id] {
			ids, vectors = append(ids, id), append(vectors, c.vectors[i])
		}
	}
	if len(ids) > 0 {
		if err := c.r.store.Append(ids, vectors); err != nil {
			return err
		}
	}
	c.r.summary.Embedded += len(ids)
	c.ids, c.vectors, c.bytes = nil, nil, 0
	c.r.tell()
	return nil
}

// badTexts returns the texts of the batch that cannot be embedded, and why, and
// counts the tries of those that may be.
func (c *collection) badTexts() (bad []badText, err error) {
	why := map[string]string{}
	for id, v := range c.verdicts {
		if v.try != "" {
			c.tried++
			if c.r.tries[id]++; c.r.tries[id] >= v.most {
				v.bad = v.try
			}
		}
		if v.bad != "" {
			why[id] = v.bad
		}
	}
	return c.r.named(c.j, why)
}

// A badText is a text of a batch that cannot be embedded.
type badText struct {
	Text
	why string
}

// named finds texts of a job by their ids.
func (r *batchRun) named(j *job, why map[string]string) (bad []badText, err error) {
	if len(why) == 0 {
		return nil, nil
	}
	err = r.folder.eachRequest(r.p, j, func(t Text) error {
		if w, ok := why[t.ID]; ok {
			bad = append(bad, badText{t, w})
		}
		return nil
	})
	return bad, err
}

// judge decides whether to go on after a batch.
func (c *collection) judge(status string, bad []badText) error {
	r := c.r
	const few = 16 // texts that may all be bad
	switch {
	case c.fatal != nil && c.answers == 0:
		return fmt.Errorf("batch %s: %w", c.j.BatchID, c.fatal)
	case c.answers > few && c.good == 0:
		return fmt.Errorf("batch %s: none of %d vectors can be used, and they are paid for: %w", c.j.BatchID, c.answers, c.why)
	case len(bad) > few && len(bad) == c.j.Texts:
		return fmt.Errorf("batch %s: all of its %d texts are refused: %w", c.j.BatchID, len(bad), c.why)
	}
	if err := r.report(c.j, bad); err != nil {
		return err
	}
	if c.good > 0 || len(bad) > 0 {
		r.barren, r.refusals = 0, 0
		return nil
	}
	r.summary.Failed++
	if c.tried == c.j.Texts && c.tried <= few { // the tries of each come to an end
		return nil
	}
	if r.barren++; r.barren < dryBatches {
		return nil
	}
	err := fmt.Errorf("%d batches in a row brought no vector, the last one is %s", r.barren, status)
	if c.why != nil {
		err = fmt.Errorf("%w: %w", err, c.why)
	}
	return err
}

// report records texts that cannot be embedded. Those of another data set are its
// own run's to report.
func (r *batchRun) report(j *job, bad []badText) error {
	for _, b := range bad {
		r.passed[b.ID] = struct{}{}
		if j.wanted {
			if err := r.bad(b.Text, b.why); err != nil {
				return err
			}
		}
	}
	return nil
}

// failed takes back a batch that the server refused as a whole, which costs
// nothing.
func (r *batchRun) failed(j *job, b openai.Batch) error {
	r.summary.Failed++
	x := r.explainFailed(b)
	bad, err := r.badLines(j, x.lines)
	if err != nil {
		return err
	}
	r.again = true
	if err := r.forget(j); err != nil {
		return err
	}
	switch {
	case x.queue:
		return r.lessAtOnce(j, x.why)
	case len(bad) > 0 && (len(bad) <= j.Texts/2 || j.Texts == 1):
		return r.report(j, bad)
	}
	return x.why
}

// A refusal is why a batch failed.
type refusal struct {
	why   error
	lines map[int]string // what is wrong with single ones, by their number from 1
	queue bool           // more waits at the server than the account may have
}

func (r *batchRun) explainFailed(b openai.Batch) refusal {
	x := refusal{why: fmt.Errorf("batch %s failed, and the server does not say why", b.ID), lines: map[int]string{}}
	if b.Errors == nil {
		return x
	}
	for i, e := range b.Errors.Data {
		message := excerpt(r.p.o.Key.hide(e.Message))
		if i == 0 {
			x.why = fmt.Errorf("batch %s failed: %s: %s", b.ID, e.Code, message)
		}
		if e.Code == "token_limit_exceeded" || strings.Contains(strings.ToLower(message), "enqueued token") {
			x.queue = true
		}
		if e.Line != nil && class(http.StatusBadRequest, e.Code, message) == badInput {
			x.lines[*e.Line] = message
		}
	}
	return x
}

// badLines are the texts on lines of a job's file.
func (r *batchRun) badLines(j *job, lines map[int]string) (bad []badText, err error) {
	if len(lines) == 0 {
		return nil, nil
	}
	n := 0
	err = r.folder.eachRequest(r.p, j, func(t Text) error {
		if n++; lines[n] != "" {
			bad = append(bad, badText{t, lines[n]})
		}
		return nil
	})
	return bad, err
}

// lessAtOnce makes do with what the account may have waiting at the server: fewer
// batches, or where there is only one, a smaller one.
func (r *batchRun) lessAtOnce(j *job, why error) error {
	const (
		least = 20_000 // tokens of a batch that is not made smaller any more
		most  = 20     // refusals of such in a row
	)
	if n := len(r.folder.state.Jobs); n > 0 {
		r.most.jobs = n
		return nil
	}
	wait := r.b.Poll
	if j.Tokens > least {
		r.most.tokens = max(least, j.Tokens/2)
	} else {
		wait *= 20
		if r.refusals++; r.refusals > most {
			return why
		}
	}
	if r.b.Trouble != nil {
		r.b.Trouble(why)
	}
	return sleep(r.halt, wait)
}
