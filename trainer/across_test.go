package trainer_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
)

// twoModels are groups of a query, its passage and three others. A text has a
// meaning of few dimensions, a model shows it turned into a space of its own,
// with some noise, and the left texts' model has other dimensions than the right
// texts' one.
func twoModels(left, right int, noise float64) *loader.Dataset {
	const meaning, groups, each = 10, 120, 4
	rng := rand.New(rand.NewPCG(9, uint64(left)))
	normal := func(n int) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = rng.NormFloat64()
		}
		return x
	}
	models := [2][]float64{normal(meaning * left), normal(meaning * right)}
	data := &loader.Dataset{Name: "two models", Labels: loader.LabelRange{Max: 1}, SplitGiven: true}
	width := max(left, right)
	v, p := &loader.Table{Dim: width, Sides: [2]int{left, right}}, &data.Pairs
	data.Vectors = v
	if left == right {
		v.Sides = [2]int{}
	}
	add := func(side int, x []float64) int32 {
		d := [2]int{left, right}[side]
		row := make([]float32, width)
		for j := range d {
			sum := noise * rng.NormFloat64()
			for i, m := range x {
				sum += m * models[side][i*d+j]
			}
			row[j] = float32(sum)
		}
		v.Data, v.IDs = append(v.Data, row...), append(v.IDs, fmt.Sprintf("%032d", len(v.IDs)))
		return int32(len(v.IDs) - 1)
	}
	for g := range groups {
		x := normal(meaning)
		query := add(0, x)
		p.Groups = append(p.Groups, fmt.Sprint(g))
		split := [...]loader.Split{loader.Train, loader.Train, loader.Train, loader.Validation, loader.Test}[g%5]
		for i := range each {
			label, kind, of := float32(0), loader.Weak, normal(meaning)
			if i == 0 {
				label, kind, of = 1, loader.Positive, x
			}
			p.Left, p.Right, p.Label = append(p.Left, query), append(p.Right, add(1, of)), append(p.Label, label)
			p.Split, p.Group, p.Kind = append(p.Split, split), append(p.Group, int32(g)), append(p.Kind, kind)
		}
	}
	return data
}

// TestAcross: a map between two models is found in both directions, by closed
// forms and by training, and what is written finds the passages again.
func TestAcross(t *testing.T) {
	for _, size := range [][2]int{{12, 20}, {20, 12}} {
		left, right := size[0], size[1]
		query := trainer.Default(left)
		query.Side, query.Epochs, query.BatchSize = graph.Query, 4, 64
		infonce := query
		infonce.Loss, infonce.Start = graph.InfoNCE{Temperature: 0.1}, trainer.Ridge{}
		for name, recipe := range map[string]trainer.Recipe{
			"ridge":                trainer.Closed(trainer.Ridge{}, graph.Query, left),
			"procrustes":           trainer.Closed(trainer.Procrustes{}, graph.Query, left),
			"default":              query,
			"infonce, after ridge": infonce,
		} {
			t.Run(fmt.Sprintf("%d to %d, %s", left, right, name), func(t *testing.T) {
				data := twoModels(left, right, 0.1)
				dir := newDir(t)
				s, err := trainer.Train(context.Background(), data, trainer.Options{Recipe: recipe.Across(left, right), Backend: cpu.New(0), Dir: dir})
				if err != nil {
					t.Fatal(err)
				}
				before, after, c := s.Before["test"], s.After["test"], s.Comparisons["test"]["roc_auc"]
				if after.ROCAUC < 0.95 || after.RecallAt10 < 0.9 {
					t.Errorf("ROC AUC %.3f and recall@10 %.3f: the map was not found", after.ROCAUC, after.RecallAt10)
				}
				if before.ROCAUC.Known() || before.RecallAt10.Known() || before.Loss.Known() || c.Before.Known() || c.Gain.Known() || !c.AfterInterval.Low.Known() {
					t.Errorf("before is %+v, the comparison %+v", before, c)
				}
				if s.Data.Dimensions != left || s.Data.RightDimensions != right || s.Config.Dims != right {
					t.Errorf("%d and %d dimensions, %d columns", s.Data.Dimensions, s.Data.RightDimensions, s.Config.Dims)
				}
				if strings.Contains(s.Judgement.Text, "NaN") {
					t.Errorf("judged %q", s.Judgement.Text)
				}
				scores, err := dir.ReadScores()
				if err != nil || len(scores) != data.Pairs.Len() || scores[0].Before == scores[0].Before || scores[0].After != scores[0].After {
					t.Errorf("%d scores, the first %+v, %v", len(scores), scores[0], err)
				}
				m, err := dir.ReadMatrix()
				if err != nil || m.In != left || m.Out != right {
					t.Fatalf("a matrix of %d → %d, %v", m.In, m.Out, err)
				}
				again, _, err := trainer.Evaluate(context.Background(), data, m, trainer.EvaluateOptions{Backend: cpu.New(0), Split: loader.Test})
				if err != nil {
					t.Fatal(err)
				}
				if got := again.After["test"]; math.Abs(float64(got.ROCAUC-after.ROCAUC)) > 1e-6 || got.RecallAt10 != after.RecallAt10 || again.Before["test"].ROCAUC.Known() {
					t.Errorf("from the files: %+v, want %+v", got, after)
				}
				if _, _, err := trainer.Evaluate(context.Background(), twoModels(right, left, 0), m, trainer.EvaluateOptions{Backend: cpu.New(0)}); err == nil || !strings.Contains(err.Error(), "maps") {
					t.Errorf("the other way round: %v", err)
				}
				if _, _, err := trainer.Evaluate(context.Background(), twoModels(left, left, 0), m, trainer.EvaluateOptions{Backend: cpu.New(0)}); err == nil || !strings.Contains(err.Error(), "maps") {
					t.Errorf("one model: %v", err)
				}
			})
		}
	}
}

// TestProcrustesAcross: its rows, or the fewer columns, are orthogonal.
func TestProcrustesAcross(t *testing.T) {
	for _, size := range [][2]int{{12, 20}, {20, 12}} {
		d, k := size[0], size[1]
		b, err := trainer.Procrustes{}.Solve(twoModels(d, k, 0.1), k)
		if err != nil {
			t.Fatal(err)
		}
		at := func(i, j int) float64 { return float64(b.Matrix[i*k+j]) } // of a row
		n, length := d, k
		if k < d {
			n, length = k, d
			at = func(i, j int) float64 { return float64(b.Matrix[j*k+i]) }
		}
		for i := range n {
			for j := range n {
				sum, want := 0.0, 0.0
				for l := range length {
					sum += at(i, l) * at(j, l)
				}
				if i == j {
					want = 1
				}
				if math.Abs(sum-want) > 1e-4 {
					t.Fatalf("%d → %d: the product of %d and %d is %g", d, k, i, j, sum)
				}
			}
		}
	}
}

// Settings that have no meaning between two models are refused.
func TestAcrossSettings(t *testing.T) {
	data := twoModels(12, 20, 0.1)
	recipe := func(change func(*trainer.Recipe)) trainer.Recipe {
		r := trainer.Default(12)
		r.Side = graph.Query
		r = r.Across(12, 20)
		change(&r)
		return r
	}
	for want, r := range map[string]trainer.Recipe{
		"--side is both": recipe(func(r *trainer.Recipe) { r.Side = graph.Both }),
		"--side is dual": recipe(func(r *trainer.Recipe) { r.Side = graph.Dual }),
		"--init is identity, but left vectors have 12 dimensions and right ones 20": recipe(func(r *trainer.Recipe) { r.Start = trainer.Identity{} }),
		"--dims is 12":                recipe(func(r *trainer.Recipe) { r.Dims = 12 }),
		"--recipe is mean-difference": trainer.Closed(trainer.MeanDifference{}, graph.Query, 12).Across(12, 20),
	} {
		if err := trainer.Prepare(data, r); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error is %v, want %s …", err, want)
		}
	}
	one := trainer.Default(12)
	one.Start = trainer.Ridge{}
	if err := trainer.Prepare(twoModels(12, 12, 0.1), one); err == nil || !strings.HasPrefix(err.Error(), "--init is ridge, which") {
		t.Errorf("a start for queries, of a matrix for all texts: %v", err)
	}
}
