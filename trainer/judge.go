package trainer

import (
	"fmt"
	"math"
	"strings"

	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
)

// resamples of a bootstrap over n pairs: enough for the second digit of an
// interval's ends, fewer where each costs much.
func resamplesFor(n int) int { return min(1000, max(100, 50_000_000/max(1, n))) }

const bootstrapSeed = 1

// compare sets a figure of a split before and after side by side. The
// intervals of both and of the gain come from the same resamples of groups.
//
// Without cosines before, only what is after is known.
func compare(before, after splitScores, by func(splitScores) estimate) rundir.Comparison {
	its := by(after)
	if len(before.cosines) == 0 {
		resamples := resamplesFor(len(its.groups))
		none := rundir.Interval{Low: rundir.None, High: rundir.None}
		after := bootstrap(its.groups, resamples, bootstrapSeed, its.of)
		return rundir.Comparison{
			Before: rundir.None, BeforeInterval: none, After: rundir.Figure(its.of(nil)), AfterInterval: after.bounds(),
			Gain: rundir.None, GainSE: rundir.None, GainInterval: none,
		}
	}
	return changed(by(before), its)
}

// changed is compare of what is known before too, of the same groups.
func changed(before, after estimate) rundir.Comparison {
	drawn := resampled(after.groups, resamplesFor(len(after.groups)), bootstrapSeed, before.of, after.of)
	gains := make([]float64, len(drawn[0]))
	for i := range gains {
		gains[i] = drawn[1][i] - drawn[0][i]
	}
	b, a := before.of(nil), after.of(nil)
	gain := intervalOf(gains)
	return rundir.Comparison{
		Before: rundir.Figure(b), BeforeInterval: intervalOf(drawn[0]).bounds(), After: rundir.Figure(a), AfterInterval: intervalOf(drawn[1]).bounds(),
		Gain: rundir.Figure(a - b), GainSE: rundir.Figure(gain.se), GainInterval: gain.bounds(),
	}
}

// bounds is the interval as a run's files have it.
func (i interval) bounds() rundir.Interval {
	return rundir.Interval{Low: rundir.Figure(i.low), High: rundir.Figure(i.high)}
}

// comparisons of the figures that the judgement and the panel show.
func comparisons(before, after splitScores, thresholdBefore, thresholdAfter rundir.Figure) map[string]rundir.Comparison {
	if len(after.cosines) == 0 {
		return nil
	}
	if after.graded {
		return map[string]rundir.Comparison{bySpearman: compare(before, after, estimator(bySpearman))}
	}
	all := map[string]rundir.Comparison{}
	if !after.oneKind() {
		threshold := map[*ranking]rundir.Figure{before.ranking: thresholdBefore, after.ranking: thresholdAfter}
		all[byROCAUC] = compare(before, after, estimator(byROCAUC))
		all["accuracy"] = compare(before, after, func(s splitScores) estimate {
			return estimate{s.groups, meanOver(ones(s.correct(float64(threshold[s.ranking]))))}
		})
	}
	if len(after.ndcg) > 0 {
		all[byNDCG] = compare(before, after, estimator(byNDCG))
	}
	return all
}

// An estimate is a figure of resampled groups.
type estimate struct {
	groups []int32 // of each pair, or of each query
	of     func(weights []float64) float64
}

// estimator makes one of the figures that the labels of pairs allow.
func estimator(figure string) func(splitScores) estimate {
	switch figure {
	case bySpearman:
		return func(s splitScores) estimate { return estimate{s.groups, rankCorrelation(s)} }
	case byNDCG:
		return func(s splitScores) estimate { return estimate{s.asked, meanOver(s.ndcg)} }
	}
	return func(s splitScores) estimate { return estimate{s.groups, s.ranking.rocAUC} }
}

// meanOver is the mean of values with weights, nil for equal ones.
func meanOver(values []float64) func(weights []float64) float64 {
	return func(weights []float64) float64 {
		sum, total := 0.0, 0.0
		for i, v := range values {
			w := 1.0
			if weights != nil {
				w = weights[i]
			}
			total += w
			sum += w * v
		}
		return sum / total
	}
}

// ones has 1 for each true value and 0 for others.
func ones(correct []bool) []float64 {
	out := make([]float64, len(correct))
	for i, c := range correct {
		if c {
			out[i] = 1
		}
	}
	return out
}

// rankCorrelation is Spearman's correlation with weights on the pairs. The
// ranks are those of the whole split, not of the resample, which saves a sort
// in each and changes little.
func rankCorrelation(s splitScores) func(weights []float64) float64 {
	x, y := averageRanks(s.cosines), averageRanks(s.labels)
	return func(weights []float64) float64 {
		var n, sx, sy, sxx, syy, sxy float64
		for i := range x {
			w := 1.0
			if weights != nil {
				w = weights[i]
			}
			dx, dy := x[i]-x[0], y[i]-y[0]
			n += w
			sx += w * dx
			sy += w * dy
			sxx += w * dx * dx
			syy += w * dy * dy
			sxy += w * dx * dy
		}
		return (sxy - sx*sy/n) / math.Sqrt((sxx-sx*sx/n)*(syy-sy*sy/n))
	}
}

// figureNames are what a reader calls the figures.
var figureNames = map[string]string{
	byROCAUC: "ROC AUC", bySpearman: "Spearman correlation", byNDCG: "nDCG@10", byAccuracy: "accuracy", "accuracy": "accuracy",
}

// An outcome is what a judgement is made of.
type outcome struct {
	figure    string            // that decides
	on        string            // the pairs that decide: validation, or cross-validation
	start     string            // in words; "" is the embeddings as they are
	learned   rundir.Comparison // on them: of the learned matrix with the start
	untrained rundir.Figure     // on them: of the embeddings as they are
	test      tested            // of the result with the embeddings as they are
	tested    bool              // there is a test split
}

// beatsStart says whether the gain on the pairs that decide exceeds one standard error.
func (o outcome) beatsStart() bool { return o.learned.Gain > o.learned.GainSE }

// judgement says what was gained and how sure that is.
func (o outcome) judgement() rundir.Judgement {
	j := o.words()
	j.Start, j.OverStart = o.start, &o.learned
	return j
}

// words are the judgement's.
func (o outcome) words() rundir.Judgement {
	name := figureNames[o.figure]
	if !o.learned.GainSE.Known() {
		return rundir.Judgement{Text: "Undecided: " + o.on + " has too few groups to say how sure a gain is, so the result is the matrix that the training started from. Label pairs of more groups."}
	}
	started, untrained := "", ""
	if o.start != "" { // test begins elsewhere
		started, untrained = " under the start, "+o.start+",", " untrained"
	}
	change := fmt.Sprintf("%s on %s went from %.3f%s to %.3f (a change of %+.3f, standard error %.3f)",
		name, o.on, o.learned.Before, started, o.learned.After, o.learned.Gain, o.learned.GainSE)
	if !o.beatsStart() {
		return rundir.Judgement{Text: "Nothing gained: " + change + ", not by more than one standard error, so the result is the matrix that the training started from." + o.belowUntrained(o.learned.Before)}
	}
	text := "Accepted: " + change + "."
	below := o.belowUntrained(o.learned.After)
	if below != "" {
		text = "Worse than no matrix: " + change + "." + below
	}
	if !o.tested {
		text += " There is no test split with this figure, so nothing independent says how much of that is real."
		return rundir.Judgement{Accepted: below == "", Text: text}
	}
	if c, ok := o.test.gain(); ok && c.GainInterval.High < 0 {
		text = strings.Replace(text, "Accepted:", "Accepted on "+o.on+", but test says otherwise:", 1)
	}
	text += " On test, which took no part in any choice, it " + o.test.went(untrained) + o.test.verdict()
	return rundir.Judgement{Accepted: below == "", Text: text}
}

// belowUntrained warns where even the result is worse than no matrix at all,
// as with few columns or a random start.
func (o outcome) belowUntrained(result rundir.Figure) string {
	if !o.untrained.Known() || result >= o.untrained {
		return ""
	}
	return fmt.Sprintf(" The embeddings as they are reach %.3f there: with more --dims or --init identity nothing would be lost.", o.untrained)
}

// verdict reads an interval of a gain.
func verdict(c rundir.Comparison) string {
	between := fmt.Sprintf("95 %% interval of the gain %+.3f to %+.3f", c.GainInterval.Low, c.GainInterval.High)
	switch {
	case c.Gain == 0:
		return "the same"
	case c.GainInterval.Low > 0:
		return "a real gain, " + between
	case c.GainInterval.High < 0:
		return "a real loss, " + between
	}
	return "too little to tell from chance, " + between
}

// A scored is what the judgement of a finished matrix is made of.
type scored struct {
	figure     string // that judges
	split      loader.Split
	selectedOn string // as in EvaluateOptions
	test       tested
}

// judgement tells a gain from chance on pairs that were held out. Pairs that the
// matrix was learned from, or that chose its epoch, cannot tell.
func (s scored) judgement() rundir.Judgement {
	text := fmt.Sprintf("%s on %s %s", figureNames[s.figure], s.split, s.test.went(""))
	switch {
	case s.selectedOn != "" && s.split == loader.Train:
		return rundir.Judgement{Text: text + ". The matrix was learned from these pairs, so that says nothing about new ones."}
	case s.selectedOn == s.split.String():
		return rundir.Judgement{Text: text + ". This split chose the epoch of the matrix, which flatters its figures."}
	}
	c, ok := s.test.gain()
	return rundir.Judgement{Accepted: ok && c.Before.Known() && c.GainInterval.Low > 0, Text: text + s.test.verdict()}
}

// flattered is the judgement of a run whose epoch was chosen on test.
func flattered(figure string, before, after rundir.Metrics) rundir.Judgement {
	text := "The epoch was chosen on the test split itself, which flatters its figures. Use --recipe default for figures to rely on."
	if figure == byAccuracy && before.AccuracyBestThreshold.Known() {
		text = fmt.Sprintf("The epoch and the threshold were chosen on the test split itself, which flatters its accuracy: %.1f %% before, %.1f %% after, and %.1f %% for always saying the commoner class. Use --recipe default for figures to rely on.",
			100*before.AccuracyBestThreshold, 100*after.AccuracyBestThreshold, 100*after.Majority)
	}
	return rundir.Judgement{Accepted: true, Text: text}
}
