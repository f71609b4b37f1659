package prepare

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/cosfit/cosfit/loader"
	carried "github.com/cosfit/cosfit/loader/sample"
)

// contents is what must survive a conversion.
type contents struct {
	fingerprint string
	labels      []float32
	labelRange  string
	space       loader.Manifest
	kinds       []loader.Kind
	groups      []string
	given       bool
	texts       map[loader.ID]loader.Text
}

func contentsOf(t *testing.T, d *loader.Dataset, err error) contents {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	c := contents{space: d.Space, kinds: d.Pairs.Kind, groups: d.Pairs.Groups, given: d.SplitGiven, texts: map[loader.ID]loader.Text{}}
	c.labels, c.labelRange = d.GivenLabels()
	if c.fingerprint, err = d.Fingerprint(); err != nil {
		t.Fatal(err)
	}
	err = d.Texts(func(row int32, x loader.Text) error {
		if row >= 0 {
			c.texts[x.ID] = x
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// convert writes a data set as a wide file, that as a folder, and that as a wide
// file again, with little memory, and returns the paths.
func convert(t *testing.T, d *loader.Dataset) (wide, folder, again string) {
	t.Helper()
	ctx, dir := context.Background(), t.TempDir()
	wide, folder, again = filepath.Join(dir, "wide.parquet"), filepath.Join(dir, "folder"), filepath.Join(dir, "again.parquet")
	if _, err := (&Conversion{Data: d, Scratch: dir}).Wide(ctx, wide); err != nil {
		t.Fatal(err)
	}
	opts := loader.Options{Memory: 1 << 20, Scratch: dir}
	w, err := loader.Open(ctx, wide, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := (&Conversion{Data: w, Scratch: dir}).Folder(ctx, folder, false); err != nil {
		t.Fatal(err)
	}
	f, err := loader.Open(ctx, folder, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := (&Conversion{Data: f, Scratch: dir}).Wide(ctx, again); err != nil {
		t.Fatal(err)
	}
	return wide, folder, again
}

func open(path string) (*loader.Dataset, error) {
	return loader.Open(context.Background(), path, loader.Options{})
}

// TestConvertSample takes the sample there and back, bit for bit.
func TestConvertSample(t *testing.T) {
	d, err := loader.OpenFS(context.Background(), carried.FS(), "sample", loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	want := contentsOf(t, d, nil)
	wide, folder, again := convert(t, d)
	for _, path := range []string{wide, folder, again} {
		got := func() contents { d, err := open(path); return contentsOf(t, d, err) }()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: fingerprint %s, want %s; space %+v; %d texts, want %d", path, got.fingerprint, want.fingerprint, got.space, len(got.texts), len(want.texts))
		}
	}
	first, err := os.ReadFile(wide)
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(again)
	if err != nil || !slices.Equal(first, second) {
		t.Errorf("the second wide file is another, %v", err)
	}
	checkWithPandas(t, wide)
}

// checkWithPandas has pandas read the wide file, where it is there.
func checkWithPandas(t *testing.T, path string) {
	const script = `
import sys, pandas as pd, numpy as np
t = pd.read_parquet(sys.argv[1])
a = np.stack(t["question_text_EMB"].to_numpy())
b = np.stack(t["candidate_answers_EMB"].to_numpy())
assert a.dtype == np.float32 and a.shape == b.shape == (2700, 384), (a.dtype, a.shape)
assert np.isfinite(a).all() and set(t["label"]) == {0.0, 1.0}
assert list(t["split"].value_counts()) == [1350, 1080, 270]
assert t["question_text"].nunique() == 600
`
	if exec.Command("python3", "-c", "import pandas, pyarrow").Run() != nil {
		t.Log("pandas and pyarrow are not there")
		return
	}
	if out, err := exec.Command("python3", "-c", script, path).CombinedOutput(); err != nil {
		t.Errorf("pandas: %v\n%s", err, out)
	}
}

// TestConvertGraded: scales, sources, awkward texts and no split survive too.
func TestConvertGraded(t *testing.T) {
	d := newDraft(t)
	d.LabelRange = "-0.1..5"
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 500 {
		add(t, d, Pair{Left: fmt.Sprintf("left %d \x00 ünï\n", i/3), Right: fmt.Sprint("right ", rng.IntN(300)), Label: float64(rng.Float32()) * 4.9,
			Group: fmt.Sprint("group ", i/9), Kind: loader.Kind(i % 4), Source: fmt.Sprint("document ", i%7)})
	}
	dir := filepath.Join(t.TempDir(), "folder")
	if err := d.Write(dir, WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	embedAll(t, d, dir)
	data, err := open(dir)
	want := contentsOf(t, data, err)
	if want.given || want.labelRange != "-0.1..5" || len(want.texts) < 400 {
		t.Fatalf("%+v", want)
	}
	data, err = open(dir)
	if err != nil {
		t.Fatal(err)
	}
	wide, folder, again := convert(t, data)
	for _, path := range []string{wide, folder, again} {
		data, err := open(path)
		got := contentsOf(t, data, err)
		for id, x := range got.texts { // left texts have no document in a wide file, and there was none
			if want.texts[id] != x {
				t.Fatalf("%s: text %+v, want %+v", path, x, want.texts[id])
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: fingerprint %s, want %s", path, got.fingerprint, want.fingerprint)
		}
	}

	keep := make([]bool, len(want.labels))
	keep[3], keep[7] = true, true
	some := filepath.Join(t.TempDir(), "some")
	if err := (&Conversion{Data: data, Keep: keep}).Folder(context.Background(), some, false); err != nil {
		t.Fatal(err)
	}
	data, err = open(some)
	if got := contentsOf(t, data, err); !slices.Equal(got.labels, []float32{want.labels[3], want.labels[7]}) {
		t.Errorf("labels %v", got.labels)
	}
}

// embedAll gives each text of a draft a vector.
func embedAll(t *testing.T, d *Draft, dir string) {
	t.Helper()
	ids := make([]loader.ID, d.Texts())
	for n := range ids {
		ids[n] = d.ID(int32(n))
	}
	slices.SortFunc(ids, loader.ID.Compare)
	dir = filepath.Join(dir, "embeddings", "any")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, loader.ManifestFile), []byte(`{"schema_version": 1, "model": "org/any", "dimensions": 5, "prompt": "query"}`), 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "0000.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	w := loader.NewSegmentWriter(f, loader.Manifest{SchemaVersion: 1, Dimensions: 5})
	rng := rand.New(rand.NewPCG(2, 2))
	for _, id := range ids {
		v := make([]float32, 5)
		for i := range v {
			v[i] = float32(rng.NormFloat64())
		}
		if err := w.Add(id, v); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// bareRow is a wide file's row without what a folder needs.
type bareRow struct {
	Text  string    `parquet:"question_text"`
	Left  []float32 `parquet:"question_text_EMB,list"`
	Other string    `parquet:"candidate_answers"`
	Right []float32 `parquet:"candidate_answers_EMB,list"`
	Label float64   `parquet:"label"`
}

// TestConvertRefuses says what a layout cannot hold, and leaves nothing.
func TestConvertRefuses(t *testing.T) {
	write := func(rows ...bareRow) string {
		path := filepath.Join(t.TempDir(), "wide.parquet")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		w := parquet.NewGenericWriter[bareRow](io.Writer(f))
		if _, err := w.Write(rows); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		f.Close()
		return path
	}
	x, y, z := []float32{1, 0}, []float32{0, 1}, []float32{1, 1}
	for _, c := range []struct {
		rows []bareRow
		want string
	}{
		{[]bareRow{{"q", x, "p", y, 1}, {"r", z, "", x, 0}},
			": row 1: a text of this pair is not known, and the other layout needs it: name the columns of the texts with --left-text-column and --right-text-column, or add it to texts.parquet"},
		{[]bareRow{{"q", x, "p", y, 1}, {"p", z, "q", x, 0}},
			": the text " + loader.TextID("p") + " has another vector on the left than on the right, and a folder has one for each text: embed the texts with cosfit embed, whose cache keeps both"},
	} {
		path := write(c.rows...)
		d, err := open(path)
		if err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), "out")
		err = (&Conversion{Data: d}).Folder(context.Background(), out, false)
		if want := "write " + out + ": " + path + c.want; err == nil || err.Error() != want {
			t.Errorf("\n%v\nwant\n%s", err, want)
		}
		if left, _ := os.ReadDir(filepath.Dir(out)); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
		d.Close()
	}
}
