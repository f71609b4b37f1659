package trainer

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// retrievalDepth is the k of recall@10 and nDCG@10.
const retrievalDepth = 10

// A ranker finds the 1-based ranks of one query's relevant passages among all passages, which it sees in any number
// of parts. A higher similarity ranks first, of equal ones the smaller tie order, which is the position of a passage's
// text id among the sorted ids; NaN ranks below every number.
//
// It counts the passages ahead of each relevant one instead of sorting them: O(passages) plus a binary search
// for each passage that is no worse than the last relevant one.
type ranker struct {
	relevant []hit // the best first, each once
	ahead    []int // passages between each and the relevant one before
}

// A hit is a passage that a query was compared with.
type hit struct {
	similarity float32
	order      int32
}

func (h hit) compare(other hit) int {
	if c := cmp.Compare(other.similarity, h.similarity); c != 0 {
		return c
	}
	return cmp.Compare(h.order, other.order)
}

// newRanker ranks the given passages, one named twice counting once.
func newRanker(relevant []hit) ranker {
	sorted := slices.Clone(relevant)
	slices.SortFunc(sorted, hit.compare)
	sorted = slices.CompactFunc(sorted, func(a, b hit) bool { return a.order == b.order })
	return ranker{sorted, make([]int, len(sorted))}
}

// add counts passages, the relevant ones among them. similarities is [n], the query's similarity to each, and
// orders [n] their tie orders.
func (r *ranker) add(similarities []float32, orders []int32) {
	if len(r.relevant) == 0 {
		return
	}
	highest, lowest := r.relevant[0].similarity, r.relevant[len(r.relevant)-1].similarity
	for p, similarity := range similarities {
		if similarity < lowest {
			continue
		}
		if similarity > highest {
			r.ahead[0]++
			continue
		}
		h := hit{similarity, orders[p]}
		next := sort.Search(len(r.relevant), func(i int) bool { return h.compare(r.relevant[i]) < 0 })
		if next < len(r.ahead) {
			r.ahead[next]++
		}
	}
}

// ranks returns the ranks, ascending.
func (r *ranker) ranks() []int {
	ranks := make([]int, len(r.ahead))
	rank := 1
	for i, n := range r.ahead {
		rank += n
		ranks[i] = rank
	}
	return ranks
}

// retrieval gathers the figures of a search over many queries. The zero value holds none.
type retrieval struct {
	queries                                     int
	reciprocalRank, foundAt1, foundAt10, ndcg10 float64 // sums over the queries
}

// add counts one query in by the ranks of its relevant passages, 1-based and ascending; a query without any has
// no figures and is left out.
func (r *retrieval) add(ranks []int) {
	if len(ranks) == 0 {
		return
	}
	r.queries++
	r.reciprocalRank += 1 / float64(ranks[0])
	r.foundAt1 += recallAt(1, ranks)
	r.foundAt10 += recallAt(retrievalDepth, ranks)
	r.ndcg10 += ndcgAt(retrievalDepth, ranks)
}

// figures returns the number of queries and the means over them; without a query the means are NaN.
//   - mrr: 1 / rank of the first relevant passage, however far down (Voorhees, The TREC-8 Question Answering
//     Track Report, 1999).
//   - recallAt1, recallAt10: the share of a query's relevant passages among the first k (Manning, Raghavan and
//     Schütze, Introduction to Information Retrieval, 2008, § 8.4); with several relevant ones recallAt1 stays
//     below 1.
//   - ndcgAt10: discounted gain over the best that could be had (Järvelin and Kekäläinen, ACM TOIS 20, 2002),
//     with the discount log2(1 + rank) of Burges et al., Learning to Rank using Gradient Descent, ICML 2005.
func (r *retrieval) figures() (queries int, mrr, recallAt1, recallAt10, ndcgAt10 float64) {
	n := float64(r.queries)
	return r.queries, r.reciprocalRank / n, r.foundAt1 / n, r.foundAt10 / n, r.ndcg10 / n
}

func recallAt(k int, ranks []int) float64 {
	return float64(foundWithin(k, ranks)) / float64(len(ranks))
}

// ndcgAt returns Σ 1/log2(1 + rank) over the ranks up to k, divided by the same sum for the ranks 1, 2, … that
// the relevant passages would have in the best order: gains are 0 or 1.
func ndcgAt(k int, ranks []int) float64 {
	var gain, ideal float64
	for _, rank := range ranks[:foundWithin(k, ranks)] {
		gain += 1 / math.Log2(float64(1+rank))
	}
	for rank := 1; rank <= min(k, len(ranks)); rank++ {
		ideal += 1 / math.Log2(float64(1+rank))
	}
	return gain / ideal
}

// foundWithin returns how many of the ascending ranks are at most k.
func foundWithin(k int, ranks []int) int {
	return sort.SearchInts(ranks, k+1)
}
