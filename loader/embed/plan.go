package embed

import (
	"context"
	"time"
)

// An Estimate is what a run would do, and cost.
type Estimate struct {
	Texts    int     `json:"texts"`
	Cached   int     `json:"cached"`
	Underway int     `json:"underway,omitempty"` // in batches of the batch API
	Missing  int     `json:"missing"`            // and not under way
	Tokens   int64   `json:"tokens"`             // of the missing texts
	Exact    bool    `json:"exact"`              // the tokens are counted, not estimated
	Cost     float64 `json:"cost"`               // US dollars; 0 where it is free or the price unknown
	Requests int     `json:"requests"`           // or batches
	Seconds  float64 `json:"seconds"`            // a guess
}

// A plan counts the tokens of so much text, and then of one text in thinned: a
// tokenizer takes minutes for a gigabyte.
const (
	countedBytes = 8 << 20
	thinned      = 32
)

// Plan goes through the texts and says what Run would do with them. Nothing is
// sent.
func Plan(ctx context.Context, p Provider, store Store, texts Texts, o Options) (Estimate, error) {
	e, _, err := plan(ctx, p, store, texts, o)
	return e, err
}

// plan returns beside the estimate how many bytes the missing texts have.
func plan(ctx context.Context, p Provider, store Store, texts Texts, o Options) (Estimate, int64, error) {
	c := counter{e: Estimate{Exact: o.CountTokens != nil}, o: o.filled(p.Limits()), store: store}
	for text, err := range texts {
		if err != nil {
			return Estimate{}, 0, err
		}
		if c.block = append(c.block, text); len(c.block) < blockTexts {
			continue
		}
		if err := c.count(); err != nil {
			return Estimate{}, 0, err
		}
		if err := ctx.Err(); err != nil {
			return Estimate{}, 0, err
		}
	}
	if err := c.count(); err != nil {
		return Estimate{}, 0, err
	}
	return c.estimate(), c.bytes, nil
}

// A counter is a plan in the making.
type counter struct {
	e     Estimate
	o     Options
	store Store
	block []Text

	bytes, sampledBytes int64 // of the missing texts beyond countedBytes, and of those of them that were counted
	sampled             int64 // tokens of these
	guessed             int64 // tokens of all missing texts, estimated
}

// count counts a block of texts.
func (c *counter) count() error {
	ids := make([]string, 0, len(c.block))
	byID := make(map[string]string, len(c.block))
	for _, t := range c.block {
		if _, twice := byID[t.ID]; !twice {
			byID[t.ID] = t.Text
			ids = append(ids, t.ID)
		}
	}
	c.block = c.block[:0]
	missing, err := c.store.Missing(ids)
	if err != nil {
		return err
	}
	c.e.Texts += len(ids)
	c.e.Cached += len(ids) - len(missing)
	for _, id := range missing {
		c.countText(byID[id])
	}
	return nil
}

func (c *counter) countText(text string) {
	c.e.Missing++
	c.guessed += int64(EstimateTokens(text))
	c.bytes += int64(len(text))
	if c.o.CountTokens == nil || c.bytes > countedBytes && c.e.Missing%thinned != 0 {
		return
	}
	c.sampled += int64(c.o.CountTokens(text))
	c.sampledBytes += int64(len(text))
}

// estimate puts the counts together.
func (c *counter) estimate() Estimate {
	e := c.e
	e.Tokens = c.guessed
	if c.sampledBytes > 0 {
		e.Exact = c.sampledBytes == c.bytes
		e.Tokens = int64(float64(c.sampled) * float64(c.bytes) / float64(c.sampledBytes))
	}
	e.Cost = float64(e.Tokens) * c.o.Price / 1e6
	e.Requests = (e.Missing + c.o.Texts - 1) / c.o.Texts
	if c.o.Tokens > 0 {
		e.Requests = max(e.Requests, int((e.Tokens+int64(c.o.Tokens)-1)/int64(c.o.Tokens)))
	}
	e.Seconds = c.seconds(e)
	return e
}

// seconds guesses how long a run takes: a request takes a second, and a minute
// has no more requests and tokens than is allowed.
func (c *counter) seconds(e Estimate) float64 {
	const request = time.Second
	s := float64(e.Requests) * request.Seconds() / float64(c.o.Concurrency)
	if n := c.o.Rate.Requests; n > 0 {
		s = max(s, 60*float64(e.Requests)/float64(n))
	}
	if n := c.o.Rate.Tokens; n > 0 {
		s = max(s, 60*float64(e.Tokens)/float64(n))
	}
	return s
}
