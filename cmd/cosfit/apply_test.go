package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/projection"
)

// passage is a row of the file that is customised.
type passage struct {
	Text      string    `parquet:"text"`
	Embedding []float64 `parquet:"embedding,list"`
}

// applyFolder holds a matrix [3, 2] as m.npy, one of each kind of side, a file
// of two passages and one whose second vector is NaN.
func applyFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	save := func(name string, write func(io.Writer) error) {
		t.Helper()
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := projection.Projection{Matrix: []float32{3, 4, 0, 1, 1, 0}, In: 3, Out: 2}
	save("m.npy", p.WriteNPY)
	for _, side := range []string{projection.SideBoth, projection.SideQuery, projection.SideRight} {
		p.Metadata = projection.Metadata{Side: side, Normalize: side == projection.SideQuery}
		save(side+".safetensors", p.WriteSafetensors)
	}
	p.Metadata = projection.Metadata{Side: projection.SideDual}
	p.MatrixRight = []float32{1, 0, 0, 1, 0, 0}
	save("dual.safetensors", p.WriteSafetensors)
	rows := []passage{{"é", []float64{1, 0, 0}}, {"", []float64{0, 2, 1}}}
	save("in.parquet", func(w io.Writer) error { return parquet.Write(w, rows) })
	rows[1].Embedding[2] = math.NaN()
	save("nan.parquet", func(w io.Writer) error { return parquet.Write(w, rows) })
	return dir
}

func TestApply(t *testing.T) {
	dir := applyFolder(t)
	for _, test := range []struct {
		flags string
		want  [2][]float64
	}{
		{"--matrix m.npy", [2][]float64{{3, 4}, {1, 2}}},
		{"--matrix m.npy --column embedding --side right --threads 1", [2][]float64{{3, 4}, {1, 2}}},
		{"--matrix m.npy --normalize", [2][]float64{{0.6, 0.8}, {1 / math.Sqrt(5), 2 / math.Sqrt(5)}}},
		{"--matrix query.safetensors --side left", [2][]float64{{0.6, 0.8}, {1 / math.Sqrt(5), 2 / math.Sqrt(5)}}},
		{"--matrix query.safetensors --side left --normalize=false", [2][]float64{{3, 4}, {1, 2}}},
		{"--matrix dual.safetensors --side left", [2][]float64{{3, 4}, {1, 2}}},
		{"--matrix dual.safetensors --side right", [2][]float64{{1, 0}, {0, 2}}},
	} {
		out := must(t, dir, strings.Fields("apply --in in.parquet --out out.parquet --force "+test.flags)...)
		if !strings.HasPrefix(out, "out.parquet: 2 rows, 3 → 2") || !strings.HasSuffix(out, " vectors/s\n") {
			t.Errorf("%s printed %q", test.flags, out)
		}
		rows, err := parquet.ReadFile[passage]("out.parquet")
		if err != nil || len(rows) != 2 || rows[0].Text != "é" || rows[1].Text != "" {
			t.Fatalf("%s: %+v, %v", test.flags, rows, err)
		}
		for i, r := range rows {
			if !slices.EqualFunc(r.Embedding, test.want[i], func(a, b float64) bool { return math.Abs(a-b) < 1e-7 }) {
				t.Errorf("%s: row %d is %v, want %v", test.flags, i, r.Embedding, test.want[i])
			}
		}
	}
	_, _, said := cosfit(t, context.Background(), dir, strings.Fields("apply --matrix m.npy --in in.parquet --out out2.parquet")...)
	if want := "in.parquet: column embedding, the only one that fits the matrix's 3 rows\n"; said != want {
		t.Errorf("said %q, want %q", said, want)
	}
	var a application
	text := must(t, dir, strings.Fields("apply --matrix m.npy --in in.parquet --out out3.parquet --json")...)
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		t.Fatal(err)
	}
	a.Seconds, a.Rate = 0, 0
	if want := (application{In: "in.parquet", Out: "out3.parquet", Format: "parquet", Column: "embedding", Rows: 2, Before: 3, After: 2}); a != want {
		t.Errorf("%+v, want %+v", a, want)
	}
}

// A mistake ends in one sentence, and leaves the folder as it was.
// TestApplyOtherModel: a file that says whose vectors it has is compared with the matrix.
func TestApplyOtherModel(t *testing.T) {
	dir := applyFolder(t)
	p, err := projection.Load(filepath.Join(dir, "both.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	p.Metadata.Model = "large"
	var b bytes.Buffer
	if err := p.WriteSafetensors(&b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "large.safetensors"), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	for space, want := range map[string]bool{`{"model":"small"}`: true, `{"model":"acme/large"}`: false, `{}`: false, `{`: false} {
		b.Reset()
		if err := parquet.Write(&b, []passage{{"é", []float64{1, 0, 0}}}, parquet.KeyValueMetadata(loader.WideSpaceKey, space)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "named.parquet"), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		code, _, stderr := cosfit(t, context.Background(), dir, "apply", "--matrix", "large.safetensors", "--in", "named.parquet", "--out", "out.parquet", "--force")
		if said := strings.Contains(stderr, "learned from vectors of large, and these are of small"); code != 0 || said != want {
			t.Errorf("%s: exit code %d: %s", space, code, stderr)
		}
	}
}

func TestApplyMistakes(t *testing.T) {
	dir := applyFolder(t)
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		flags string
		code  int
		want  string
	}{
		{"", 2, "--in is missing: name the file of embeddings, such as --in vectors.parquet"},
		{"--in in.parquet", 2, "--out is missing: name the file to write, such as --out custom.parquet"},
		{"--in in.parquet --out o.parquet", 2, "--run is missing: name the folder of a run, such as --run cosfit-demo, or a matrix file with --matrix"},
		{"--in in.parquet --out ./in.parquet --force", 2, "--out is the same file as --in: choose another name"},
		{"--in in.parquet --out m.npy", 1, "m.npy exists: choose another name, or replace it with --force"},
		{"--in in.parquet --out . --force", 1, ". is a folder: name a file with --out"},
		{"--in in.parquet --out o.npy --matrix m.npy", 2, "--out o.npy has the name of another format: apply writes what it reads, here parquet"},
		{"--in in.parquet --out o.parquet --matrix m.npy --threads -1", 2, "--threads is -1, want 0 for all or a positive number"},
		{"--in in.parquet --out none/o.parquet --matrix m.npy --column embedding", 1, "write none/o.parquet: no such file or directory"},
		{"--in none.npy --out o.parquet --matrix m.npy", 1, "open none.npy: file does not exist"},
		{"--in in.parquet --out o.parquet --matrix m.npy --column text", 1, `in.parquet: column "text" holds one value of type STRING in each row, want a list of numbers`},
		{"--in m.npy --out o.npy --matrix m.npy", 1, "m.npy: vectors have 2 values, want the matrix's 3"},
		{"--in nan.parquet --out m.npy --matrix both.safetensors --column embedding --force", 2, "--out m.npy has the name of another format"},
		{"--in nan.parquet --out in.parquet --matrix m.npy --column embedding --force", 1, "nan.parquet: row 1: embedding has NaN at position 2, want finite numbers: embed the text again or drop the row"},
		{"--in in.parquet --out o.parquet --matrix m.npy --side top", 2, `--side "top" is unknown; there are: left, right`},
		{"--in in.parquet --out o.parquet --matrix dual.safetensors", 2, "--side is missing: the run has a matrix for each side, left (queries) and right (passages)"},
		{"--in in.parquet --out o.parquet --matrix query.safetensors", 2, "--side is missing: the matrix is for left-side texts (queries) only, so say --side left where the file holds those"},
		{"--in in.parquet --out o.parquet --matrix query.safetensors --side right", 1, "the matrix is for left-side texts (queries) only: right-side texts (passages) keep their embeddings as they are"},
		{"--in in.parquet --out o.parquet --matrix right.safetensors --side left", 2, "--side right is missing: the matrix is for right-side texts (passages) only"},
	} {
		code, stdout, stderr := cosfit(t, context.Background(), dir, strings.Fields("apply "+test.flags)...)
		if want := "cosfit: " + test.want; code != test.code || !strings.HasPrefix(stderr, want) || strings.Count(stderr, "\n") != 1 || stdout != "" {
			t.Errorf("apply %s: exit code %d, printed %q%q, want %d, %q", test.flags, code, stderr, stdout, test.code, want)
		}
		if after, err := os.ReadDir(dir); err != nil || len(after) != len(before) {
			t.Errorf("apply %s: the folder holds %v, %v", test.flags, after, err)
		}
	}
	if rows, err := parquet.ReadFile[passage]("in.parquet"); err != nil || len(rows) != 2 {
		t.Errorf("the file that was to be replaced: %v, %v", rows, err)
	}
}

// Ctrl-C and a disk that is full leave what was there.
func TestApplyStops(t *testing.T) {
	dir := applyFolder(t)
	t.Chdir(dir)
	if err := os.WriteFile("out.parquet", []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := loader.OpenVectors("in.parquet", "", loader.Transform{In: 3, Out: 2, Apply: func(dst, x []float32) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err = customise(ctx, f, "out.parquet", newRowBar(io.Discard, false, f.Rows, "row"))
	if err == nil || err.Error() != "interrupted: out.parquet was not written" {
		t.Errorf("error %v", err)
	}
	code, _, stderr := cosfit(t, ctx, dir, strings.Fields("apply --matrix m.npy --in in.parquet --out out.parquet --column embedding --force")...)
	if want := "cosfit: interrupted: out.parquet was not written\n"; code != 1 || stderr != want {
		t.Errorf("exit code %d, %q, want %q", code, stderr, want)
	}
	entries, _ := os.ReadDir(".")
	if data, err := os.ReadFile("out.parquet"); err != nil || string(data) != "old" || len(entries) != 8 {
		t.Errorf("out.parquet is %q, %v, beside %v", data, err, entries)
	}
	if _, err := os.Stat("/dev/full"); err != nil {
		return
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	s := &sink{w: full}
	if err := f.Write(context.Background(), s, func(int64) {}); err == nil || s.err == nil {
		t.Errorf("writing to a full disk: %v, %v", err, s.err)
	}
}

func TestRowBar(t *testing.T) {
	var s screen
	b := newRowBar(&s, true, 100, "row")
	for _, rows := range []int64{20, 70} {
		b.show(rows)
		s.await(t, fmt.Sprintf("row %d/100 [", rows), fmt.Sprintf("] %d %%", rows))
	}
	fmt.Fprint(&s, "^C")
	b.stop()
	if got := s.left(); got != "" {
		t.Errorf("left %q", got)
	}
	var quiet screen
	b = newRowBar(&quiet, false, 100, "row")
	b.show(100)
	b.stop()
	if got := quiet.written(); got != "" {
		t.Errorf("beside a terminal it writes %q", got)
	}
}
