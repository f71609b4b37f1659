package search

import (
	"flag"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/trainer/sweep/space"
)

var update = flag.Bool("update", false, "write the goldens anew")

// minimise returns how far above a function's minimum the best of some trials is.
func minimise(t testing.TB, f function, sampler Sampler, trials int, seed uint64) float64 {
	s, err := space.New(f.space)
	if err != nil {
		t.Fatal(err)
	}
	var history []Trial
	best := math.Inf(1)
	for n := range trials {
		p, err := sampler.Next(s, n, history, stream(seed, n))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Check(p); err != nil {
			t.Fatalf("trial %d of %s: %v", n, f.name, err)
		}
		value := f.at(named(s, p))
		best = min(best, value)
		history = append(history, Trial{Number: n, State: Complete, Point: p, Value: -value})
	}
	return best
}

func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	return (v[len(v)/2] + v[(len(v)-1)/2]) / 2
}

// TPE comes as near to the minimum as Optuna's, and much nearer than chance.
// Medians of forty sweeps vary much: of 62 more on hartmann, Optuna's was 0.153
// and not 0.099.
func TestTPEBesideOptuna(t *testing.T) {
	recorded := readRegrets(t)
	repeats := 40
	if testing.Short() {
		repeats = 10
	}
	for _, f := range functions(t) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			var ours, random []float64
			for seed := range repeats {
				ours = append(ours, minimise(t, f, TPE{}, recorded.Trials, uint64(seed)))
				random = append(random, minimise(t, f, Random{}, recorded.Trials, uint64(seed)))
			}
			o, r, theirs := median(ours), median(random), median(recorded.Functions[f.name].Regrets)
			t.Logf("median regret %.4g, Optuna's %.4g (%.2f of it), random's %.4g (%.2f of it)", o, theirs, o/theirs, r, o/r)
			if o > 1.15*theirs && !testing.Short() { // ten are too few for a median that holds
				t.Errorf("the median regret is %.4g, more than 1.15 of Optuna's %.4g", o, theirs)
			}
			if o > r/2 {
				t.Errorf("the median regret is %.4g, more than half of random's %.4g", o, r)
			}
		})
	}
}

func TestTPEBeginsAtRandom(t *testing.T) {
	s := conditional(t)
	var history []Trial
	differ := 0
	for n := range 30 {
		p, err := TPE{Startup: 5}.Next(s, n, history, stream(1, n))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Check(p); err != nil {
			t.Fatalf("trial %d: %v", n, err)
		}
		random, _ := Random{}.Next(s, n, nil, stream(1, n))
		// Trials 0 and 1 fail, so that five have ended before trial 7.
		if same := reflect.DeepEqual(p, random); n < 7 && !same {
			t.Errorf("trial %d is not that of the random sampler", n)
		} else if !same {
			differ++
		}
		h := Trial{Number: n, State: Complete, Point: p, Value: float64(n % 7)}
		if n < 2 {
			h.State, h.Value = Failed, math.NaN()
		}
		history = append(history, h)
	}
	if differ < 20 { // one may be the same by chance
		t.Errorf("of 23 trials after the start %d are not those of the random sampler", differ)
	}
}

func TestSplit(t *testing.T) {
	nan := math.NaN()
	reported := func(step int, value float64) []Report { return []Report{{1, 100}, {step, value}} }
	history := []Trial{
		{Number: 0, State: Running},
		{Number: 1, State: Pruned, Value: 50, Reports: reported(3, 5)},
		{Number: 2, State: Complete, Value: 1},
		{Number: 3, State: Failed, Value: nan},
		{Number: 4, State: Pruned, Value: 60, Reports: reported(9, 2)},
		{Number: 5, State: Complete, Value: 3},
		{Number: 6, State: Pruned, Value: 70, Reports: reported(9, nan)},
		{Number: 7, State: Complete, Value: 2},
		{Number: 8, State: Pruned, Value: 80},
		{Number: 9, State: Waiting},
		{Number: 10, State: Complete, Value: 3},
		{Number: 11, State: Pruned, Value: 10, Reports: reported(9, 7)},
	}
	order := []int{5, 10, 7, 2, 11, 4, 6, 1, 8} // from best to worst
	before := fmt.Sprint(history)
	for n := range len(order) + 2 {
		best, rest := split(history, n)
		taken := min(n, len(order))
		wantBest, wantRest := slices.Sorted(slices.Values(order[:taken])), slices.Sorted(slices.Values(append([]int{0, 3}, order[taken:]...)))
		if !slices.Equal(numbers(best), wantBest) || !slices.Equal(numbers(rest), wantRest) {
			t.Errorf("the best %d: %v and %v, want %v and %v", n, numbers(best), numbers(rest), wantBest, wantRest)
		}
	}
	if fmt.Sprint(history) != before {
		t.Error("the history was changed")
	}
}

func numbers(trials []Trial) (n []int) {
	for _, t := range trials {
		n = append(n, t.Number)
	}
	return n
}

func TestImprovements(t *testing.T) {
	complete := func(values ...float64) (trials []Trial) {
		for _, v := range values {
			trials = append(trials, Trial{State: Complete, Value: v})
		}
		return trials
	}
	pruned := []Trial{{State: Pruned, Value: 9}, {State: Running, Value: math.NaN()}}
	for _, c := range []struct {
		name       string
		best, rest []Trial
		want       []float64
	}{
		{"by what each is above the rest", complete(5, 8, 6), complete(4, 1, math.NaN()), []float64{3.0 / 7, 12.0 / 7, 6.0 / 7}},
		{"one that is as good as the rest", complete(4, 6), complete(4), []float64{0, 2}},
		{"all equal", complete(4, 4), complete(4), []float64{1, 1}},
		{"nothing complete in the rest", complete(5, 8), pruned, []float64{1, 1}},
		{"pruned among the best", append(complete(5), pruned[0]), pruned, []float64{1, 1}},
		{"infinite", complete(math.Inf(1), 8), complete(1), []float64{1, 1}},
		{"not a number", complete(math.NaN()), complete(1), []float64{1}},
		{"none", nil, complete(1), nil},
	} {
		got := improvements(c.best, c.rest)
		if !slices.EqualFunc(got, c.want, func(a, b float64) bool { return math.Abs(a-b) < 1e-12 }) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestGamma(t *testing.T) {
	for n, want := range map[int]int{0: 0, 1: 1, 10: 1, 11: 2, 100: 10, 101: 11, 250: 25, 9999: 25} {
		if got := gamma(n); got != want {
			t.Errorf("of %d trials %d are the best, want %d", n, got, want)
		}
	}
}

// Parallel workers that see each other's running trials spread further.
func TestTPESpreadsRunningTrials(t *testing.T) {
	s := space.Space{{Name: "x", Distribution: space.Float{Low: 0, High: 1}}}
	spread := func(seesRunning bool) float64 {
		sum := 0.0
		for seed := range uint64(40) {
			var history []Trial
			for n := range 30 {
				x := stream(seed, n).Float64()
				history = append(history, Trial{Number: n, State: Complete, Point: space.Point{"x": x}, Value: -math.Abs(x - 0.3)})
			}
			var xs []float64
			for n := 30; n < 38; n++ {
				p, err := TPE{}.Next(s, n, history, stream(seed, n))
				if err != nil {
					t.Fatal(err)
				}
				xs = append(xs, p["x"])
				if seesRunning {
					history = append(history, Trial{Number: n, State: Running, Point: p, Value: math.NaN()})
				}
			}
			sum += slices.Max(xs) - slices.Min(xs)
		}
		return sum / 40
	}
	if with, without := spread(true), spread(false); with < 1.2*without {
		t.Errorf("eight running trials spread over %v where they are seen, and over %v where not", with, without)
	}
}

// A history from elsewhere, say an enqueued trial outside of the space, takes
// no part and does no harm.
func TestTPEPassesOverStrangeTrials(t *testing.T) {
	s := conditional(t)
	var history []Trial
	for n := range 20 {
		p, _ := Random{}.Next(s, n, nil, stream(4, n))
		history = append(history, Trial{Number: n, State: Complete, Point: p, Value: float64(n)})
	}
	want, err := TPE{}.Next(s, 25, history, stream(4, 25))
	if err != nil {
		t.Fatal(err)
	}
	strange := append(history,
		Trial{Number: 20, State: Running, Point: space.Point{"loss": 7, "dims": 2.5, "dropout": -1}},
		Trial{Number: 21, State: Failed},
		Trial{Number: 22, State: Waiting, Point: history[3].Point})
	if got, err := (TPE{}).Next(s, 25, strange, stream(4, 25)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	for i := range history {
		history[i].Value = math.NaN()
	}
	if p, err := (TPE{}).Next(s, 25, history, stream(4, 25)); err != nil || s.Check(p) != nil {
		t.Errorf("where no value is a number: %v, %v", p, err)
	}
}

// A sweep goes the same way again, from version to version and on every
// architecture: the settings of its trials are recorded. A change here changes
// the sweeps that users resume.
func TestSweepsRepeat(t *testing.T) {
	s := conditional(t)
	for _, sampler := range []Sampler{Random{}, Grid{}, TPE{}} {
		t.Run(sampler.Name(), func(t *testing.T) {
			var history []Trial
			var text strings.Builder
			for n := range 60 {
				p, err := sampler.Next(s, n, history, stream(7, n))
				if err != nil {
					t.Fatal(err)
				}
				value := -math.Abs(p["dropout"]-0.2) - math.Abs(p["temperature"]-0.1) - math.Abs(p["dims"]-20)/20
				history = append(history, Trial{Number: n, State: Complete, Point: p, Value: value})
				for _, setting := range s.Settings(p) {
					fmt.Fprintf(&text, "--%s %s ", setting.Name, setting.Value)
				}
				text.WriteString("\n")
			}
			golden := "testdata/sweep-" + sampler.Name() + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(text.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if text.String() != string(want) {
				t.Errorf("the sweep differs from %s (go test -update writes it anew):\n%s", golden, text.String())
			}
		})
	}
}
