package trainer

import (
	"math"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
)

// weightedMean is the statistic whose sampling distribution is known.
func weightedMean(values []float64) func(weights []float64) float64 {
	return func(weights []float64) float64 {
		var sum, total float64
		for i, weight := range weights {
			sum += weight * values[i]
			total += weight
		}
		return sum / total
	}
}

// groupedValues draws groups of equal size whose values share the effect of their group; their mean is 0.
func groupedValues(random *rand.Rand, count, size int) (values []float64, groups []int32) {
	for g := range count {
		effect := random.NormFloat64()
		for range size {
			values = append(values, effect+random.NormFloat64()/4)
			groups = append(groups, int32(g*37-100))
		}
	}
	return values, groups
}

// For groups of equal size the bootstrap's standard error of the mean tends to sqrt(Σ (m_g − m)²)/G, with m_g the
// means of the groups and m theirs (Efron and Tibshirani, chapter 5).
func TestBootstrapSEAgainstAnalytic(t *testing.T) {
	const count, size = 40, 5
	values, groups := groupedValues(rand.New(rand.NewPCG(11, 0)), count, size)
	mean := meanOf(values)
	var squares float64
	for g := range count {
		deviation := meanOf(values[g*size:(g+1)*size]) - mean
		squares += deviation * deviation
	}
	want := math.Sqrt(squares) / count

	got := bootstrap(groups, 20_000, 1, weightedMean(values))
	if math.Abs(got.se/want-1) > 0.02 { // four times the Monte Carlo error, 1/sqrt(2·20,000)
		t.Errorf("se = %v, want %v within 2 %%", got.se, want)
	}
	// 1.96 standard errors either side, but for the skewness of 40 groups
	for _, bound := range []struct{ got, want float64 }{{got.low, mean - 1.96*want}, {got.high, mean + 1.96*want}} {
		if math.Abs(bound.got-bound.want) > 0.15*want {
			t.Errorf("bound %v, want %v within 15 %% of a standard error", bound.got, bound.want)
		}
	}
}

// Resampling pairs instead of groups would cover the true mean in under two thirds of these samples.
func TestBootstrapCoverage(t *testing.T) {
	const samples = 400
	random := rand.New(rand.NewPCG(12, 0))
	covered := 0
	for sample := range samples {
		values, groups := groupedValues(random, 40, 5)
		if got := bootstrap(groups, 400, uint64(sample), weightedMean(values)); got.low <= 0 && 0 <= got.high {
			covered++
		}
	}
	if share := float64(covered) / samples; share < 0.90 || share > 0.98 {
		t.Errorf("%.1f %% of the intervals cover the true mean, want about 95 %%", 100*share)
	}
}

// accuracySE and the bootstrap estimate the same thing in different ways.
func TestBootstrapAgreesWithAccuracySE(t *testing.T) {
	random := rand.New(rand.NewPCG(13, 0))
	var correct []bool
	var groups []int32
	var values []float64
	for g := range 300 {
		easy := random.Float64()
		for range 1 + random.IntN(6) {
			right := random.Float64() < easy
			correct, groups = append(correct, right), append(groups, int32(g))
			values = append(values, map[bool]float64{true: 1}[right])
		}
	}
	want, got := accuracySE(correct, groups), bootstrap(groups, 4000, 1, weightedMean(values)).se
	if math.Abs(got/want-1) > 0.06 {
		t.Errorf("bootstrap se = %v, accuracySE = %v, want them within 6 %%", got, want)
	}
}

// Every weight must be the multiplicity of the pair's group: whole, alike within a group, G drawn in all.
func TestBootstrapWeights(t *testing.T) {
	groups := []int32{5, -9, 5, 1 << 30, -9, 5}
	bootstrap(groups, 200, 4, func(weights []float64) float64 {
		if weights[0] != weights[2] || weights[0] != weights[5] || weights[1] != weights[4] {
			t.Errorf("weights %v differ within a group", weights)
		}
		if drawn := weights[0] + weights[1] + weights[3]; drawn != 3 {
			t.Errorf("weights %v are of %v draws, want 3", weights, drawn)
		}
		return 0
	})
}

func TestBootstrapIsDeterministic(t *testing.T) {
	cosines, positive := randomPairs(300)
	groups := make([]int32, len(cosines))
	for i := range groups {
		groups[i] = int32(i / 7 * 11)
	}
	r := newRanking(cosines, positive)
	first := bootstrap(groups, 100, 42, r.rocAUC)
	for _, threads := range []int{1, 2, 7} {
		before := runtime.GOMAXPROCS(threads)
		again := bootstrap(groups, 100, 42, r.rocAUC)
		runtime.GOMAXPROCS(before)
		if again != first {
			t.Errorf("the same seed gives %+v and on %d threads %+v", first, threads, again)
		}
	}
	if other := bootstrap(groups, 100, 43, r.rocAUC); other == first {
		t.Errorf("two seeds give the same %+v", other)
	}
	if auc := r.rocAUC(nil); !(first.low < auc && auc < first.high && first.se > 0) {
		t.Errorf("%+v does not hold the ROC AUC %v", first, auc)
	}
}

func TestBootstrapUndefined(t *testing.T) {
	one := func([]float64) float64 { return 1 }
	isNaN := func(i interval) bool { return math.IsNaN(i.low) && math.IsNaN(i.high) && math.IsNaN(i.se) }
	tests := []struct {
		name      string
		groups    []int32
		resamples int
		statistic func([]float64) float64
	}{
		{"no pairs", nil, 10, one},
		{"one group", []int32{4, 4, 4}, 10, one},
		{"no resamples", []int32{1, 2}, 0, one},
		{"one resample", []int32{1, 2}, 1, one},
		{"always NaN", []int32{1, 2}, 10, func([]float64) float64 { return math.NaN() }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := bootstrap(test.groups, test.resamples, 1, test.statistic); !isNaN(got) {
				t.Errorf("got %+v, want NaN", got)
			}
		})
	}
}

func TestBootstrapSkipsNaN(t *testing.T) {
	var calls atomic.Int32
	got := bootstrap([]int32{1, 2, 3}, 100, 1, func([]float64) float64 {
		if calls.Add(1)%2 == 0 {
			return math.NaN()
		}
		return 3
	})
	if calls.Load() != 100 || got != (interval{low: 3, high: 3}) {
		t.Errorf("after %d calls %+v, want 3 to 3 with no error after 100", calls.Load(), got)
	}
}

func TestIntervalAgainstNumpy(t *testing.T) {
	golden := readMetricsGolden(t)
	if len(golden.Percentiles) == 0 {
		t.Fatal("the golden holds no percentiles")
	}
	for _, g := range golden.Percentiles {
		values := append([]float64(nil), g.Sorted...)
		values[0], values[len(values)-1] = values[len(values)-1], values[0]
		got := intervalOf(values)
		checkFigure(t, "low", got.low, g.Low)
		checkFigure(t, "high", got.high, g.High)
		checkFigure(t, "se", got.se, g.SE)
	}
}
