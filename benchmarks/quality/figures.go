package main

import (
	"math"
	"slices"
)

// A scored list is the cosines of pairs, ready for figures under weights.
type scored struct {
	cosines   []float32
	labels    []float32
	groups    []int32
	order     []int32 // by rising cosine
	graded    bool
	cosRanks  []float64 // graded: average ranks
	labRanks  []float64
	threshold float64 // NaN where there is none
}

// newScored looks at cosines of pairs with labels in 0..1. threshold decides
// accuracy, which graded labels do not have.
func newScored(cosines []float32, pairs list, graded bool, threshold float64) *scored {
	s := &scored{cosines: cosines, labels: pairs.Labels, groups: pairs.Groups, graded: graded, threshold: threshold}
	s.order = ascending(cosines)
	if graded {
		s.cosRanks, s.labRanks = averageRanks(cosines, s.order), averageRanks(pairs.Labels, ascending(pairs.Labels))
	}
	return s
}

func ascending(values []float32) []int32 {
	order := make([]int32, len(values))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		switch {
		case values[a] < values[b]:
			return -1
		case values[a] > values[b]:
			return 1
		}
		return int(a - b)
	})
	return order
}

// averageRanks gives equal values the mean of their ranks.
func averageRanks(values []float32, order []int32) []float64 {
	ranks := make([]float64, len(values))
	for start := 0; start < len(order); {
		end := start + 1
		for end < len(order) && values[order[end]] == values[order[start]] {
			end++
		}
		for _, i := range order[start:end] {
			ranks[i] = float64(start+end-1) / 2
		}
		start = end
	}
	return ranks
}

func similar(label float32) bool { return label >= 0.5 }

// primary is the figure that decides: Spearman's correlation of graded labels,
// else ROC AUC. weights, one a pair, may be nil.
func (s *scored) primary(weights []float64) float64 {
	if s.graded {
		return s.spearman(weights)
	}
	return s.rocAUC(weights)
}

func weight(weights []float64, i int32) float64 {
	if weights == nil {
		return 1
	}
	return weights[i]
}

// rocAUC is the chance that a similar pair has a higher cosine than a
// dissimilar one, equal ones counting half.
func (s *scored) rocAUC(weights []float64) float64 {
	var area, below, similarAll float64 // below: weight of dissimilar pairs with lower cosines
	for start := 0; start < len(s.order); {
		end, dissimilarHere, similarHere := start, 0.0, 0.0
		for ; end < len(s.order) && s.cosines[s.order[end]] == s.cosines[s.order[start]]; end++ {
			i := s.order[end]
			if w := weight(weights, i); similar(s.labels[i]) {
				similarHere += w
			} else {
				dissimilarHere += w
			}
		}
		area += similarHere * (below + dissimilarHere/2)
		below += dissimilarHere
		similarAll += similarHere
		start = end
	}
	return area / (below * similarAll)
}

// spearman is the correlation of the ranks that pairs have in the whole list. It
// is written independently of trainer's rankCorrelation on purpose: the study
// judges cosfit by figures of its own.
func (s *scored) spearman(weights []float64) float64 {
	var n, sx, sy, sxx, syy, sxy float64
	middle := float64(len(s.order)-1) / 2
	for i := range s.cosRanks {
		w, x, y := weight(weights, int32(i)), s.cosRanks[i]-middle, s.labRanks[i]-middle
		n += w
		sx += w * x
		sy += w * y
		sxx += w * x * x
		syy += w * y * y
		sxy += w * x * y
	}
	return (sxy - sx*sy/n) / math.Sqrt((sxx-sx*sx/n)*(syy-sy*sy/n))
}

// accuracy of the rule "similar if the cosine exceeds the threshold".
func (s *scored) accuracy(weights []float64) float64 {
	var right, all float64
	for i, c := range s.cosines {
		w := weight(weights, int32(i))
		all += w
		if (float64(c) > s.threshold) == similar(s.labels[i]) {
			right += w
		}
	}
	return right / all
}

// mrr is the mean over groups of one over the rank of the first similar pair
// among the group's own pairs; groups without both kinds do not count.
func (s *scored) mrr() float64 {
	best, ahead, both := map[int32]float32{}, map[int32]int{}, map[int32]bool{}
	for i, g := range s.groups {
		if b, ok := best[g]; similar(s.labels[i]) && (!ok || s.cosines[i] > b) {
			best[g] = s.cosines[i]
		}
	}
	for i, g := range s.groups {
		if b, ok := best[g]; ok && !similar(s.labels[i]) {
			both[g] = true
			if s.cosines[i] >= b {
				ahead[g]++
			}
		}
	}
	sum := 0.0
	for g := range both {
		sum += 1 / float64(1+ahead[g])
	}
	return sum / float64(len(both))
}

// bestThreshold is the one of the highest accuracy on some pairs, in the middle
// between two cosines; NaN where there are no pairs.
func bestThreshold(cosines, labels []float32) float64 {
	if len(cosines) == 0 {
		return math.NaN()
	}
	order := ascending(cosines)
	right := 0 // under a threshold below all cosines
	for _, y := range labels {
		if similar(y) {
			right++
		}
	}
	most, threshold := right, float64(cosines[order[0]])-1e-6
	for at, i := range order {
		if similar(labels[i]) {
			right--
		} else {
			right++
		}
		last := at == len(order)-1
		if !last && cosines[order[at+1]] == cosines[i] || right <= most {
			continue
		}
		most, threshold = right, float64(cosines[i])+1e-6
		if !last {
			threshold = (float64(cosines[i]) + float64(cosines[order[at+1]])) / 2
		}
	}
	return threshold
}

// Figures of a list of pairs. What there is none of is left out.
type Figures struct {
	Pairs    int     `json:"pairs"`
	ROCAUC   float64 `json:"roc_auc,omitempty"`
	Accuracy float64 `json:"accuracy,omitempty"`
	MRR      float64 `json:"mrr,omitempty"` // among the candidates of the query's own pairs
	Spearman float64 `json:"spearman,omitempty"`
}

func (s *scored) figures() Figures {
	if s.graded {
		return Figures{Pairs: len(s.cosines), Spearman: s.spearman(nil)}
	}
	f := Figures{Pairs: len(s.cosines), ROCAUC: s.rocAUC(nil), MRR: s.mrr()}
	if !math.IsNaN(s.threshold) {
		f.Accuracy = s.accuracy(nil)
	}
	return f
}

// primary is the figure that decides.
func (f Figures) primary(graded bool) float64 {
	if graded {
		return f.Spearman
	}
	return f.ROCAUC
}
