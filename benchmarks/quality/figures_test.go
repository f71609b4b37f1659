package main

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/projection"
	"github.com/cosfit/cosfit/trainer"
)

func near(t *testing.T, name string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-9) {
		t.Errorf("%s is %v, want %v", name, got, want)
	}
}

func TestFigures(t *testing.T) {
	for _, test := range []struct {
		name           string
		cosines        []float32
		labels         []float32
		groups         []int32
		auc, mrr       float64
		accuracyAtHalf float64
	}{
		{"all in order", []float32{0.1, 0.2, 0.8, 0.9}, []float32{0, 0, 1, 1}, []int32{0, 0, 0, 0}, 1, 1, 1},
		{"one of four wrong", []float32{0.1, 0.6, 0.4, 0.9}, []float32{0, 0, 1, 1}, []int32{0, 1, 1, 0}, 0.75, 0.75, 0.5},
		{"equal ones count half", []float32{0.3, 0.3}, []float32{0, 1}, []int32{0, 0}, 0.5, 0.5, 0.5},
		{"a group without dissimilar pairs has no rank", []float32{0.7, 0.6, 0.9}, []float32{0, 1, 1}, []int32{0, 0, 1}, 0.5, 0.5, 2. / 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScored(test.cosines, list{Labels: test.labels, Groups: test.groups}, false, 0.5)
			near(t, "ROC AUC", s.rocAUC(nil), test.auc)
			near(t, "MRR", s.mrr(), test.mrr)
			near(t, "accuracy", s.accuracy(nil), test.accuracyAtHalf)
		})
	}
}

// Equal values share the mean of their ranks; with x = 1, 2½, 2½, 4 and
// y = 1, 2, 4, 3 the sum of squared differences is 3½, of 5 and 4½ in x and y.
func TestSpearman(t *testing.T) {
	s := newScored([]float32{0.1, 0.5, 0.5, 0.9}, list{Labels: []float32{0, 0.2, 1, 0.4}}, true, math.NaN())
	near(t, "Spearman", s.spearman(nil), 3/math.Sqrt(4.5*5))
}

// A weight of n is the pair n times.
func TestWeightsRepeatPairs(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var cosines, repeated []float32
	var pairs, more list
	var weights []float64
	for range 50 {
		c, y, n := float32(rng.IntN(20))/20, float32(rng.IntN(2)), rng.IntN(3)
		cosines, pairs.Labels, weights = append(cosines, c), append(pairs.Labels, y), append(weights, float64(n))
		for range n {
			repeated, more.Labels = append(repeated, c), append(more.Labels, y)
		}
	}
	weighted, plain := newScored(cosines, pairs, false, 0.4), newScored(repeated, more, false, 0.4)
	near(t, "ROC AUC", weighted.rocAUC(weights), plain.rocAUC(nil))
	near(t, "accuracy", weighted.accuracy(weights), plain.accuracy(nil))
}

func TestBestThresholdBeatsAllOthers(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		n := 1 + rng.IntN(12)
		cosines, labels := make([]float32, n), make([]float32, n)
		for i := range cosines {
			cosines[i], labels[i] = float32(rng.IntN(8))/8, float32(rng.IntN(2))
		}
		s := newScored(cosines, list{Labels: labels}, false, bestThreshold(cosines, labels))
		got := s.accuracy(nil)
		for s.threshold = -0.05; s.threshold < 1.1; s.threshold += 0.0125 {
			if a := s.accuracy(nil); a > got {
				t.Fatalf("cosines %v, labels %v: accuracy %v, but %v at %v", cosines, labels, got, a, s.threshold)
			}
		}
	}
}

// The study's own figures are those of cosfit.
func TestFiguresAgreeWithEvaluate(t *testing.T) {
	ctx := context.Background()
	data, err := source{}.open(ctx, sets()[0], 0)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	d := newDraw(data, sets()[0], 0, 0)
	dim := data.Vectors.Dim
	rng := rand.New(rand.NewPCG(5, 6))
	p := &projection.Projection{Matrix: make([]float32, dim*40), In: dim, Out: 40}
	for i := range p.Matrix {
		p.Matrix[i] = float32(rng.NormFloat64())
	}
	threshold := 0.4
	p.Metadata.Threshold = &threshold
	o, err := d.score(p, 0)
	if err != nil {
		t.Fatal(err)
	}
	o.threshold = threshold
	scored, _ := d.figures(o, false)
	backend := cpu.New(1)
	defer backend.Close()
	summary, _, err := trainer.Evaluate(ctx, data, p, trainer.EvaluateOptions{Backend: backend, Split: loader.Test})
	if err != nil {
		t.Fatal(err)
	}
	want, got := summary.After[loader.Test.String()], scored.figures()
	if want.Pairs != got.Pairs || math.Abs(float64(want.ROCAUC)-got.ROCAUC) > 1e-5 || math.Abs(float64(want.Accuracy)-got.Accuracy) > 2e-3 {
		t.Errorf("figures %+v, want those of Evaluate: %d pairs, ROC AUC %v, accuracy %v", got, want.Pairs, want.ROCAUC, want.Accuracy)
	}
}
