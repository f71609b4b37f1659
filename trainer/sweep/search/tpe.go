package search

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// TPE looks where good trials are dense and the others are not: it draws
// candidates from an estimate l of the density of the best trials, and takes the
// one for which l/g is largest, g being the estimate for the rest. Source:
// Bergstra, Bardenet, Bengio and Kégl, "Algorithms for Hyper-Parameter
// Optimization" (NeurIPS 2011), section 4, with the choices of Optuna's
// TPESampler as its version 5 has them by default: how many are the best, the
// bandwidths and the prior (see parzen), and parameters that exist together
// are drawn together, so that it sees how they go together (Falkner, Klein and
// Hutter, "BOHB", ICML 2018).
//
// Parameters with a condition are estimated from the trials that have them.
// Trials that still run count among the rest, so that parallel workers do not
// all try the same (the constant liar of Ginsbourger, Le Riche and Carraro
// 2010, with the worst lie), and so do those that failed, most of which
// diverged. Of the trials that were pruned, those that went further are
// better.
//
// On one processor architecture the same history and random numbers give the
// same point, bit for bit. On another one, math.Exp and fused multiply-adds may
// round the last bit of l/g and of a coordinate differently. Coordinates are
// chosen to six digits, so the point is still the same unless two candidates
// are equal to fifteen digits or one lies just between two of six digits.
type TPE struct {
	Startup    int // trials that end before the search begins, drawn at random; 0 means 10
	Candidates int // that are drawn to choose one of; 0 means 24
}

// Name returns "tpe".
func (TPE) Name() string { return "tpe" }

// Next is random until enough trials have ended.
func (t TPE) Next(s space.Space, n int, history []Trial, rng *rand.Rand) (space.Point, error) {
	ended := 0
	for _, h := range history {
		if h.State == Complete || h.State == Pruned {
			ended++
		}
	}
	if ended < cmp.Or(t.Startup, 10) {
		return Random{}.Next(s, n, history, rng)
	}
	best, rest := split(history, gamma(ended))
	p := space.Point{}
	for _, group := range groups(s) {
		if s.Exists(group[0], p) {
			t.choose(s, group, p, best, rest, rng)
		}
	}
	return p, nil
}

// choose adds the parameters of a group to a point.
func (t TPE) choose(s space.Space, group []int, p space.Point, best, rest []Trial, rng *rand.Rand) {
	l, g := estimate(s, group, best), estimate(s, group, rest)
	var chosen []float64
	highest := math.Inf(-1)
	for range cmp.Or(t.Candidates, 24) {
		x := l.draw(rng)
		if ratio := l.density(x) / g.density(x); chosen == nil || ratio > highest {
			chosen, highest = x, ratio
		}
	}
	for i, x := range chosen {
		p[s[group[i]].Name] = x
	}
}

// gamma is how many of n trials are the best.
func gamma(n int) int { return min((n+9)/10, 25) } // a tenth, rounded up

// split returns the n best trials and the rest, both in the order of their
// numbers.
func split(history []Trial, n int) (best, rest []Trial) {
	var ended []Trial
	for _, t := range history {
		switch t.State {
		case Complete, Pruned:
			ended = append(ended, t)
		case Running, Failed:
			rest = append(rest, t)
		}
	}
	slices.SortStableFunc(ended, better)
	n = min(n, len(ended))
	best, rest = ended[:n], append(rest, ended[n:]...)
	byNumber := func(a, b Trial) int { return a.Number - b.Number }
	slices.SortFunc(best, byNumber)
	slices.SortFunc(rest, byNumber)
	return best, rest
}

// better orders trials that ended, the best first: those that are complete by
// value, then those that were pruned, by how far they went and then by their last
// report.
func better(a, b Trial) int {
	if a.State != b.State {
		return cmp.Compare(rank(a.State), rank(b.State))
	}
	if a.State == Complete {
		return largerFirst(a.Value, b.Value)
	}
	x, y := lastReport(a), lastReport(b)
	return cmp.Or(y.Step-x.Step, largerFirst(x.Value, y.Value))
}

func rank(s State) int {
	if s == Complete {
		return 0
	}
	return 1
}

// largerFirst puts what is not a number last.
func largerFirst(a, b float64) int { return cmp.Compare(b, a) }

// lastReport is one before all steps where there is none.
func lastReport(t Trial) Report {
	if len(t.Reports) == 0 {
		return Report{Step: math.MinInt32, Value: math.NaN()}
	}
	return t.Reports[len(t.Reports)-1]
}

// groups are the indices of parameters that exist together, because they have
// the same condition or none, each group after the one that it depends on.
func groups(s space.Space) [][]int {
	var all [][]int
	for i, p := range s {
		same := slices.IndexFunc(all, func(group []int) bool { return sameCondition(s[group[0]].When, p.When) })
		if same < 0 {
			all = append(all, []int{i})
		} else {
			all[same] = append(all[same], i)
		}
	}
	return all
}

func sameCondition(a, b *space.Condition) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Parameter == b.Parameter && slices.Equal(a.Values, b.Values)
}
