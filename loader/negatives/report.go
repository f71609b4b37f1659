package negatives

import "math"

// A Report says what was found.
type Report struct {
	Queries int `json:"queries"` // that have an answer, of the splits in question
	// Unanswered are the left texts of groups without a similar pair: nobody
	// knows what answers them, so they get no negatives.
	Unanswered int      `json:"unanswered"`
	Hard       *Found   `json:"hard,omitempty"`
	Weak       *Found   `json:"weak,omitempty"`
	Similarity *Cosines `json:"similarity,omitempty"` // where there are vectors
}

// Found says how many negatives of a kind there are.
type Found struct {
	Each     int   `json:"each"` // asked for, for each query
	Added    int   `json:"added"`
	Complete int   `json:"complete"` // queries that have as many as were asked for
	Fewer    Fewer `json:"fewer"`
}

// Fewer counts the queries that have fewer negatives than were asked for, by
// the reason that struck out most of what there was.
type Fewer struct {
	Passages       int `json:"passages"`        // too few in the split, the document or the range of ranks
	Alike          int `json:"near_duplicates"` // of an answer or the query
	Max            int `json:"max_score"`
	Min            int `json:"min_score"`
	Margin         int `json:"margin"`
	RelativeMargin int `json:"relative_margin"`
}

// Cosines are means over queries.
type Cosines struct {
	Positive float64 `json:"positive"` // of a query and the least similar of its answers
	Hard     float64 `json:"hard"`     // of a query and its hard negatives
}

// reason is why a passage was struck out.
type reason int

const (
	nearDuplicate reason = iota
	tooSimilar
	tooDifferent
	withinMargin
	withinRelativeMargin
	reasons
)

// add counts a query in that got some negatives. struck counts what was struck
// out by each reason.
func (f *Found) add(got int, struck [reasons]int, seen int) {
	f.Added += got
	if got >= f.Each {
		f.Complete++
		return
	}
	most := nearDuplicate
	for r, n := range struck {
		if n > struck[most] {
			most = reason(r)
		}
	}
	switch {
	case seen < f.Each || struck[most] == 0:
		f.Fewer.Passages++
	case most == nearDuplicate:
		f.Fewer.Alike++
	case most == tooSimilar:
		f.Fewer.Max++
	case most == tooDifferent:
		f.Fewer.Min++
	case most == withinMargin:
		f.Fewer.Margin++
	default:
		f.Fewer.RelativeMargin++
	}
}

// strike says why the limits strike a passage out whose cosine with the query
// is s, where they do; answer is the cosine of the least similar answer.
func (l Limits) strike(s, answer float64) (why reason, struck bool) {
	switch {
	case l.Max != nil && s > *l.Max:
		return tooSimilar, true
	case l.Min != nil && s < *l.Min:
		return tooDifferent, true
	case l.Margin != nil && s > answer-*l.Margin:
		return withinMargin, true
	case l.RelativeMargin != nil && s > answer-*l.RelativeMargin*math.Abs(answer):
		return withinRelativeMargin, true
	}
	return 0, false
}
