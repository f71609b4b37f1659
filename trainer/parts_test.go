package trainer_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
)

func TestSchedules(t *testing.T) {
	const total = 200
	for _, test := range []struct {
		schedule trainer.Schedule
		step     int
		want     float64
	}{
		{trainer.Constant{}, 1, 1},
		{trainer.Constant{}, total, 1},
		{trainer.Constant{Warmup: 0.5}, 25, 0.25},
		{trainer.Constant{Warmup: 0.5}, 100, 1},
		{trainer.Cosine{}, 1, 1},
		{trainer.Cosine{}, 51, 0.5 + math.Sqrt2/4},
		{trainer.Cosine{}, 101, 0.5},
		{trainer.Cosine{}, total + 1, 0},
		{trainer.Cosine{Warmup: 0.75}, 101, 0.5 * 101 / 150},
		{trainer.OneCycle{}, 1, 1.0 / 25},
		{trainer.OneCycle{}, 60, 1},
		{trainer.OneCycle{}, total, 1.0 / 25e4},
	} {
		if got := test.schedule.Rate(test.step, total); math.Abs(got-test.want) > 1e-12 {
			t.Errorf("%s %+v at step %d is %g, want %g", test.schedule.Name(), test.schedule, test.step, got, test.want)
		}
	}
	for steps := 1; steps <= 12; steps++ { // the shortest trainings have no room for all phases
		for step := 1; step <= steps; step++ {
			if r := (trainer.OneCycle{}).Rate(step, steps); !(r > 0 && r <= 1) {
				t.Errorf("OneCycle at step %d of %d is %g", step, steps, r)
			}
		}
	}
}

// TestDecayToStart follows AdamW with the pull to the start in float64.
func TestDecayToStart(t *testing.T) {
	const n, steps, rate, decay = 7, 25, 0.01, 3.0
	rng := rand.New(rand.NewPCG(1, 1))
	w, start := make([]float32, n), make([]float32, n)
	for i := range w {
		start[i] = float32(rng.NormFloat64())
	}
	copy(w, start)
	rule := trainer.AdamW{WeightDecay: decay, ToStart: true}
	slots := [][]float32{make([]float32, n), make([]float32, n), slices.Clone(start)}
	if slot, ok := rule.Anchor(); !ok || slot != 2 || rule.Slots() != 3 {
		t.Fatalf("the anchor is slot %d of %d, %v", slot, rule.Slots(), ok)
	}
	want, m, v := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range want {
		want[i] = float64(start[i])
	}
	for step := 1; step <= steps; step++ {
		g := make([]float32, n)
		for i := range g {
			g[i] = float32(rng.NormFloat64())
		}
		rule.Update(graph.Hyper{LearningRate: rate, Step: step}, w, g, slots)
		for i := range want {
			x := float64(g[i])
			m[i] = 0.9*m[i] + 0.1*x
			v[i] = 0.999*v[i] + 0.001*x*x
			want[i] -= rate * decay * (want[i] - float64(start[i]))
			want[i] -= rate * (m[i] / (1 - math.Pow(0.9, float64(step)))) / (math.Sqrt(v[i]/(1-math.Pow(0.999, float64(step)))) + 1e-8)
		}
	}
	for i := range want {
		if math.Abs(float64(w[i])-want[i]) > 1e-5 {
			t.Errorf("element %d is %g, want %g", i, w[i], want[i])
		}
	}
	if !slices.Equal(slots[2], start) {
		t.Error("the start has moved")
	}
}

// TestAverage: the average is the one that Adam's paper corrects at the end,
// (1 − β)·Σ βᵗ⁻ⁱ·wᵢ/(1 − βᵗ), and the optimiser's own numbers are as without it.
func TestAverage(t *testing.T) {
	const n, steps, decay = 7, 40, 0.9
	rng := rand.New(rand.NewPCG(1, 9))
	plain := trainer.Adam{}
	rule := trainer.WithAverage(plain, decay)
	if rule.Slots() != 3 || rule.Name() != "adam" {
		t.Fatalf("%s has %d slots", rule.Name(), rule.Slots())
	}
	slotsOf := func(r graph.Rule) (slots [][]float32) {
		for range r.Slots() {
			slots = append(slots, make([]float32, n))
		}
		return slots
	}
	w, alone := make([]float32, n), make([]float32, n)
	slots, aloneSlots := slotsOf(rule), slotsOf(plain)
	for i := range w {
		w[i], slots[2][i] = float32(rng.NormFloat64()), float32(rng.NormFloat64()) // what is in the slot does not matter
	}
	copy(alone, w)
	sum := make([]float64, n)
	for step := 1; step <= steps; step++ {
		g := make([]float32, n)
		for i := range g {
			g[i] = float32(rng.NormFloat64())
		}
		h := graph.Hyper{LearningRate: 0.1, Step: step}
		rule.Update(h, w, g, slots)
		plain.Update(h, alone, g, aloneSlots)
		for i, v := range alone {
			sum[i] = decay*sum[i] + (1-decay)*float64(v)
			if want := sum[i] / (1 - math.Pow(decay, float64(step))); math.Abs(float64(slots[2][i])-want) > 1e-5 {
				t.Fatalf("average %d after step %d is %g, want %g", i, step, slots[2][i], want)
			}
		}
	}
	if !slices.Equal(w, alone) || !slices.Equal(slots[0], aloneSlots[0]) || !slices.Equal(slots[1], aloneSlots[1]) {
		t.Error("the average has changed what the optimiser does")
	}
}

// training is n texts, one a pair, all of the training split.
func training(rng *rand.Rand, n, d int) *loader.Dataset {
	t := &loader.Table{Dim: d, Data: make([]float32, n*d), IDs: make([]string, n)}
	data := &loader.Dataset{Vectors: t}
	for i := range n {
		t.IDs[i] = fmt.Sprintf("%04d", i)
		for j := range d { // a mean, and a spread that falls with the column
			t.Data[i*d+j] = 1 + float32(rng.NormFloat64()/(1+float64(j)))
		}
		p := &data.Pairs
		p.Left, p.Right = append(p.Left, int32(i)), append(p.Right, int32(i))
		p.Label, p.Split, p.Group = append(p.Label, 1), append(p.Split, loader.Train), append(p.Group, int32(i))
	}
	return data
}

// TestPCA compares the leading directions with gonum's decomposition.
func TestPCA(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for _, shape := range [][3]int{{300, 40, 5}, {500, 12, 12}, {30, 50, 3}} {
		n, d, k := shape[0], shape[1], shape[2]
		data := training(rng, n, d)
		x := mat.NewDense(n, d, nil)
		for i := range n {
			for j := range d {
				x.Set(i, j, float64(data.Vectors.Data[i*d+j]))
			}
		}
		b, err := trainer.PCA{}.Begin(data, k, 0)
		m := b.Matrix
		if err != nil {
			t.Fatal(err)
		}
		var pc stat.PC
		if !pc.PrincipalComponents(x, nil) {
			t.Fatal("gonum found no components")
		}
		var want mat.Dense
		pc.VectorsTo(&want)
		for j := range k {
			dot := 0.0
			for i := range d {
				dot += float64(m[i*k+j]) * want.At(i, j)
			}
			if math.Abs(math.Abs(dot)-1) > 1e-4 {
				t.Errorf("%v: direction %d is turned: |cos| = %.6f", shape, j, math.Abs(dot))
			}
		}
	}
}

func TestStarts(t *testing.T) {
	data := training(rand.New(rand.NewPCG(4, 4)), 3, 4)
	begin := func(s trainer.Start, k int, seed uint64) []float32 {
		b, err := s.Begin(data, k, seed)
		if err != nil || b.Offset != nil {
			t.Errorf("%s: offset %v, %v", s.Name(), b.Offset, err)
		}
		return b.Matrix
	}
	if m := begin(trainer.Identity{}, 2, 0); !slices.Equal(m, []float32{1, 0, 0, 1, 0, 0, 0, 0}) {
		t.Errorf("identity is %v", m)
	}
	a, b, c := begin(trainer.Random{}, 1000, 7), begin(trainer.Random{}, 1000, 7), begin(trainer.Random{}, 1000, 8)
	if !slices.Equal(a, b) || slices.Equal(a, c) {
		t.Error("a random start does not follow its seed")
	}
	var sum, square float64
	for _, v := range a {
		sum += float64(v)
		square += float64(v) * float64(v)
	}
	if n := float64(len(a)); math.Abs(sum/n) > 0.08 || math.Abs(square/n-1) > 0.12 {
		t.Errorf("random has mean %.3f and variance %.3f, want 0 and 1", sum/n, square/n)
	}
	for _, s := range []trainer.Start{trainer.Identity{}, trainer.PCA{}} {
		if _, err := s.Begin(data, 5, 0); err == nil {
			t.Errorf("%s fills more columns than there are dimensions", s.Name())
		}
	}
}
