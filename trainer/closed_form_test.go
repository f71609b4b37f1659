package trainer_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
)

// closedRecord is testdata/closed.json.
type closedRecord struct {
	A, B     [][]float32
	Positive int
	Cosines  map[string][]float64 // of closed forms
	Starts   map[string]struct{ Matrix, Cosines []float64 }
}

// readClosed reads it, and makes a data set of its vectors, which are all of the
// training split.
func readClosed(t *testing.T) (closedRecord, *loader.Dataset) {
	t.Helper()
	raw, err := os.ReadFile("testdata/closed.json")
	if err != nil {
		t.Fatal(err)
	}
	var recorded closedRecord
	if err := json.Unmarshal(raw, &recorded); err != nil {
		t.Fatal(err)
	}
	n, d := len(recorded.A), len(recorded.A[0])
	data := &loader.Dataset{Vectors: &loader.Table{Dim: d}, Labels: loader.LabelRange{Max: 1}}
	for i := range n {
		v, p := data.Vectors, &data.Pairs
		v.IDs = append(v.IDs, fmt.Sprintf("a%02d", i), fmt.Sprintf("b%02d", i))
		v.Data = append(append(v.Data, recorded.A[i]...), recorded.B[i]...)
		label := float32(0)
		if i < recorded.Positive {
			label = 1
		}
		p.Left, p.Right, p.Label, p.Split = append(p.Left, int32(2*i)), append(p.Right, int32(2*i+1)), append(p.Label, label), append(p.Split, loader.Train)
	}
	return recorded, data
}

// TestClosedFormsAgainstNumpy compares cosines with those of testdata/closed.py.
func TestClosedFormsAgainstNumpy(t *testing.T) {
	recorded, data := readClosed(t)
	n, d := len(recorded.A), data.Vectors.Dim
	forms := map[string]struct {
		form trainer.ClosedForm
		side graph.Side
		k    int
	}{
		"whitening":          {trainer.Whitening{}, graph.Both, d},
		"whitening 0.2":      {trainer.Whitening{Shrinkage: 0.2}, graph.Both, d},
		"whitening 0.2 to 4": {trainer.Whitening{Shrinkage: 0.2}, graph.Both, 4},
		"wccn":               {trainer.WCCN{}, graph.Both, d},
		"wccn 0.5":           {trainer.WCCN{Shrinkage: 0.5}, graph.Both, d},
		"ridge 0.1":          {trainer.Ridge{Penalty: 0.1}, graph.Query, d},
		"ridge 3":            {trainer.Ridge{Penalty: 3}, graph.Query, d},
		"procrustes 0.1":     {trainer.Procrustes{Penalty: 0.1}, graph.Query, d},
		"procrustes 3":       {trainer.Procrustes{Penalty: 3}, graph.Query, d},
		"mean-difference":    {trainer.MeanDifference{}, graph.Query, d},
		"cca 0.3":            {trainer.CCA{Shrinkage: 0.3}, graph.Dual, d},
	}
	if len(forms) != len(recorded.Cosines) {
		t.Errorf("%d closed forms for %d recorded ones", len(forms), len(recorded.Cosines))
	}
	for name, want := range recorded.Cosines {
		t.Run(name, func(t *testing.T) {
			f := forms[name]
			b, err := f.form.Solve(data, f.k)
			if err != nil {
				t.Fatal(err)
			}
			for i := range n {
				left := apply(b, recorded.A[i], f.k, 0)
				right := recorded.B[i]
				switch f.side {
				case graph.Both:
					right = apply(b, right, f.k, 0)
				case graph.Dual:
					right = apply(b, right, f.k, d*f.k)
				}
				if got := cosineOf(left, right); !(math.Abs(got-want[i]) <= 1e-5) {
					t.Fatalf("cosine %d is %.7f, numpy has %.7f", i, got, want[i])
				}
			}
		})
	}
}

// apply is (x − offset)·M for the matrix that begins at number from.
func apply(b trainer.Beginning, x []float32, k, from int) []float32 {
	y := make([]float32, k)
	for i, v := range x {
		if b.Offset != nil {
			v -= b.Offset[i]
		}
		for j := range y {
			y[j] += v * b.Matrix[from+i*k+j]
		}
	}
	return y
}

func cosineOf(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	return ab / math.Sqrt(aa*bb)
}

// TestClosedRun: a closed form is judged like a learned matrix, and what the
// files say is what was scored, also after an interruption.
func TestClosedRun(t *testing.T) {
	for _, f := range []struct {
		form trainer.ClosedForm
		side graph.Side
	}{{trainer.MeanDifference{}, graph.Query}, {trainer.WCCN{}, graph.Both}, {trainer.CCA{Shrinkage: 0.5}, graph.Dual}} {
		t.Run(f.form.Name(), func(t *testing.T) {
			data := planted(t)
			shiftQueries(data)
			recipe := closed(f.form, f.side, data.Vectors.Dim)
			dir := newDir(t)
			want, err := trainer.Train(context.Background(), data, trainer.Options{Recipe: recipe, Backend: cpu.New(0), Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			if want.Epochs != 1 || !strings.Contains(want.Judgement.Text, "ROC AUC") {
				t.Errorf("%d epochs, judged %q", want.Epochs, want.Judgement.Text)
			}
			if _, ok := f.form.(trainer.MeanDifference); ok && !want.Judgement.Accepted {
				t.Errorf("queries were moved by a constant, and moving them back is not accepted: %s", want.Judgement.Text)
			}
			p, err := dir.ReadMatrix()
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := trainer.Evaluate(context.Background(), data, p, trainer.EvaluateOptions{Backend: cpu.New(0), Split: loader.Test})
			if err != nil {
				t.Fatal(err)
			}
			for split, m := range want.After {
				if e := math.Abs(float64(m.ROCAUC - got.After[split].ROCAUC)); !(e <= 1e-6) {
					t.Errorf("%s: ROC AUC is %v in the summary, %v from the files", split, m.ROCAUC, got.After[split].ROCAUC)
				}
			}
		})
	}
}

// shiftQueries moves all left vectors by one long vector.
func shiftQueries(data *loader.Dataset) {
	rng := rand.New(rand.NewPCG(1, 2))
	d := data.Vectors.Dim
	by := make([]float32, d)
	for i := range by {
		by[i] = float32(rng.NormFloat64()) * 20
	}
	moved := map[int32]bool{}
	for _, r := range data.Pairs.Left {
		if !moved[r] {
			moved[r] = true
			for i, v := range by {
				data.Vectors.Data[int(r)*d+i] += v
			}
		}
	}
}
