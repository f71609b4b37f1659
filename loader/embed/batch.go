package embed

import (
	"math/rand/v2"
	"sync"
)

// blockTexts is how many texts the store is asked about at once, at least.
const blockTexts = 1024

// blockSize is how many texts are looked at together: many more than are asked
// for at once, so that two runs that visit them in different orders seldom ask
// for the same ones.
func (r *runner) blockSize() int {
	return min(max(blockTexts, 64*r.Texts*r.Concurrency), 16*blockTexts)
}

// A batch is what a request asks for.
type batch struct {
	texts  []Text
	tokens []int // of each text

	// suspect is a rest whose neighbours were answered well: whatever is wrong
	// with it is wrong with its texts.
	suspect bool
}

// total is the tokens of all texts.
func (b batch) total() (n int64) {
	for _, t := range b.tokens {
		n += int64(t)
	}
	return n
}

func (b batch) ids() []string {
	ids := make([]string, len(b.texts))
	for i, t := range b.texts {
		ids[i] = t.ID
	}
	return ids
}

// cut divides a batch before text n.
func (b batch) cut(n int) (batch, batch) {
	return batch{b.texts[:n], b.tokens[:n], b.suspect}, batch{b.texts[n:], b.tokens[n:], b.suspect}
}

// pick is the batch's texts with these numbers.
func (b batch) pick(numbers []int) batch {
	var p batch
	for _, i := range numbers {
		p.texts = append(p.texts, b.texts[i])
		p.tokens = append(p.tokens, b.tokens[i])
	}
	return p
}

// read makes batches of the texts that the store lacks.
func (r *runner) read(texts Texts, out chan<- batch) error {
	size := r.blockSize()
	var block []Text
	var open batch
	for text, err := range texts {
		if err != nil {
			return err
		}
		if block = append(block, text); len(block) < size {
			continue
		}
		if open, err = r.pack(block, open, out); err != nil {
			return err
		}
		block = append(block[:0], r.takeElsewhere()...)
	}
	open, err := r.pack(block, open, out)
	if err != nil || len(open.texts) == 0 {
		return err
	}
	return r.hand(open, out)
}

// pack adds the missing texts of a block to an open batch, hands out those that
// are full, and returns the one that is open then.
func (r *runner) pack(block []Text, open batch, out chan<- batch) (batch, error) {
	missing, err := r.missing(block)
	if err != nil {
		return open, err
	}
	held := open.total()
	for _, text := range scatter(missing, r.cap.limit(r.Texts)) {
		n := r.count(text.Text)
		if why := r.tooLong(n); why != "" {
			if err := r.bad(text, why); err != nil {
				return open, err
			}
			continue
		}
		if len(open.texts) == r.cap.limit(r.Texts) || len(open.texts) > 0 && r.Tokens > 0 && held+int64(n) > int64(r.Tokens) {
			if err := r.hand(open, out); err != nil {
				return batch{}, err
			}
			open, held = batch{}, 0
		}
		open.texts, open.tokens = append(open.texts, text), append(open.tokens, n)
		held += int64(n)
	}
	return open, r.halted()
}

func (r *runner) hand(b batch, out chan<- batch) error {
	select {
	case out <- b:
		return nil
	case <-r.halt.Done():
		return r.halted()
	}
}

// missing returns the texts that neither the store has nor a request asks for,
// and marks them as asked for.
func (r *runner) missing(block []Text) ([]Text, error) {
	byID := make(map[string]Text, len(block))
	ids := make([]string, 0, len(block))
	r.mu.Lock()
	r.summary.Texts += len(block)
	for _, t := range block {
		// Texts under way are looked for first: an answer is in the store before it
		// is no longer under way.
		if _, asked := r.asked[t.ID]; asked {
			r.summary.Texts--
			continue
		}
		if _, twice := byID[t.ID]; twice {
			r.summary.Texts--
			continue
		}
		byID[t.ID] = t
		ids = append(ids, t.ID)
	}
	r.mu.Unlock()
	lacking, err := r.store.Missing(ids)
	if err != nil {
		return nil, err
	}
	texts := make([]Text, len(lacking))
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, id := range lacking {
		texts[i] = byID[id]
		r.asked[id] = struct{}{}
		delete(byID, id)
	}
	r.summary.Cached += len(byID)
	for _, t := range byID {
		r.summary.CachedTokens += int64(EstimateTokens(t.Text))
	}
	return texts, nil
}

// scatter puts pieces of n texts into an order that is another in each run.
func scatter(texts []Text, n int) []Text {
	scattered := make([]Text, 0, len(texts))
	for _, i := range rand.Perm((len(texts) + n - 1) / n) {
		scattered = append(scattered, texts[i*n:min((i+1)*n, len(texts))]...)
	}
	return scattered
}

// stillMissing leaves out what another run has stored since the batch was made.
func (r *runner) stillMissing(b batch) (batch, error) {
	missing, err := r.store.Missing(b.ids())
	if err != nil || len(missing) == len(b.texts) {
		return b, err
	}
	wanted := make(map[string]bool, len(missing))
	for _, id := range missing {
		wanted[id] = true
	}
	var left []int
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, t := range b.texts {
		if wanted[t.ID] {
			left = append(left, i)
			continue
		}
		r.summary.Cached++
		r.summary.CachedTokens += int64(b.tokens[i])
	}
	rest := b.pick(left)
	rest.suspect = b.suspect
	return rest, nil
}

func (r *runner) count(text string) int {
	if r.CountTokens != nil {
		return r.CountTokens(text)
	}
	return EstimateTokens(text)
}

// A sizeCap learns how many texts a server takes. One refusal may be the fault
// of a text, so it takes two of the same size, and what was accepted once is not
// too much.
type sizeCap struct {
	mu       sync.Mutex
	texts    int // 0 means no cap
	accepted int
	refused  map[int]int // times, by the number of texts
}

func (c *sizeCap) limit(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.texts > 0 {
		return min(n, c.texts)
	}
	return n
}

// accept notes that a request with that many texts was answered.
func (c *sizeCap) accept(texts int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.accepted = max(c.accepted, texts)
}

// refuse notes that a request with that many texts was too large.
func (c *sizeCap) refuse(texts int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == nil {
		c.refused = map[int]int{}
	}
	c.refused[texts]++
	half := max(texts/2, c.accepted, 1)
	if c.refused[texts] >= 2 && half < texts && (c.texts == 0 || half < c.texts) {
		c.texts = half
	}
}
