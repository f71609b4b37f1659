package trainer

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestRetrievalAgainstGolden(t *testing.T) {
	golden := readMetricsGolden(t)
	if len(golden.Retrievals) == 0 {
		t.Fatal("the golden holds no retrievals")
	}
	var all retrieval
	var wantMRR, wantAt1, wantAt10, wantNDCG float64
	n := float64(len(golden.Retrievals))
	for i, g := range golden.Retrievals {
		ranks := retrievalRanks(g.Similarities, g.Relevant, g.TieOrder)
		if !slices.Equal(ranks, g.Ranks) {
			t.Errorf("query %d: ranks %v, want %v", i, ranks, g.Ranks)
		}
		var one retrieval
		one.add(ranks)
		queries, mrr, at1, at10, ndcg := one.figures()
		if queries != 1 {
			t.Errorf("query %d: %d queries, want 1", i, queries)
		}
		checkFigure(t, "mrr", mrr, g.MRR)
		checkFigure(t, "recall@1", at1, g.RecallAt1)
		checkFigure(t, "recall@10", at10, g.RecallAt10)
		checkFigure(t, "nDCG@10", ndcg, g.NDCGAt10)

		all.add(ranks)
		wantMRR += *g.MRR / n
		wantAt1 += *g.RecallAt1 / n
		wantAt10 += *g.RecallAt10 / n
		wantNDCG += *g.NDCGAt10 / n
	}
	queries, mrr, at1, at10, ndcg := all.figures()
	if queries != len(golden.Retrievals) {
		t.Errorf("%d queries, want %d", queries, len(golden.Retrievals))
	}
	checkFigure(t, "mean mrr", mrr, &wantMRR)
	checkFigure(t, "mean recall@1", at1, &wantAt1)
	checkFigure(t, "mean recall@10", at10, &wantAt10)
	checkFigure(t, "mean nDCG@10", ndcg, &wantNDCG)
}

// retrievalRanks ranks passages that come in two parts, cut anywhere.
func retrievalRanks(similarities []float32, relevant []int32, tieOrder []int32) []int {
	var hits []hit
	for _, p := range relevant {
		hits = append(hits, hit{similarities[p], tieOrder[p]})
	}
	r := newRanker(hits)
	cut := len(similarities) * 3 / 7
	r.add(similarities[cut:], tieOrder[cut:])
	r.add(similarities[:cut], tieOrder[:cut])
	return r.ranks()
}

func TestRetrievalRanks(t *testing.T) {
	nan := float32(math.NaN())
	tests := []struct {
		name         string
		similarities []float32
		relevant     []int32
		tieOrder     []int32
		want         []int
	}{
		{"none relevant", []float32{1, 2}, nil, []int32{0, 1}, []int{}},
		{"ties by text id", []float32{0.5, 0.5, 0.5}, []int32{0}, []int32{2, 0, 1}, []int{3}},
		{"relevant out of order", []float32{0.1, 0.9, 0.5}, []int32{0, 1}, []int32{0, 1, 2}, []int{1, 3}},
		{"named twice", []float32{0.1, 0.9, 0.5}, []int32{2, 1, 2}, []int32{0, 1, 2}, []int{1, 2}},
		{"a NaN passage comes last", []float32{nan, 0.9, 0.5}, []int32{2}, []int32{0, 1, 2}, []int{2}},
		{"a NaN relevant passage", []float32{nan, 0.9, nan, 0.5}, []int32{2}, []int32{0, 1, 2, 3}, []int{4}},
		{"nothing but NaN", []float32{nan, nan, nan}, []int32{1, 0}, []int32{2, 1, 0}, []int{2, 3}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := retrievalRanks(test.similarities, test.relevant, test.tieOrder); !slices.Equal(got, test.want) {
				t.Errorf("ranks %v, want %v", got, test.want)
			}
		})
	}
}

// Counting must find what a full sort finds.
func TestRetrievalRanksAgainstSort(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 0))
	for range 200 {
		passages := 1 + random.IntN(60)
		similarities, tieOrder := make([]float32, passages), make([]int32, passages)
		order := make([]int, passages)
		for i, position := range random.Perm(passages) {
			similarities[i] = float32(random.IntN(9)-4) / 4
			tieOrder[i] = int32(position)
			order[i] = i
		}
		slices.SortFunc(order, func(p, q int) int {
			if similarities[p] != similarities[q] {
				return int(4*similarities[q] - 4*similarities[p])
			}
			return int(tieOrder[p] - tieOrder[q])
		})
		var relevant []int32
		var want []int
		for place, p := range order {
			if random.IntN(4) == 0 {
				relevant, want = append(relevant, int32(p)), append(want, place+1)
			}
		}
		random.Shuffle(len(relevant), func(i, j int) { relevant[i], relevant[j] = relevant[j], relevant[i] })
		if got := retrievalRanks(similarities, relevant, tieOrder); !slices.Equal(got, want) {
			t.Fatalf("ranks %v, want %v", got, want)
		}
	}
}

func TestRetrievalWithoutQueries(t *testing.T) {
	var r retrieval
	r.add(nil)
	queries, mrr, at1, at10, ndcg := r.figures()
	if queries != 0 {
		t.Errorf("%d queries, want 0", queries)
	}
	for name, figure := range map[string]float64{"mrr": mrr, "recall@1": at1, "recall@10": at10, "nDCG@10": ndcg} {
		checkFigure(t, name, figure, nil)
	}
}

func BenchmarkRetrievalRanks(b *testing.B) {
	random := rand.New(rand.NewPCG(2, 0))
	similarities, tieOrder := make([]float32, 100_000), make([]int32, 100_000)
	for i := range similarities {
		similarities[i], tieOrder[i] = 2*random.Float32()-1, int32(i)
	}
	for _, depth := range []struct {
		name       string
		similarity float32
	}{{"near the top", 0.99}, {"halfway down", 0}} {
		b.Run(depth.name, func(b *testing.B) {
			similarities[17] = depth.similarity
			for b.Loop() {
				retrievalRanks(similarities, []int32{17}, tieOrder)
			}
		})
	}
}
