package trainer

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/cosfit/cosfit/loader"
)

// TestPassageScoresAgainstScikitLearn compares with what testdata/passage.py
// recorded.
func TestPassageScoresAgainstScikitLearn(t *testing.T) {
	raw, err := os.ReadFile("testdata/passage.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Graded  bool
		Vectors [][]float32
		Texts   []int32
		Labels  []float32
		Said    []float64
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			data := &loader.Dataset{Vectors: &loader.Table{Dim: len(c.Vectors[0])}, Labels: loader.LabelRange{Max: 1}}
			if c.Graded {
				data.Labels = loader.LabelRange{Max: 5, Graded: true}
			}
			for i, v := range c.Vectors {
				data.Vectors.IDs = append(data.Vectors.IDs, fmt.Sprintf("%02d", i*7%len(c.Vectors))) // in another order
				data.Vectors.Data = append(data.Vectors.Data, v...)
			}
			p := &data.Pairs
			add := func(text int32, label float32, split loader.Split) {
				p.Left, p.Right, p.Label, p.Split = append(p.Left, 0), append(p.Right, text), append(p.Label, label), append(p.Split, split)
			}
			for i, text := range c.Texts {
				add(text, c.Labels[i], loader.Train)
			}
			for i := range c.Vectors {
				add(int32(i), 0, loader.Test)
			}
			scores, fit, err := passageScores(data, data.Indices(loader.Train, loader.Test), loader.Test)
			if err != nil {
				t.Fatal(err)
			}
			if len(scores) != p.Len() || fit.Texts == len(c.Vectors) {
				t.Fatalf("%d scores of %d pairs, fitted to %d texts of %d, some of which are in no training pair", len(scores), p.Len(), fit.Texts, len(c.Vectors))
			}
			for i, want := range c.Said {
				if got := float64(scores[len(c.Texts)+i]); !(math.Abs(got-want) <= 2e-5) {
					t.Errorf("text %d: %.7f, scikit-learn has %.7f", i, got, want)
				}
			}
		})
	}
}

// TestPassageScoresOfOneKind: where all training labels are one there is nothing
// to fit.
func TestPassageScoresOfOneKind(t *testing.T) {
	for _, label := range []float32{0, 1} {
		data := &loader.Dataset{Vectors: &loader.Table{Dim: 2, IDs: []string{"a", "b"}, Data: []float32{1, 0, 0, 1}}, Labels: loader.LabelRange{Max: 1}}
		data.Pairs = loader.Pairs{Left: []int32{0, 0}, Right: []int32{0, 1}, Label: []float32{label, label}, Split: []loader.Split{loader.Train, loader.Train}}
		scores, _, err := passageScores(data, []int32{0, 1}, loader.Train)
		if scores != nil || err != nil {
			t.Errorf("labels %g: scores %v, %v", label, scores, err)
		}
	}
}

// BenchmarkPassageScores is the most that it takes: as many texts as are looked
// at, of 1,536 dimensions.
func BenchmarkPassageScores(b *testing.B) {
	const d, pairs = 1536, 100_000
	rng := rand.New(rand.NewPCG(1, 1))
	data := &loader.Dataset{Vectors: &loader.Table{Dim: d}, Labels: loader.LabelRange{Max: 1}}
	const texts = 20_000
	for range texts * d {
		data.Vectors.Data = append(data.Vectors.Data, float32(rng.NormFloat64()))
	}
	for i := range texts {
		data.Vectors.IDs = append(data.Vectors.IDs, fmt.Sprint(i))
	}
	p := &data.Pairs
	for range pairs {
		right := int32(rng.IntN(texts))
		label := float32(0)
		if float64(data.Vectors.Data[int(right)*d])+rng.NormFloat64() > 0.5 {
			label = 1
		}
		p.Left, p.Right, p.Label, p.Split = append(p.Left, 0), append(p.Right, right), append(p.Label, label), append(p.Split, loader.Train)
	}
	for b.Loop() {
		if _, _, err := passageScores(data, []int32{0}, loader.Train); err != nil {
			b.Fatal(err)
		}
	}
}
