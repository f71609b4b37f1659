package trainer

import (
	"cmp"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

// metricsGolden is testdata/metrics.json, which testdata/metrics.py writes with scikit-learn, scipy and numpy.
type metricsGolden struct {
	Rankings []struct {
		Name           string
		Cosines        []float32
		Positive       []bool
		Weights        []float64
		Groups         []int32
		ROCAUC         *float64 `json:"roc_auc"`
		WeightedROCAUC *float64 `json:"weighted_roc_auc"`
		AP             *float64 `json:"average_precision"`
		Threshold      float64
		Accuracy       *float64
		Precision      *float64
		Recall         *float64
		F1             *float64
		BestAccuracy   *float64 `json:"best_accuracy"`
		AccuracySE     *float64 `json:"accuracy_se"`
	}
	Correlations []struct {
		Name              string
		X, Y              []float32
		Pearson, Spearman *float64
	}
	Retrievals []struct {
		Similarities []float32
		Relevant     []int32
		TieOrder     []int32 `json:"tie_order"`
		Ranks        []int
		MRR          *float64
		RecallAt1    *float64 `json:"recall_at_1"`
		RecallAt10   *float64 `json:"recall_at_10"`
		NDCGAt10     *float64 `json:"ndcg_at_10"`
	}
	Percentiles []struct {
		Sorted        []float64
		Low, High, SE *float64
	}
}

func readMetricsGolden(t *testing.T) metricsGolden {
	t.Helper()
	content, err := os.ReadFile("testdata/metrics.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden metricsGolden
	if err := json.Unmarshal(content, &golden); err != nil {
		t.Fatal(err)
	}
	return golden
}

// checkFigure compares a figure with the golden's to 1e-9; a want of nil stands for NaN.
func checkFigure(t *testing.T, name string, got float64, want *float64) {
	t.Helper()
	if want == nil {
		if !math.IsNaN(got) {
			t.Errorf("%s = %v, want NaN", name, got)
		}
		return
	}
	if !(math.Abs(got-*want) <= 1e-9) {
		t.Errorf("%s = %v, want %v", name, got, *want)
	}
}

func TestRankingAgainstScikitLearn(t *testing.T) {
	golden := readMetricsGolden(t)
	if len(golden.Rankings) == 0 {
		t.Fatal("the golden holds no rankings")
	}
	for _, g := range golden.Rankings {
		t.Run(g.Name, func(t *testing.T) {
			r := newRanking(g.Cosines, g.Positive)
			checkFigure(t, "rocAUC", r.rocAUC(nil), g.ROCAUC)
			checkFigure(t, "weighted rocAUC", r.rocAUC(g.Weights), g.WeightedROCAUC)
			checkFigure(t, "averagePrecision", r.averagePrecision(), g.AP)

			c := r.confusionAt(g.Threshold)
			checkFigure(t, "accuracy", c.accuracy(), g.Accuracy)
			checkFigure(t, "precision", c.precision(), g.Precision)
			checkFigure(t, "recall", c.recall(), g.Recall)
			checkFigure(t, "f1", c.f1(), g.F1)

			threshold, best := r.bestThreshold()
			checkFigure(t, "best accuracy", best, g.BestAccuracy)
			checkFigure(t, "accuracy by the rule at the best threshold", accuracyByRule(g.Cosines, g.Positive, threshold), g.BestAccuracy)
			checkFigure(t, "accuracySE", accuracySE(correctByRule(g.Cosines, g.Positive, g.Threshold), g.Groups), g.AccuracySE)
		})
	}
}

func correctByRule(cosines []float32, positive []bool, threshold float64) []bool {
	correct := make([]bool, len(cosines))
	for i, cosine := range cosines {
		correct[i] = (float64(cosine) > threshold) == positive[i]
	}
	return correct
}

func accuracyByRule(cosines []float32, positive []bool, threshold float64) float64 {
	right := 0
	for _, correct := range correctByRule(cosines, positive, threshold) {
		if correct {
			right++
		}
	}
	return float64(right) / float64(len(cosines))
}

func TestBestThreshold(t *testing.T) {
	next := math.Nextafter32
	tests := []struct {
		name                string
		cosines             []float32
		positive            []bool
		threshold, accuracy float64
	}{
		{"between the classes", []float32{0.25, 0.75}, []bool{false, true}, 0.5, 1},
		{"none is similar", []float32{0.25, 0.75}, []bool{false, false}, 0.75, 1},
		{"all are similar", []float32{0.25, 0.75}, []bool{true, true}, 0.25 - 1e-6, 1},
		{"the higher of two equally good", []float32{0.75, 0.5, 0.25}, []bool{true, false, true}, 0.625, 2.0 / 3},
		{"none before a balanced tie", []float32{0.5, 0.5}, []bool{true, false}, 0.5, 0.5},
		{"above a balanced tie", []float32{1, 0.5, 0.5, 0}, []bool{true, true, false, false}, 0.75, 0.75},
		{
			"neighbours in float32", []float32{next(0.5, 1), 0.5}, []bool{true, false},
			0.5 + math.Ldexp(1, -25), 1,
		},
		{"neighbours of zero", []float32{next(0, 1), 0}, []bool{true, false}, math.Ldexp(1, -150), 1},
		{"far apart in size", []float32{1, -1e-30}, []bool{true, false}, 0.5, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			threshold, accuracy := newRanking(test.cosines, test.positive).bestThreshold()
			if threshold != test.threshold || accuracy != test.accuracy {
				t.Errorf("got %v at %v, want %v at %v", accuracy, threshold, test.accuracy, test.threshold)
			}
		})
	}
}

// Every threshold that a ranking offers must call exactly the pairs above it similar, however close the cosines.
func TestThresholdsSeparate(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 0))
	for range 200 {
		low := math.Float32frombits(random.Uint32N(0x3f80_0000)) // 0 ≤ low < 1
		if random.IntN(2) == 0 {
			low = -low
		}
		high := math.Nextafter32(low, 2)
		r := newRanking([]float32{high, low}, []bool{true, false})
		if threshold, accuracy := r.bestThreshold(); accuracy != 1 || !(float64(high) > threshold) || float64(low) > threshold {
			t.Errorf("threshold %v, accuracy %v for cosines %v and %v", threshold, accuracy, high, low)
		}
	}
}

func TestConfusionAt(t *testing.T) {
	r := newRanking([]float32{0.5, 0.25, 0.5, -1, 0.25}, []bool{true, true, false, false, true})
	tests := []struct {
		threshold float64
		want      confusion
	}{
		{1, confusion{tp: 0, fp: 0, tn: 2, fn: 3}},
		{0.5, confusion{tp: 0, fp: 0, tn: 2, fn: 3}},
		{0.3, confusion{tp: 1, fp: 1, tn: 1, fn: 2}},
		{0.25, confusion{tp: 1, fp: 1, tn: 1, fn: 2}},
		{-1, confusion{tp: 3, fp: 1, tn: 1, fn: 0}},
		{-2, confusion{tp: 3, fp: 2, tn: 0, fn: 0}},
		{math.NaN(), confusion{tp: 0, fp: 0, tn: 2, fn: 3}},
	}
	for _, test := range tests {
		if got := r.confusionAt(test.threshold); got != test.want {
			t.Errorf("confusionAt(%v) = %+v, want %+v", test.threshold, got, test.want)
		}
	}
}

func TestRankingWithoutPairs(t *testing.T) {
	r := newRanking(nil, nil)
	checkFigure(t, "rocAUC", r.rocAUC(nil), nil)
	checkFigure(t, "averagePrecision", r.averagePrecision(), nil)
	threshold, accuracy := r.bestThreshold()
	checkFigure(t, "threshold", threshold, nil)
	checkFigure(t, "best accuracy", accuracy, nil)
	checkFigure(t, "accuracySE", accuracySE(nil, nil), nil)
	if c := r.confusionAt(0); c != (confusion{}) || c.accuracy() != 0 || c.f1() != 0 {
		t.Errorf("confusionAt = %+v, accuracy %v, f1 %v, want zeros", c, c.accuracy(), c.f1())
	}
}

func TestRankingReportsNaN(t *testing.T) {
	nan := float32(math.NaN())
	for _, cosines := range [][]float32{{nan, 0.5, 0.25}, {0.5, -nan, 0.25}, {nan, nan, nan}} {
		r := newRanking(cosines, []bool{true, false, true})
		checkFigure(t, "rocAUC", r.rocAUC(nil), nil)
		checkFigure(t, "averagePrecision", r.averagePrecision(), nil)
		threshold, accuracy := r.bestThreshold()
		checkFigure(t, "threshold", threshold, nil)
		checkFigure(t, "best accuracy", accuracy, nil)
		want := accuracyByRule(cosines, []bool{true, false, true}, 0.3)
		checkFigure(t, "accuracy", r.confusionAt(0.3).accuracy(), &want)
	}
}

// With groups of one pair the clustered standard error is the binomial one.
func TestAccuracySEOfGroupsOfOne(t *testing.T) {
	correct, groups := make([]bool, 50), make([]int32, 50)
	for i := range correct {
		correct[i], groups[i] = i%5 != 0, int32(i*i)
	}
	want := math.Sqrt(0.8 * 0.2 / 49)
	checkFigure(t, "accuracySE", accuracySE(correct, groups), &want)
	checkFigure(t, "accuracySE of one group", accuracySE(correct, make([]int32, 50)), nil)
}

// Pairs that are copies of each other say no more than one of them.
func TestAccuracySEIgnoresCopies(t *testing.T) {
	correct, groups := []bool{true, false, true, true}, []int32{7, 3, 9, 1}
	want := accuracySE(correct, groups)
	var copies []bool
	var copiesGroups []int32
	for range 10 {
		copies, copiesGroups = append(copies, correct...), append(copiesGroups, groups...)
	}
	checkFigure(t, "accuracySE of tenfold pairs", accuracySE(copies, copiesGroups), &want)
}

func TestDescendingOrder(t *testing.T) {
	nan, infinity := float32(math.NaN()), float32(math.Inf(1))
	values := []float32{
		float32(math.Copysign(0, -1)), nan, 0, -infinity, 1, -1, -math.SmallestNonzeroFloat32, float32(math.Copysign(0, -1)),
		math.SmallestNonzeroFloat32, -nan, infinity, 1, -0.5, math.MaxFloat32, -math.MaxFloat32,
	}
	want := make([]int32, len(values))
	for i := range want {
		want[i] = int32(i)
	}
	slices.SortStableFunc(want, func(i, j int32) int { return cmp.Compare(values[j], values[i]) })
	if got := descendingOrder(values); !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
}

func TestROCAUCAllocatesNothing(t *testing.T) {
	cosines, positive := randomPairs(1000)
	r, weights := newRanking(cosines, positive), make([]float64, 1000)
	for i := range weights {
		weights[i] = float64(i % 3)
	}
	if allocations := testing.AllocsPerRun(10, func() { r.rocAUC(weights) }); allocations != 0 {
		t.Errorf("rocAUC allocates %v times, want 0", allocations)
	}
}

func randomPairs(n int) ([]float32, []bool) {
	random := rand.New(rand.NewPCG(1, 0))
	cosines, positive := make([]float32, n), make([]bool, n)
	for i := range cosines {
		cosines[i] = 2*random.Float32() - 1
		positive[i] = random.Float32() < 0.5+0.4*cosines[i]
	}
	return cosines, positive
}

func BenchmarkRanking(b *testing.B) {
	cosines, positive := randomPairs(1_000_000)
	r, weights := newRanking(cosines, positive), make([]float64, len(cosines))
	for i := range weights {
		weights[i] = float64(i % 3)
	}
	b.Run("newRanking", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			newRanking(cosines, positive)
		}
	})
	b.Run("rocAUC", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.rocAUC(weights)
		}
	})
}
