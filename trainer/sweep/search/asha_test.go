package search

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// race runs trials whose reports come in any order, and calls judged after
// each, with the trial as it was and what was said.
func race(a ASHA, trials, epochs int, rng *rand.Rand, value func(trial, epoch int) float64, judged func(t Trial, history []Trial, pruned bool)) []Trial {
	history := make([]Trial, trials)
	var running []int
	for n := range history {
		history[n] = Trial{Number: n, State: Running}
		running = append(running, n)
	}
	for len(running) > 0 {
		i := rng.IntN(len(running))
		t := &history[running[i]]
		epoch := len(t.Reports) + 1
		t.Reports = append(t.Reports, Report{epoch, value(t.Number, epoch)})
		pruned := a.Prune(*t, history)
		judged(*t, history, pruned)
		switch {
		case pruned:
			t.State = Pruned
		case epoch == epochs:
			t.State = Complete
		default:
			continue
		}
		running = slices.Delete(running, i, i+1)
	}
	return history
}

// A trial survives a rung if and only if it is among the best 1/η of those
// that have come there, itself included; and between rungs always.
func TestASHAKeepsTheTopAtEachRung(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 0))
		a := ASHA{Reduction: 2 + rng.IntN(4), MinResource: 1 + rng.IntN(3)}
		isRung := map[int]bool{}
		for r := a.MinResource; r <= 40; r *= a.Reduction {
			isRung[r] = true
		}
		value := func(_, _ int) float64 { return float64(rng.IntN(50)) } // with ties
		race(a, 60, 40, rng, value, func(trial Trial, history []Trial, pruned bool) {
			epoch := len(trial.Reports)
			if !isRung[epoch] {
				if pruned {
					t.Fatalf("seed %d: pruned at epoch %d, which is no rung of %+v", seed, epoch, a)
				}
				return
			}
			var values []float64
			for _, h := range history {
				if len(h.Reports) >= epoch {
					values = append(values, h.Reports[epoch-1].Value)
				}
			}
			slices.Sort(values)
			worst := values[len(values)-max(1, len(values)/a.Reduction)]
			own := trial.Reports[epoch-1].Value
			if survives := own >= worst; survives == pruned {
				t.Fatalf("seed %d: at rung %d of %+v, %v among %v: pruned is %v", seed, epoch, a, own, values, pruned)
			}
		})
	}
}

// Nobody is waited for: what is said of a trial at a rung is said when it comes,
// whatever comes later, and one that is the best wherever it comes reaches the
// end.
func TestASHANeverEndsTheBest(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 1))
		best := rng.IntN(50)
		history := race(ASHA{}, 50, 64, rng, func(trial, _ int) float64 {
			if trial == best {
				return 2
			}
			return rng.Float64()
		}, func(Trial, []Trial, bool) {})
		if history[best].State != Complete {
			t.Fatalf("seed %d: the best of all is %v after %d epochs", seed, history[best].State, len(history[best].Reports))
		}
	}
}

func TestASHALeavesALoneTrialAlone(t *testing.T) {
	for _, a := range []ASHA{{}, {Reduction: 2}, {Reduction: 9, MinResource: 2}} {
		history := race(a, 1, 1000, stream(1, 1), func(_, epoch int) float64 { return -float64(epoch) }, func(Trial, []Trial, bool) {})
		if history[0].State != Complete {
			t.Errorf("%+v ended the only trial after %d epochs", a, len(history[0].Reports))
		}
	}
}

// About one of η goes on from each rung, so that what all trials take grows
// with the logarithm of the epochs.
func TestASHATakesFewEpochs(t *testing.T) {
	rng := stream(3, 3)
	good := make([]float64, 2000)
	for i := range good {
		good[i] = rng.Float64()
	}
	history := race(ASHA{Reduction: 4}, len(good), 64, rng, func(trial, _ int) float64 { return good[trial] }, func(Trial, []Trial, bool) {})
	epochs := 0
	for _, h := range history {
		epochs += len(h.Reports)
	}
	// All take the epoch to the first rung, and of those that come to one at 4^r
	// epochs about a quarter 3·4^r more, to the next: n·(1 + 3/4 + 3/4 + 3/4).
	if e := float64(epochs) / float64(len(good)) / (1 + 3*0.75); e < 0.9 || e > 1.1 {
		t.Errorf("%d trials took %d epochs, %.2f of what is expected", len(good), epochs, e)
	}
}

func TestASHACases(t *testing.T) {
	reports := func(values ...float64) (r []Report) {
		for i, v := range values {
			r = append(r, Report{i + 1, v})
		}
		return r
	}
	others := []Trial{{Number: 0, Reports: reports(5, 5, 5, 5)}, {Number: 1, Reports: reports(4)}, {Number: 2, Reports: reports(3)}}
	for _, c := range []struct {
		name    string
		reports []Report
		want    bool
	}{
		{"none yet", nil, false},
		{"the best so far", reports(6), false},
		{"as good as the best", reports(5), false},
		{"the second", reports(4.5), true},
		{"not a number", reports(math.NaN()), true},
		{"not a number between rungs", reports(6, math.NaN()), false},
		{"worse at the second rung", reports(6, 6, 6, 4), true},
		{"a first report beyond a rung", []Report{{3, 4}}, true},
		{"a first report beyond two rungs, good for both", []Report{{9, 6}}, false},
	} {
		if got := (ASHA{}).Prune(Trial{Number: 3, Reports: c.reports}, others); got != c.want {
			t.Errorf("%s: pruned is %v, want %v", c.name, got, c.want)
		}
	}
	if (ASHA{}).Prune(Trial{Number: 4, Reports: []Report{{math.MaxInt, 9}}}, others) {
		t.Error("the best is pruned after the most epochs there can be")
	}
}

// On real trainings of nine epochs, ASHA as it ships finds what all epochs of all
// trainings find, for a quarter of them, where scores rise from the beginning.
// Under the cosine schedule the highest rates look bad until they fall, and some
// of these trainings are among the best: early scores say nothing about them, and
// ASHA loses them.
func TestASHAOnRecordedTrainings(t *testing.T) {
	table := readScores(t)
	for _, c := range []struct {
		name    string
		highest float64 // rate
		loss    float64 // of ROC AUC, in the median
	}{
		{"rates that learn from the beginning", 0.01, 0.0002},
		{"all rates", 0.1, 0.0025},
	} {
		var trainings [][]float64
		for setting, epochs := range table.epochs {
			if setting.rate <= c.highest {
				trainings = append(trainings, epochs)
			}
		}
		slices.SortFunc(trainings, slices.Compare) // maps have no order
		var lost, spent []float64
		for seed := range uint64(100) {
			l, e := halve(trainings, stream(seed, 0))
			lost, spent = append(lost, l), append(spent, e)
		}
		t.Logf("%s: median loss %.5f of ROC AUC, for %.2f of the epochs", c.name, median(lost), median(spent))
		if median(lost) > c.loss || median(spent) > 1.0/4 {
			t.Errorf("%s: the median loss is %.5f of ROC AUC for %.2f of the epochs, want at most %v for a quarter", c.name, median(lost), median(spent), c.loss)
		}
	}
}

// halve runs a hundred trainings one after the other, and returns how much
// lower their best score is than without pruning, and the share of epochs that
// they took.
func halve(trainings [][]float64, rng *rand.Rand) (lost, spent float64) {
	const trials = 100
	var history []Trial
	whole, found, epochs := 0.0, 0.0, 0
	for n := range trials {
		scores := trainings[rng.IntN(len(trainings))]
		whole = max(whole, slices.Max(scores))
		trial := Trial{Number: n}
		for e, score := range scores {
			trial.Reports = append(trial.Reports, Report{e + 1, score})
			found = max(found, score)
			if epochs++; e+1 < len(scores) && (ASHA{}).Prune(trial, history) {
				break
			}
		}
		history = append(history, trial)
	}
	return whole - found, float64(epochs) / float64(trials*len(trainings[0]))
}
