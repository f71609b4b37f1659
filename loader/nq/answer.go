package nq

// Annotations say whose answer is taken where several people have marked one.
type Annotations int

const (
	First    Annotations = iota // that of the first
	Majority                    // what most have marked, of equals the first; that there is none is a vote like any other
)

// answer returns the long answer, or none.
func (r *row) answer(from Annotations) span {
	if len(r.answers) == 0 {
		return none
	}
	if from == First {
		return r.answers[0]
	}
	best, most := none, 0
	for i, a := range r.answers {
		votes := 0
		for _, b := range r.answers[i:] {
			if a == b {
				votes++
			}
		}
		if votes > most {
			best, most = a, votes
		}
	}
	return best
}

// answered reports whether a span is a part of what anyone has marked, or has
// such a part.
func (r *row) answered(s span) bool {
	for _, a := range r.answers {
		if a != none && s.overlap(a) {
			return true
		}
	}
	return false
}
