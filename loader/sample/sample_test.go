package sample_test

import (
	"context"
	"io/fs"
	"math"
	"testing"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/sample"
)

func open(t *testing.T) *loader.Dataset {
	t.Helper()
	d, err := loader.OpenFS(context.Background(), sample.FS(), sample.Name, loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSize(t *testing.T) {
	d := open(t)
	if d.Name != "sample" || d.Embeddings != "all-MiniLM-L6-v2" || d.Model != sample.Model || d.Vectors.Dim != 384 || len(d.Pairs.Groups) != 600 {
		t.Errorf("%s, embeddings %s of %s: %d dimensions, %d groups", d.Name, d.Embeddings, d.Model, d.Vectors.Dim, len(d.Pairs.Groups))
	}
	for split, want := range map[loader.Split]int{loader.Train: 1350, loader.Validation: 270, loader.Test: 1080} {
		if got := len(d.Indices(split)); got != want {
			t.Errorf("%d pairs for %v, want %d", got, split, want)
		}
	}
	if want := (loader.LabelRange{Min: 0, Max: 1}); d.Labels != want {
		t.Errorf("label range %+v, want %+v", d.Labels, want)
	}
	if len(d.Notes) != 0 {
		t.Errorf("notes %q", d.Notes)
	}
}

func TestFilesAreSmall(t *testing.T) {
	total := int64(0)
	err := fs.WalkDir(sample.FS(), ".", func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err != nil || total == 0 || total >= 3<<20 {
		t.Errorf("%d bytes, %v; want less than 3 MiB", total, err)
	}
}

func TestVectors(t *testing.T) {
	d := open(t)
	for i, text := range d.Vectors.IDs {
		if norm := math.Sqrt(dot(d, int32(i), int32(i))); math.Abs(norm-1) > 1e-3 {
			t.Errorf("%q has a vector of length %g", text, norm)
		}
	}
}

// A question is a group with one positive pair and two or more hard ones.
func TestGroups(t *testing.T) {
	d := open(t)
	type counts struct{ positive, weak, hard int }
	groups := make([]counts, len(d.Pairs.Groups))
	left := make([]int32, len(d.Pairs.Groups))
	seen := map[[2]int32]bool{}
	for i, g := range d.Pairs.Group {
		switch d.Pairs.Kind[i] {
		case loader.Positive:
			groups[g].positive++
		case loader.Weak:
			groups[g].weak++
		case loader.Hard:
			groups[g].hard++
		}
		if positive := d.Pairs.Kind[i] == loader.Positive; d.Labels.Positive(d.Pairs.Label[i]) != positive {
			t.Errorf("pair %d is %v and has the label %v", i, d.Pairs.Kind[i], d.Pairs.Label[i])
		}
		if left[g] != 0 && left[g] != d.Pairs.Left[i]+1 {
			t.Errorf("group %d has two questions", g)
		}
		left[g] = d.Pairs.Left[i] + 1
		pair := [2]int32{d.Pairs.Left[i], d.Pairs.Right[i]}
		if seen[pair] {
			t.Errorf("pair %d comes twice", i)
		}
		seen[pair] = true
	}
	for g, c := range groups {
		if c.positive != 1 || c.hard < 2 || c.weak > 1 {
			t.Errorf("group %d has %+v", g, c)
		}
	}
}

func TestNoTextInTwoSplits(t *testing.T) {
	d := open(t)
	splits := map[int32]loader.Split{}
	for i, s := range d.Pairs.Split {
		for _, text := range []int32{d.Pairs.Left[i], d.Pairs.Right[i]} {
			if old, ok := splits[text]; ok && old != s {
				t.Errorf("%q is in %v and %v", d.Vectors.IDs[text], old, s)
			}
			splits[text] = s
		}
	}
	if len(splits) != d.Vectors.Rows() {
		t.Errorf("%d of %d texts are in pairs", len(splits), d.Vectors.Rows())
	}
}

// There is something to learn, and something to start from: the share of
// (positive, negative) pairs of the test that cosines put in order.
func TestUntrainedAUC(t *testing.T) {
	d := open(t)
	var positive, negative []float64
	for _, i := range d.Indices(loader.Test) {
		a, b := d.Pairs.Left[i], d.Pairs.Right[i]
		cosine := dot(d, a, b) / math.Sqrt(dot(d, a, a)*dot(d, b, b))
		if d.Labels.Positive(d.Pairs.Label[i]) {
			positive = append(positive, cosine)
		} else {
			negative = append(negative, cosine)
		}
	}
	ordered := 0.0
	for _, p := range positive {
		for _, n := range negative {
			switch {
			case p > n:
				ordered++
			case p == n:
				ordered += 0.5
			}
		}
	}
	auc := ordered / float64(len(positive)*len(negative))
	t.Logf("untrained ROC AUC on the test split: %.4f", auc)
	if auc < 0.70 || auc > 0.93 {
		t.Errorf("untrained ROC AUC %.4f, want 0.70 to 0.93", auc)
	}
}

func dot(d *loader.Dataset, i, j int32) (sum float64) {
	dim := int32(d.Vectors.Dim)
	for k := range dim {
		sum += float64(d.Vectors.Data[i*dim+k]) * float64(d.Vectors.Data[j*dim+k])
	}
	return sum
}
