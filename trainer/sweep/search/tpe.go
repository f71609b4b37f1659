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
// Hutter, "BOHB", ICML 2018). It departs from Optuna's in six things:
//
//   - Of the best trials, each counts by how much better it is than the rest, so
//     that l/g ranks candidates by their expected improvement and not by the mere
//     chance of one (Song et al., "A General Recipe for Likelihood-free Bayesian
//     Optimization", ICML 2022, section 4).
//   - A candidate is a whole point, and parameters with a condition are judged
//     among the trials that have them: a choice is not given up because its own
//     settings have not been found yet.
//   - There are 24 candidates for each continuum, not 24 for all together.
//   - Kernels over ranges with steps may be narrower (see bandwidths).
//   - Trials that failed count among the rest: most of them diverged.
//   - No point is proposed twice: a training with the same settings has the same
//     result.
//
// Trials that still run count among the rest too, so that parallel workers do
// not all try the same (the constant liar of Ginsbourger, Le Riche and Carraro
// 2010, with the worst lie). Trials that were pruned come after those that are
// complete, and those that went further are better.
//
// On one processor architecture the same history and random numbers give the
// same point, bit for bit. On another one, math.Exp and fused multiply-adds may
// round the last bit of l/g and of a coordinate differently. Coordinates are
// chosen to six digits, so the point is still the same unless two candidates
// are equal to fifteen digits or one lies just between two of six digits.
type TPE struct {
	Startup    int // trials that end before the search begins, drawn at random; 0 means 10
	Candidates int // for each parameter that is a continuum, or in all where none is; 0 means 24
}

// Name returns "tpe".
func (TPE) Name() string { return "tpe" }

// Next is random until enough trials have ended, and where all candidates are
// points of trials. It returns ErrExhausted where every point is one.
func (t TPE) Next(s space.Space, n int, history []Trial, rng *rand.Rand) (space.Point, error) {
	if countEnded(history) < cmp.Or(t.Startup, 10) {
		return Random{}.Next(s, n, history, rng)
	}
	tree, untried := treeOf(s, history), untriedBy(s, history)
	var chosen space.Point
	highest := math.Inf(-1)
	for range t.candidates(s) {
		p, ratio := space.Point{}, 1.0
		for _, b := range tree {
			if s.Exists(b.parameters[0], p) {
				ratio *= b.draw(s, p, rng)
			}
		}
		if (chosen == nil || ratio > highest) && untried.has(p) {
			chosen, highest = p, ratio
		}
	}
	if chosen == nil {
		return untried.draw(rng)
	}
	return chosen, nil
}

func (t TPE) candidates(s space.Space) int {
	continua := 0
	for _, p := range s {
		if p.Distribution.Count() == 0 {
			continua++
		}
	}
	return max(1, continua) * cmp.Or(t.Candidates, 24)
}

func countEnded(trials []Trial) int {
	n := 0
	for _, t := range trials {
		if t.State == Complete || t.State == Pruned {
			n++
		}
	}
	return n
}

// A branch is parameters that exist together, because they have the same
// condition or none, and the densities of the trials that have them.
type branch struct {
	parameters []int
	best, rest *parzen
}

// treeOf returns the branches of the space, each after the one that it depends
// on.
func treeOf(s space.Space, history []Trial) []branch {
	var tree []branch
	for _, group := range groups(s) {
		var have []Trial
		for _, t := range history {
			if has(s, group, t.Point) {
				have = append(have, t)
			}
		}
		best, rest := split(have, gamma(countEnded(have)))
		tree = append(tree, branch{group, estimate(s, group, best, improvements(best, rest)), estimate(s, group, rest, fading(len(rest)))})
	}
	return tree
}

func has(s space.Space, parameters []int, p space.Point) bool {
	for _, i := range parameters {
		if x, ok := p[s[i].Name]; !ok || !s[i].Distribution.Contains(x) {
			return false
		}
	}
	return true
}

// draw adds the parameters of a branch to a point and returns their l/g.
func (b branch) draw(s space.Space, p space.Point, rng *rand.Rand) float64 {
	x := b.best.draw(rng)
	for i, v := range x {
		p[s[b.parameters[i]].Name] = v
	}
	return b.best.density(x) / b.rest.density(x)
}

// improvements are the weights of the best trials: how far each is above all
// of the rest, 1 in the mean. All are 1 where that is not known, because the best
// of the rest was pruned, or where all are equal.
func improvements(best, rest []Trial) []float64 {
	threshold := math.Inf(-1)
	for _, t := range rest {
		if t.State == Complete && t.Value > threshold {
			threshold = t.Value
		}
	}
	w, sum := make([]float64, len(best)), 0.0
	for i, t := range best {
		w[i] = t.Value - threshold
		sum += w[i]
	}
	known := sum > 0 && !math.IsInf(sum, 0)
	for i := range w {
		w[i] *= float64(len(w)) / sum
		if !known {
			w[i] = 1
		}
	}
	return w
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
