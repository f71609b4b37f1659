package trainer

import (
	"math"
	"slices"
	"sort"
)

// thresholdStep is how far below the lowest cosine the threshold lies that calls every pair similar: more than
// the rounding of a cosine in float32, less than any difference that matters.
const thresholdStep = 1e-6

// ranking holds labelled pairs from the highest cosine to the lowest, sorted once, so that every figure of
// classification is one walk over it. A cosine that is NaN comes last, is never called similar, and makes the
// figures that describe the whole order (rocAUC, averagePrecision, bestThreshold) NaN.
type ranking struct {
	order    []int32  // [pairs] the original index of the pair at each place
	positive []bool   // [pairs] whether the pair at each place is positive
	runs     []tieRun // the distinct cosines, highest first
	hasNaN   bool
}

// tieRun is one distinct cosine; the pairs that share it cannot be told apart by any threshold.
type tieRun struct {
	cosine float32
	end    int32 // pairs with this cosine or a higher one
	hits   int32 // positive pairs among them
}

// newRanking sorts pairs by cosine; cosines and positive run in parallel, [pairs], and neither is kept.
func newRanking(cosines []float32, positive []bool) *ranking {
	r := &ranking{
		order:    descendingOrder(cosines),
		positive: make([]bool, len(cosines)),
		runs:     make([]tieRun, 0, len(cosines)),
	}
	var hits int32
	for place, pair := range r.order {
		r.positive[place] = positive[pair]
		if positive[pair] {
			hits++
		}
		cosine, last := cosines[pair], len(r.runs)-1
		current := tieRun{cosine: cosine, end: int32(place + 1), hits: hits}
		if last >= 0 && r.runs[last].cosine == cosine {
			r.runs[last] = current
			continue
		}
		r.runs = append(r.runs, current)
	}
	if last := len(r.runs) - 1; last >= 0 {
		r.hasNaN = math.IsNaN(float64(r.runs[last].cosine))
	}
	return r
}

// rocAUC returns the area under the ROC curve: the probability that a positive pair has a higher cosine than a
// negative one, a tie counting half (the Mann-Whitney form: Hanley and McNeil, Radiology 143, 1982). weights
// gives each pair's weight by its original index, [pairs], none negative; nil stands for 1 each. The area is NaN
// when a class has no weight. It allocates nothing, so that a bootstrap can call it often.
func (r *ranking) rocAUC(weights []float64) float64 {
	if r.hasNaN {
		return math.NaN()
	}
	var above, negatives, area float64 // above: weight of the positives passed so far
	var place int32
	for _, run := range r.runs {
		var tiedPositives, tiedNegatives float64
		for ; place < run.end; place++ {
			weight := 1.0
			if weights != nil {
				weight = weights[r.order[place]]
			}
			if r.positive[place] {
				tiedPositives += weight
			} else {
				tiedNegatives += weight
			}
		}
		area += tiedNegatives * (above + tiedPositives/2)
		above += tiedPositives
		negatives += tiedNegatives
	}
	if above == 0 || negatives == 0 {
		return math.NaN()
	}
	return area / (above * negatives)
}

// averagePrecision returns Σ (R_n − R_{n−1})·P_n over the distinct cosines taken as thresholds from the highest
// down, with P_n and R_n the precision and recall at the n-th: the area under the precision-recall curve without
// interpolation, as scikit-learn defines it. It is NaN when no pair is positive.
func (r *ranking) averagePrecision() float64 {
	positives := r.positives()
	if positives == 0 || r.hasNaN {
		return math.NaN()
	}
	var sum float64
	var hitsBefore int32
	for _, run := range r.runs {
		precision := float64(run.hits) / float64(run.end)
		sum += float64(run.hits-hitsBefore) * precision
		hitsBefore = run.hits
	}
	return sum / float64(positives)
}

// bestThreshold returns the threshold at which the rule "similar if cosine > threshold" is right most often, and
// that accuracy. The candidates are the highest cosine (no pair is similar), the midpoints between neighbouring
// distinct cosines, and thresholdStep below the lowest cosine (every pair is similar). Of candidates that are
// equally good the highest wins. Both results are NaN for an empty ranking.
func (r *ranking) bestThreshold() (threshold, accuracy float64) {
	if len(r.runs) == 0 || r.hasNaN {
		return math.NaN(), math.NaN()
	}
	pairs := int32(len(r.order))
	negatives := pairs - int32(r.positives())
	best, bestCorrect := -1, negatives // -1: the threshold above the first run
	for i, run := range r.runs {
		falsePositives := run.end - run.hits
		if correct := run.hits + negatives - falsePositives; correct > bestCorrect {
			best, bestCorrect = i, correct
		}
	}
	return r.thresholdBelow(best), float64(bestCorrect) / float64(pairs)
}

// thresholdBelow returns the threshold that calls the runs up to and including number i similar, and no other.
// Two distinct float32 differ by many steps of float64, so the midpoint lies strictly between them there.
func (r *ranking) thresholdBelow(i int) float64 {
	if i < 0 {
		return float64(r.runs[0].cosine)
	}
	if i == len(r.runs)-1 {
		return float64(r.runs[i].cosine) - thresholdStep
	}
	return (float64(r.runs[i].cosine) + float64(r.runs[i+1].cosine)) / 2
}

// confusionAt counts the pairs by label and by the rule "similar if cosine > threshold", compared in float64.
func (r *ranking) confusionAt(threshold float64) confusion {
	similarRuns := sort.Search(len(r.runs), func(i int) bool {
		return !(float64(r.runs[i].cosine) > threshold) // so written, NaN is not similar
	})
	var c confusion
	if similarRuns > 0 {
		run := r.runs[similarRuns-1]
		c.tp, c.fp = int(run.hits), int(run.end-run.hits)
	}
	c.fn = r.positives() - c.tp
	c.tn = len(r.order) - c.tp - c.fp - c.fn
	return c
}

// positives returns how many pairs are positive.
func (r *ranking) positives() int {
	if len(r.runs) == 0 {
		return 0
	}
	return int(r.runs[len(r.runs)-1].hits)
}

// confusion counts pairs: called similar and positive (tp), called similar and negative (fp), called dissimilar
// and negative (tn), called dissimilar and positive (fn). A figure whose denominator is 0 is 0.
type confusion struct {
	tp, fp, tn, fn int
}

func (c confusion) accuracy() float64  { return shareOf(c.tp+c.tn, c.tp+c.fp+c.tn+c.fn) }
func (c confusion) precision() float64 { return shareOf(c.tp, c.tp+c.fp) }
func (c confusion) recall() float64    { return shareOf(c.tp, c.tp+c.fn) }

// f1 is the harmonic mean of precision and recall.
func (c confusion) f1() float64 { return shareOf(2*c.tp, 2*c.tp+c.fp+c.fn) }

func shareOf(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// accuracySE returns the standard error of the share of correct pairs a = Σ c_g / n, where the pairs of a group
// are right or wrong together: with c_g of the n_g pairs of group g correct and G groups,
//
//	sqrt(G/(G−1) · Σ_g (c_g − a·n_g)²) / n
//
// the linearised ratio estimator (Cochran, Sampling Techniques, 3rd edition, 1977, § 3.12). With groups of one
// pair it is the binomial sqrt(a(1−a)/(n−1)). correct and groups run in parallel, [pairs]; group numbers may be
// sparse. It is NaN for fewer than two groups, which say nothing about how groups differ.
func accuracySE(correct []bool, groups []int32) float64 {
	group, count := denseGroups(groups)
	if count < 2 {
		return math.NaN()
	}
	hits, sizes := make([]int, count), make([]int, count)
	total := 0
	for pair, right := range correct {
		sizes[group[pair]]++
		if right {
			hits[group[pair]]++
			total++
		}
	}
	accuracy := float64(total) / float64(len(correct))
	var squares float64
	for g := range hits {
		deviation := float64(hits[g]) - accuracy*float64(sizes[g])
		squares += deviation * deviation
	}
	return math.Sqrt(float64(count)/float64(count-1)*squares) / float64(len(correct))
}

// descendingOrder returns the indices of values from the highest value to the lowest, equal values by index and
// NaN at the end. It sorts plain integers, the value's rank above the index, which takes a third of the time of
// sorting indices by a comparison function.
func descendingOrder(values []float32) []int32 {
	keys := make([]uint64, len(values))
	for i, value := range values {
		keys[i] = uint64(descendingKey(value))<<32 | uint64(i)
	}
	slices.Sort(keys)
	order := make([]int32, len(keys))
	for place, key := range keys {
		order[place] = int32(uint32(key))
	}
	return order
}

// descendingKey maps a value to an integer that is smaller the larger the value is, and largest for NaN.
func descendingKey(value float32) uint32 {
	const sign = 1 << 31
	if value != value {
		return math.MaxUint32
	}
	if value == 0 {
		return sign - 1 // −0 and +0 are one value
	}
	bits := math.Float32bits(value)
	if bits&sign != 0 {
		return bits
	}
	return ^bits &^ sign
}
