package trainer

import (
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
)

// A heldOut is the test pairs that share neither a group nor a text with
// training, where others do.
type heldOut struct {
	pair   []bool // of all pairs of the data set
	group  []bool // none of whose test pairs shares
	shared int    // test pairs that do
}

func newHeldOut(data *loader.Dataset) heldOut {
	p := &data.Pairs
	h := heldOut{pair: make([]bool, p.Len()), group: make([]bool, len(p.Groups))}
	for g := range h.group {
		h.group[g] = true
	}
	for i, shared := range data.SharedWithTraining() {
		if p.Split[i] != loader.Test {
			continue
		}
		h.pair[i] = !shared
		if shared {
			h.group[p.Group[i]] = false
			h.shared++
		}
	}
	return h
}

// of picks these pairs and their queries out of what was measured of more.
func (h heldOut) of(e *evaluator, pairs []int32, m measured) splitScores {
	return e.scores(pairs, m, func(pair int32) bool { return h.pair[pair] },
		func(q query) bool { return q.split == loader.Test && h.group[q.group] })
}

// withoutShared fills in a summary's figures of test without the pairs that share
// with training, at the thresholds of the whole split. There are none where no
// pair does.
func (e *evaluator) withoutShared(s *rundir.Summary, pairs []int32, before, after measured) {
	test := loader.Test.String()
	h := newHeldOut(e.data)
	if h.shared == 0 {
		return
	}
	b, a := h.of(e, pairs, before), h.of(e, pairs, after)
	thresholdBefore, thresholdAfter := s.Before[test].Threshold, s.After[test].Threshold
	s.WithoutShared = &rundir.WithoutShared{
		SharedPairs: h.shared,
		Before:      b.metrics(e.loss, thresholdBefore),
		After:       a.metrics(e.loss, thresholdAfter),
		Comparisons: comparisons(b, a, thresholdBefore, thresholdAfter),
	}
}

// apart is where retrieval figures without shared pairs go, or nil.
func apart(s *rundir.Summary) (before, after *rundir.Metrics) {
	if s.WithoutShared == nil {
		return nil, nil
	}
	return &s.WithoutShared.Before, &s.WithoutShared.After
}
