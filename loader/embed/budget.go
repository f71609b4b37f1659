package embed

// An outcome is what became of a request.
type outcome int

const (
	answered outcome = iota // with vectors of use
	lost                    // without, but it may be billed
	refused                 // by the provider, which bills nothing
)

// reserve sets aside what a request may cost. Requests under way count in full,
// so that the limit holds whatever becomes of them.
func (r *runner) reserve(b batch) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.halted(); err != nil {
		return err
	}
	spent := r.dollars(r.summary.Tokens + r.summary.LostTokens)
	next := r.dollars(b.total()) * r.correction()
	if reserved := r.dollars(r.reserved) * r.correction(); r.MaxCost > 0 && spent+reserved+next > r.MaxCost {
		return &CostError{Spent: spent, Next: next, Max: r.MaxCost}
	}
	r.reserved += b.total()
	r.summary.Requests++
	return nil
}

// correction is by how much the provider counts more tokens than we do.
func (r *runner) correction() float64 {
	if r.counted == 0 {
		return 1
	}
	return max(1, float64(r.billed)/float64(r.counted))
}

// settle replaces what was set aside by what a request took. billed is what the
// provider counted, 0 where it does not say.
func (r *runner) settle(b batch, billed int, o outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reserved -= b.total()
	tokens := int64(billed)
	if billed == 0 {
		tokens = int64(float64(b.total()) * r.correction())
	} else {
		r.billed += tokens
		r.counted += b.total()
	}
	switch o {
	case answered:
		r.summary.Tokens += tokens
		return
	case lost:
		r.summary.LostTokens += tokens
	}
	r.summary.Failed++
}
