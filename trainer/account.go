package trainer

import (
	"fmt"
	"math"

	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
)

// detectable is how many standard errors a gain must measure to be told from
// chance four times out of five by a two-sided test at 5 %: 1.960 + 0.842 (Cohen,
// Statistical Power Analysis for the Behavioral Sciences, 1988, § 2.2).
const detectable = 2.802

// littleRoom is a headroom in which there is hardly anything to gain.
const littleRoom = 0.05

// account fills in a summary's account of a split, whose figures must be there.
// before and learned are what pairs measure as the embeddings are, nothing where
// these cannot be compared, and under the matrix that was learned, which need not be
// the result.
func (e *evaluator) account(s *rundir.Summary, split loader.Split, metric string, pairs []int32, before, learned measured) error {
	if m, scored := s.After[split.String()]; !scored || m.Pairs == 0 {
		return nil
	}
	a := &rundir.Account{Split: split.String(), Figure: metric, Remarks: []string{}}
	c := s.Comparisons[a.Split][a.Figure]
	l := e.split(pairs, learned, split)
	_, a.Groups = denseGroups(estimator(a.Figure)(l).groups)
	a.MinimumDetectable, a.Headroom = rundir.None, map[string]rundir.Figure{}
	if before.cosines != nil {
		if se := gainError(e.split(pairs, before, split), l, a.Figure); se != 0 { // or nothing was learned
			a.MinimumDetectable = detectable * se
		}
		a.Headroom = headroom(s.Before[a.Split])
	}
	if metric != byNDCG { // without queries there is no search
		scores, passage, err := passageScores(e.data, pairs, split)
		if err != nil {
			return err
		}
		if scores != nil {
			judgePassages(&passage, e.split(pairs, measured{cosines: scores}, split), a.Figure, c)
			a.PassageOnly = &passage
		}
	}
	for _, remarks := range [][]string{passageRemark(a), roomRemark(a), searchRemark(a, c, s.Comparisons[a.Split]["mrr"]), detectableRemark(a, c)} {
		a.Remarks = append(a.Remarks, remarks...)
	}
	s.Account = a
	return nil
}

// gainError is the standard error of a gain in a figure over resampled groups.
func gainError(before, after splitScores, figure string) rundir.Figure {
	b, a := estimator(figure)(before), estimator(figure)(after)
	gain := func(w []float64) float64 { return a.of(w) - b.of(w) }
	return rundir.Figure(bootstrap(b.groups, resamplesFor(len(b.groups)), bootstrapSeed, gain).se)
}

// headroom is what the figures lack, untrained, to their best value, 1.
func headroom(m rundir.Metrics) map[string]rundir.Figure {
	out := map[string]rundir.Figure{}
	for name, value := range map[string]rundir.Figure{
		byROCAUC: m.ROCAUC, bySpearman: m.Spearman,
		"recall_at_10": m.RecallAt10, byNDCG: m.NDCGAt10,
	} {
		if value.Known() {
			out[name] = 1 - value
		}
	}
	return out
}

// judgePassages scores what the passages alone predict. They explain most of the
// labels where they get more than half as far above chance as the better of the
// embeddings and the result, and not by chance.
func judgePassages(p *rundir.PassageOnly, s splitScores, figure string, c rundir.Comparison) {
	if figure == byROCAUC {
		p.Chance = 0.5
	}
	its := estimator(figure)(s)
	i := bootstrap(its.groups, resamplesFor(len(its.groups)), bootstrapSeed, its.of)
	p.Value, p.Interval = rundir.Figure(its.of(nil)), i.bounds()
	best := c.After
	if c.Before > best {
		best = c.Before
	}
	p.Most = p.Interval.Low > p.Chance && p.Value-p.Chance > (best-p.Chance)/2
}

func passageRemark(a *rundir.Account) []string {
	p := a.PassageOnly
	if p == nil || !p.Most {
		return nil
	}
	remark := fmt.Sprintf("The right texts alone, without the left ones, reach a %s of %.3f: most of the labels can be told without comparing anything.", figureNames[a.Figure], p.Value)
	if a.Figure == byROCAUC {
		remark += " Negatives that are right answers elsewhere would be a fairer test."
	}
	return []string{remark}
}

func roomRemark(a *rundir.Account) (remarks []string) {
	if room, ok := a.Headroom[a.Figure]; ok && room <= littleRoom {
		remarks = append(remarks, fmt.Sprintf("Little room: %s is already %.3f untrained.", figureNames[a.Figure], 1-room))
	}
	if room, ok := a.Headroom["recall_at_10"]; ok && room <= littleRoom {
		remarks = append(remarks, fmt.Sprintf("Little room in search: recall@10 is already %.1f %% untrained.", 100*(1-room)))
	}
	return remarks
}

// lostSearch is a fall in MRR that is worth a word.
const lostSearch = 0.005

// searchRemark says that a search got worse, and not by chance, where the pairs gained,
// unless a search is what judged. mrr is zero where it is not known.
func searchRemark(a *rundir.Account, c, mrr rundir.Comparison) []string {
	if a.Figure == byNDCG || !(c.Gain > 0) || !(-mrr.Gain > lostSearch) || !(mrr.GainInterval.High < 0) {
		return nil
	}
	return []string{fmt.Sprintf("Search got worse: MRR went from %.3f to %.3f, 95 %% interval of the change %+.3f to %+.3f.", mrr.Before, mrr.After, mrr.GainInterval.Low, mrr.GainInterval.High)}
}

// detectableRemark says what could not have been seen, where nothing was.
func detectableRemark(a *rundir.Account, c rundir.Comparison) []string {
	if !a.MinimumDetectable.Known() || c.Gain != 0 && !(c.GainInterval.Low <= 0 && c.GainInterval.High >= 0) {
		return nil
	}
	return []string{fmt.Sprintf("A gain in %s below %.3f would not be seen with these %d groups.", figureNames[a.Figure], math.Ceil(1000*float64(a.MinimumDetectable))/1000, a.Groups)}
}
