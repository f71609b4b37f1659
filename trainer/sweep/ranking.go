package sweep

import (
	"cmp"
	"slices"

	"github.com/cosfit/cosfit/trainer/sweep/search"
	"github.com/cosfit/cosfit/trainer/sweep/study"
)

// Best is the trial of the highest figure among those that were trained to
// their end, the first of equals, as Optuna has it. It is false where there is
// none.
func Best(trials []study.Trial) (best study.Trial, ok bool) {
	for _, t := range trials {
		if t.State == search.Complete && (!ok || t.Value > best.Value) {
			best, ok = t, true
		}
	}
	return best, ok
}

// Ranked returns trials from the best to the worst: those that were trained to
// their end, then those that were ended early, the later the better, and those
// that failed last.
func Ranked(trials []study.Trial) []study.Trial {
	rank := map[search.State]int{search.Complete: 0, search.Pruned: 1, search.Running: 2, search.Waiting: 3, search.Failed: 4}
	ranked := slices.Clone(trials)
	slices.SortStableFunc(ranked, func(a, b study.Trial) int {
		order := cmp.Compare(rank[a.State], rank[b.State])
		if a.State == search.Pruned {
			order = cmp.Or(order, cmp.Compare(len(b.Reports), len(a.Reports)))
		}
		return cmp.Or(order, cmp.Compare(b.Value, a.Value), cmp.Compare(a.Number, b.Number))
	})
	return ranked
}

// A Count is how many trials there are of each kind.
type Count struct {
	Complete int `json:"complete"`
	Pruned   int `json:"pruned"`
	Failed   int `json:"failed"`
	Running  int `json:"running"`
}

// CountOf counts trials.
func CountOf(trials []study.Trial) (c Count) {
	for _, t := range trials {
		switch t.State {
		case search.Complete:
			c.Complete++
		case search.Pruned:
			c.Pruned++
		case search.Failed:
			c.Failed++
		default:
			c.Running++
		}
	}
	return c
}

// History is trials as samplers and pruners see them.
func History(trials []study.Trial) []search.Trial {
	all := make([]search.Trial, len(trials))
	for i, t := range trials {
		all[i] = t.Trial
	}
	return all
}
