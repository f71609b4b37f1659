package trainer

import (
	"fmt"

	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
)

// A heldOut is the pairs of a split that share neither a group nor a text with
// training, where others do.
type heldOut struct {
	split  loader.Split
	pair   []bool // of all pairs of the data set
	group  []bool // none of whose pairs of the split shares
	shared int    // pairs of the split that do
}

// newHeldOut takes which pairs of the data set share something with training.
func newHeldOut(data *loader.Dataset, split loader.Split, shares []bool) heldOut {
	p := &data.Pairs
	h := heldOut{split: split, pair: make([]bool, p.Len()), group: make([]bool, len(p.Groups))}
	for g := range h.group {
		h.group[g] = true
	}
	for i, shared := range shares {
		if p.Split[i] != split {
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
	return e.scores(pairs, m, func(pair int32) bool { return h.pair[pair] }, h.asks)
}

// asks reports whether a query is of these pairs.
func (h heldOut) asks(q query) bool { return q.split == h.split && h.group[q.group] }

// fewestToTell is how many groups a gain is told from chance by, at least: of fewer
// the percentiles of a bootstrap are much too narrow. In
// simulations the 95 % interval of the mean of 10 normal values holds the true one 90 times
// out of a hundred, of 5 values 85 times, of 2 values 49 times.
const fewestToTell = 10

// tells reports whether there are enough groups to tell a gain in a figure by: of
// pairs, with a similar one and with a dissimilar one.
func (s splitScores) tells(figure string) bool {
	if figure == byNDCG {
		_, n := denseGroups(s.asked)
		return n >= fewestToTell
	}
	if s.graded {
		_, n := denseGroups(s.groups)
		return n >= fewestToTell
	}
	for _, kind := range []bool{true, false} {
		var of []int32
		for i, positive := range s.positive {
			if positive == kind {
				of = append(of, s.groups[i])
			}
		}
		if _, n := denseGroups(of); n < fewestToTell {
			return false
		}
	}
	return true
}

// withoutShared fills in a summary's figures of a split without the pairs that share
// with training, at the thresholds of the whole split. There are none where no
// pair does.
func (e *evaluator) withoutShared(s *rundir.Summary, pairs []int32, before, after measured) {
	h := e.heldOut
	if h.shared == 0 {
		return
	}
	split := h.split.String()
	b, a := h.of(e, pairs, before), h.of(e, pairs, after)
	thresholdBefore, thresholdAfter := s.Before[split].Threshold, s.After[split].Threshold
	s.WithoutShared = &rundir.WithoutShared{
		Split:       split,
		SharedPairs: h.shared,
		TooFew:      !a.tells(s.Selection),
		Before:      b.metrics(e.loss, thresholdBefore),
		After:       a.metrics(e.loss, thresholdAfter),
		Comparisons: comparisons(b, a, thresholdBefore, thresholdAfter),
	}
}

// A tested is what pairs that were held out say of a gain.
type tested struct {
	all    rundir.Comparison // of all of them
	shared int               // of them that share a text or a group with training
	left   int               // the others
	apart  rundir.Comparison // of the others; nothing where these are too few
	tooFew bool
}

// testedOn is what the pairs of a split say by a figure; ok is false where they have
// none.
func testedOn(s *rundir.Summary, split loader.Split, figure string) (t tested, ok bool) {
	t.all, ok = s.Comparisons[split.String()][figure]
	if w := s.WithoutShared; w != nil && w.Split == split.String() {
		t.shared, t.left, t.tooFew = w.SharedPairs, w.After.Pairs, w.TooFew
		t.apart = w.Comparisons[figure]
	}
	return t, ok
}

// gain is what is told from chance: that of the pairs which share nothing, if any do.
// ok is false where too few are left.
func (t tested) gain() (c rundir.Comparison, ok bool) {
	switch {
	case t.shared == 0:
		return t.all, true
	case t.tooFew:
		return rundir.Comparison{}, false
	}
	return t.apart, true
}

// went says what all pairs say, without a full stop. untrained names the figure before,
// where that could be another's, and is empty or begins with a space.
func (t tested) went(untrained string) string {
	if !t.all.Before.Known() {
		return fmt.Sprintf("is %.3f, 95 %% interval %.3f to %.3f", t.all.After, t.all.AfterInterval.Low, t.all.AfterInterval.High)
	}
	return fmt.Sprintf("went from %.3f%s to %.3f", t.all.Before, untrained, t.all.After)
}

// verdict goes on after what all pairs say, which ends without a full stop.
func (t tested) verdict() string {
	if t.shared == 0 {
		if !t.all.Before.Known() {
			return "."
		}
		return ": " + verdict(t.all) + "."
	}
	text := fmt.Sprintf(", but %d of its %d pairs share a text or a group with training", t.shared, t.shared+t.left)
	c, ok := t.gain()
	switch {
	case t.left == 0:
		text = ", but all of its pairs share a text or a group with training, so that does not tell what new ones gain."
	case !ok:
		text += fmt.Sprintf(", and of the others, %d, there are too few to tell a gain from chance.", t.left)
	case !c.Before.Known():
		text += fmt.Sprintf(". On the others it is %.3f, 95 %% interval %.3f to %.3f.", c.After, c.AfterInterval.Low, c.AfterInterval.High)
	default:
		text += fmt.Sprintf(". On the others it went from %.3f to %.3f: %s.", c.Before, c.After, verdict(c))
	}
	return text
}

// apart is where retrieval figures without shared pairs go, or nil.
func apart(s *rundir.Summary) (before, after *rundir.Metrics) {
	if s.WithoutShared == nil {
		return nil, nil
	}
	return &s.WithoutShared.Before, &s.WithoutShared.After
}
