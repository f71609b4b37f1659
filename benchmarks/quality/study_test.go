package main

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/loader"
)

func openSample(t *testing.T, draw int) *loader.Dataset {
	t.Helper()
	data, err := source{}.open(context.Background(), sets()[0], draw)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { data.Close() })
	return data
}

func TestDraws(t *testing.T) {
	all := openSample(t, 0)
	d, again, other := newDraw(all, sets()[0], 200, 0), newDraw(all, sets()[0], 200, 0), newDraw(all, sets()[0], 200, 1)
	if !slices.Equal(d.labelled.Pairs.Left, again.labelled.Pairs.Left) {
		t.Error("the same draw has other pairs the second time")
	}
	if slices.Equal(d.labelled.Pairs.Left, other.labelled.Pairs.Left) {
		t.Error("two draws have the same pairs")
	}
	if n := d.labelled.Pairs.Len(); n < 200 || n > 205 {
		t.Errorf("a draw of 200 pairs has %d", n)
	}
	if len(d.labelled.Indices(loader.Test)) > 0 || len(d.labelled.Indices(loader.Validation)) > 0 || len(d.carved.Indices(loader.Validation)) == 0 {
		t.Error("labelled pairs are for training, and only the carved ones have a validation split")
	}
	size := map[int32]int{}
	for _, i := range all.Indices(loader.Train) {
		size[all.Pairs.Group[i]]++
	}
	drawn := map[int32]int{}
	for _, g := range d.labelled.Pairs.Group {
		drawn[g]++
	}
	for g, n := range drawn {
		if size[g] != n {
			t.Errorf("%d of %d pairs of group %d were drawn", n, size[g], g)
		}
	}
	if slices.Equal(d.test, openSample(t, 1).Indices(loader.Test)) {
		t.Error("two divisions of the documents have the same test split")
	}
}

func TestSearchTakesTheBestOnValidation(t *testing.T) {
	d := newDraw(openSample(t, 0), sets()[0], 200, 0)
	labels := listOf(d.carved, d.carved.Indices(loader.Validation)).Labels
	best, err := d.search(3, func(trial int) (outcome, error) {
		if trial == 2 {
			return outcome{}, errors.New("diverged")
		}
		o := outcome{validation: slices.Clone(labels), seconds: 1, threshold: float64(trial), accepted: true}
		if trial == 0 {
			for i := range o.validation {
				o.validation[i] *= -1
			}
		}
		return o, nil
	})
	if err != nil || best.threshold != 1 || best.seconds != 2 {
		t.Errorf("trial %v after %v s, %v; want trial 1 after 2 s", best.threshold, best.seconds, err)
	}
	if _, err := d.search(2, func(int) (outcome, error) { return outcome{}, errors.New("diverged") }); err == nil {
		t.Error("a search in which no trial ends gives no error")
	}
}

// Rows that are there are kept, whatever cut the last one off.
func TestRowsGoOn(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "set-model.jsonl")
	open := func() *rows {
		r, err := openRows(path, filepath.Join(folder, "cosines"))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := open()
	row := Row{Set: "set", Method: "a", Size: 200, Accepted: true}
	if err := r.add(row, outcome{validation: []float32{1}, test: []float32{2, 3}, threshold: math.NaN()}); err != nil {
		t.Fatal(err)
	}
	row.Method = "a-tuned"
	if err := r.add(row, outcome{}); err != nil {
		t.Fatal(err)
	}
	r.close()
	whole, _ := os.ReadFile(path)
	if err := os.WriteFile(path, append(whole, `{"set":"se`...), 0o666); err != nil {
		t.Fatal(err)
	}
	r = open()
	if !r.has("200-0-a") || !r.has("200-0-a-tuned") || r.has("200-1-a") {
		t.Errorf("rows %v", r.byKey)
	}
	if err := r.forget([]string{"b"}); err != nil { // writes the file anew, without the half line
		t.Fatal(err)
	}
	row.Method = "c"
	if err := r.add(row, outcome{}); err != nil {
		t.Fatal(err)
	}
	if err := r.forget([]string{"a-tuned"}); err != nil {
		t.Fatal(err)
	}
	r.close()
	list, err := readLines[Row](path)
	if err != nil || len(list) != 2 || list[0].Method != "a" || list[1].Method != "c" {
		t.Errorf("rows %v, %v; want a and c", list, err)
	}
}

// The study runs on the sample from end to end, and its tables have what it found.
func TestStudyOnTheSample(t *testing.T) {
	out := t.TempDir()
	args := []string{"run", "--sets", "none", "--model", "minilm", "--embeddings", sampleModel, "--only", "sample", "--out", out, "--work", t.TempDir(),
		"--sizes", "200,1000", "--draws", "2,1", "--search-draws", "0,0", "--methods", "untrained,closed,default"}
	for range 2 { // the second time nothing is computed
		if err := command(context.Background(), args); err != nil {
			t.Fatal(err)
		}
	}
	list, err := readLines[Row](filepath.Join(out, "sample-minilm.jsonl"))
	if want := 3 * (2 + len(closedForms()) + 1); err != nil || len(list) != want {
		t.Fatalf("%d rows, %v; want %d", len(list), err, want)
	}
	for _, row := range list {
		if row.Incomplete != "" {
			t.Errorf("%s: %s", row.key(), row.Incomplete)
		}
	}
	file := filepath.Join(out, "tables.md")
	if err := command(context.Background(), []string{"table", "--in", out, "--out", file}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| sample | minilm | 200 |", "| sample | minilm | 1000 |", "best closed form"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the tables lack %q:\n%s", want, text)
		}
	}
}

// Source: the example of Holm's method in R, p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm").
func TestHolm(t *testing.T) {
	got := holm([]float64{0.01, 0.04, 0.03, 0.005})
	for i, want := range []float64{0.03, 0.06, 0.06, 0.02} {
		near(t, "adjusted p", got[i], want)
	}
}

// The bootstrap knows how sure a gain is: with independent pairs, each a group
// of its own, the standard error of an accuracy is √(p·(1−p)/n).
func TestComparisonStandardError(t *testing.T) {
	const n = 400
	r := &resampler{counts: map[string][]float64{}}
	k := kind{figure: "accuracy"}
	mine, other := &estimate{map[kind]float64{k: 0.75}, map[kind][]float64{}}, &estimate{map[kind]float64{k: 0}, map[kind][]float64{k: make([]float64, resamples)}}
	for b := range resamples {
		right, all := 0.0, 0.0
		for i := range n {
			c := r.of(string(rune('一' + i)))[b]
			all += c
			if i%4 > 0 {
				right += c
			}
		}
		mine.resample[k] = append(mine.resample[k], right/all)
	}
	c, ok := comparison(map[int]*estimate{0: mine}, map[int]*estimate{0: other}, k)
	want := math.Sqrt(0.75 * 0.25 / n)
	if !ok || math.Abs(c.SE-want) > want/10 || math.Abs(c.Gain-0.75) > 1e-12 || math.Abs(c.High-c.Low-3.92*want) > want/2 {
		t.Errorf("gain %v ± %v in [%v, %v], want 0.75 ± %v", c.Gain, c.SE, c.Low, c.High, want)
	}
}
