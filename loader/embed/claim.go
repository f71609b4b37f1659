package embed

import "time"

// claimWait is how long a run waits before it looks again whether others have
// bought what they claim.
const claimWait = 100 * time.Millisecond

// claim leaves out of a batch what other runs are about to buy. These texts are
// looked at again later: they are in the store then, or nobody's.
func (r *runner) claim(b batch) (batch, error) {
	c, ok := r.store.(Claimer)
	if !ok {
		return b, nil
	}
	ours, err := c.Claim(b.ids())
	if err != nil || len(ours) == len(b.texts) {
		return b, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var mine []int
	for i, t := range b.texts {
		if n := len(mine); n < len(ours) && ours[n] == t.ID {
			mine = append(mine, i)
			continue
		}
		delete(r.asked, t.ID)
		r.summary.Texts-- // it is counted again
		r.elsewhere = append(r.elsewhere, t)
	}
	return b.pick(mine), nil
}

// release forgets that a batch is asked for.
func (r *runner) release(b batch) error {
	r.mu.Lock()
	for _, t := range b.texts {
		delete(r.asked, t.ID)
	}
	r.mu.Unlock()
	if c, ok := r.store.(Claimer); ok {
		return c.Release(b.ids())
	}
	return nil
}

// takeElsewhere returns the texts that were left to other runs.
func (r *runner) takeElsewhere() []Text {
	r.mu.Lock()
	defer r.mu.Unlock()
	texts := r.elsewhere
	r.elsewhere = nil
	return texts
}

// sequence goes through texts.
func sequence(texts []Text) Texts {
	return func(yield func(Text, error) bool) {
		for _, t := range texts {
			if !yield(t, nil) {
				return
			}
		}
	}
}
