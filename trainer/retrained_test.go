package trainer

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
)

// drawnPopulation is groups of training and many more of test from one population: a
// query, a passage that is similar to it and three that share its topic alone, whose
// dimensions are longer than those that tell them apart.
func drawnPopulation(rng *rand.Rand, d, training, test int) *loader.Dataset {
	data := &loader.Dataset{Name: "drawn", Vectors: &loader.Table{Dim: d}, Labels: loader.LabelRange{Max: 1}, SplitGiven: true}
	v, p := data.Vectors, &data.Pairs
	normal := func() []float64 {
		x := make([]float64, d/4)
		for i := range x {
			x[i] = rng.NormFloat64()
		}
		return x
	}
	text := func(topic, aspect []float64, noise float64) int32 {
		for j := range d {
			x := rng.NormFloat64()
			switch k := j % (d / 4); j / (d / 4) {
			case 0:
				x = topic[k] + noise*x
			case 1:
				x = (aspect[k] + noise*x) / 2
			}
			v.Data = append(v.Data, float32(x))
		}
		v.IDs = append(v.IDs, fmt.Sprintf("%032d", len(v.IDs)))
		return int32(len(v.IDs) - 1)
	}
	for g := range int32(training + test) {
		split := loader.Train
		if int(g) >= training {
			split = loader.Test
		}
		topic, aspect, noise := normal(), normal(), 0.6+0.4*rng.Float64()
		query := text(topic, aspect, noise/2)
		p.Groups = append(p.Groups, fmt.Sprint(g))
		for i := range 4 {
			of, label := aspect, float32(1)
			if i > 0 {
				of, label = normal(), 0
			}
			p.Left, p.Right, p.Label = append(p.Left, query), append(p.Right, text(topic, of, noise)), append(p.Label, label)
			p.Group, p.Split, p.Kind = append(p.Group, g), append(p.Split, split), append(p.Kind, loader.Kind(0))
		}
	}
	return data
}

// TestCrossValidatedError draws data sets from one population again and again, and wants
// the standard error of the cross-validated gain to be about as large as its
// distance from what the learned matrix gains on many new groups. Resampled groups
// alone say three quarters of it.
func TestCrossValidatedError(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for seconds")
	}
	const d, draws = 16, 40
	backend, ctx := cpu.New(1), context.Background()
	var squares, stated, missed float64
	for i := range uint64(draws) {
		dir, err := rundir.Create(filepath.Join(t.TempDir(), "run"), false)
		if err != nil {
			t.Fatal(err)
		}
		recipe := Default(d)
		recipe.BatchSize = 32
		r, err := newRun(drawnPopulation(rand.New(rand.NewPCG(i, 1)), d, 30, 300), Options{Recipe: recipe, Backend: backend, Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.begin(ctx); err != nil {
			t.Fatal(err)
		}
		if err := r.train(ctx); err != nil {
			t.Fatal(err)
		}
		pairs := r.data.Indices(loader.Test)
		on := func(b Beginning) float64 {
			if err := r.use(b); err != nil {
				t.Fatal(err)
			}
			m, err := r.eval.measure(ctx, pairs, true)
			if err != nil {
				t.Fatal(err)
			}
			return r.eval.split(pairs, m, loader.Test).figure(byROCAUC)
		}
		gain := on(r.result()) - on(r.start)
		c := r.gained(r.unseen())
		away := float64(c.Gain) - gain
		squares += away * away
		stated += float64(c.GainSE)
		if gain < float64(c.GainInterval.Low) || gain > float64(c.GainInterval.High) {
			missed++
		}
		r.close()
	}
	ratio := stated / draws / math.Sqrt(squares/draws)
	t.Logf("the mean standard error is %.2f of the distance; %.0f of %d intervals miss", ratio, missed, draws)
	if ratio < 0.9 || ratio > 1.4 || missed/draws > 0.1 {
		t.Errorf("the mean standard error is %.2f of the distance, and %.0f of %d intervals miss", ratio, missed, draws)
	}
}
