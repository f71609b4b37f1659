package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/prepare"
	"github.com/cosfit/cosfit/loader/sample"
)

type minedPair struct {
	Left  string  `parquet:"left"`
	Right string  `parquet:"right"`
	Label float32 `parquet:"label"`
	Split string  `parquet:"split"`
	Group string  `parquet:"group"`
	Kind  string  `parquet:"kind"`
}

func readPairs(t *testing.T, dir string) []minedPair {
	t.Helper()
	rows, err := parquet.ReadFile[minedPair](filepath.Join(dir, "pairs.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestMine adds negatives to the sample and trains on what comes out.
func TestMine(t *testing.T) {
	dir := t.TempDir()
	out := must(t, dir, "mine", "--data", "sample", "--out", "mined", "--hard", "2", "--weak", "1", "--threads", "1")
	want := `sample, mined with all-MiniLM-L6-v2: mined

pairs            3,600, 900 of them new
queries          300 of train
hard negatives   600; 300 queries have the 2 asked for
weak negatives   300; 300 queries have the 1 asked for
`
	if !strings.HasPrefix(out, want) || !strings.HasSuffix(out, "vectors          copied: --embeddings all-MiniLM-L6-v2\n") {
		t.Errorf("printed\n%s", out)
	}
	must(t, dir, "mine", "--data", "sample", "--out", "none", "--weak", "1", "--seed", "9")
	weak := must(t, dir, "mine", "--data", "sample", "--out", "weak", "--hard", "1", "--max-score", "-1", "--weak", "1")
	if !strings.Contains(weak, "of a query and its least similar answer\n") {
		t.Errorf("without a hard negative it prints\n%s", weak)
	}
	before, rows := readPairs(t, "none")[:2700], readPairs(t, "mined")
	if !slices.Equal(rows[:2700], before) {
		t.Error("the pairs that were there have changed")
	}
	counts := map[string]int{}
	for _, r := range rows[2700:] {
		counts[r.Split+" "+r.Kind]++
		if r.Label != 0 || r.Group == "" {
			t.Fatalf("%+v", r)
		}
	}
	if len(counts) != 2 || counts["train hard"] != 600 || counts["train weak"] != 300 {
		t.Errorf("added %v", counts)
	}
	d, err := loader.Open(context.Background(), "mined", loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if d.Notes != nil || d.Model != "all-MiniLM-L6-v2" || d.Pairs.Len() != 3600 {
		t.Errorf("%d pairs, %q", d.Pairs.Len(), d.Notes)
	}
	must(t, dir, "train", "--data", "mined", "--out", "run", "--epochs", "1")

	// Neither threads nor the memory make a difference.
	must(t, dir, "mine", "--data", "sample", "--out", "again", "--hard", "2", "--weak", "1", "--threads", "2", "--memory", "1MB", "--scratch", "scratch")
	if a, b := readFile(t, "mined/pairs.parquet"), readFile(t, "again/pairs.parquet"); !bytes.Equal(a, b) {
		t.Error("other pairs with 2 threads and 1 MB")
	}
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestMineWithoutSplit: the splits that training would draw are drawn before,
// so that nothing mined is held out.
func TestMineWithoutSplit(t *testing.T) {
	dir := t.TempDir()
	d, err := loader.OpenFS(context.Background(), sample.FS(), sample.Name, loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d.SplitGiven = false
	source := filepath.Join(dir, "source")
	embeddings, err := fs.Sub(sample.FS(), "embeddings")
	if err != nil {
		t.Fatal(err)
	}
	if err := (&prepare.Conversion{Data: d, Embeddings: embeddings}).Folder(context.Background(), source, false); err != nil {
		t.Fatal(err)
	}
	var done mined
	if err := json.Unmarshal([]byte(must(t, dir, "mine", "--data", source, "--out", "mined", "--hard", "1", "--json")), &done); err != nil {
		t.Fatal(err)
	}
	if n := len(done.Notes); n < 2 || !strings.HasPrefix(done.Notes[0], "no split given") || !strings.HasPrefix(done.Notes[n-1], "no validation split given") {
		t.Errorf("notes %q", done.Notes)
	}
	hard := map[string]int{}
	splits := map[string]bool{}
	for i, r := range readPairs(t, "mined") {
		splits[r.Split] = true
		if i >= done.Before {
			hard[r.Split]++
		}
	}
	if len(splits) != 3 || len(hard) != 1 || hard["train"] != done.Report.Hard.Added {
		t.Errorf("splits %v, mined %v", splits, hard)
	}
}

// TestMineCached mines with vectors of the cache, among passages that are in no
// pair too, and says so where held-out splits are mined.
func TestMineCached(t *testing.T) {
	dir := t.TempDir()
	draft := prepare.NewDraft(dir)
	defer draft.Close()
	draft.LabelRange = "1..2"
	for i, text := range []string{"red apples", "green pears", "blue plums"} {
		p := prepare.Pair{Left: "who sells " + text, Right: "we sell " + text, Label: 2, Kind: loader.Positive, Split: loader.SplitNames()[i]}
		if err := draft.Add(prepare.Line("f", 1), p); err != nil {
			t.Fatal(err)
		}
		for j := range 20 {
			if _, err := draft.AddPassage(fmt.Sprintf("nobody sells %s on day %d of the year", text, j), ""); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := draft.Write(filepath.Join(dir, "fruit"), prepare.WriteOptions{Passages: true}); err != nil {
		t.Fatal(err)
	}
	must(t, dir, "embed", "--data", "fruit", "--provider", "hashing", "--dimensions", "64", "--cache", "cache")
	out := must(t, dir, "mine", "--data", "fruit", "--out", "mined", "--hard", "1", "--splits", "all", "--cache", "cache")
	for _, want := range []string{"3 queries have the 1 asked for", "stay in the cache cache: --embeddings hashing", "Negatives of validation and test were mined with hashing"} {
		if !strings.Contains(out, want) {
			t.Errorf("printed no %q:\n%s", want, out)
		}
	}
	used := map[string]bool{}
	for _, r := range readPairs(t, "mined")[3:] {
		if used[r.Right] || r.Label != 1 {
			t.Errorf("label %g of %s, which is a negative in two splits: %v", r.Label, r.Right, used[r.Right])
		}
		used[r.Right] = true
	}
	if _, err := os.Stat(filepath.Join("mined", "embeddings")); !os.IsNotExist(err) {
		t.Errorf("embeddings: %v", err)
	}
}

// A mistake ends in one sentence, and nothing is written.
func TestMineMistakes(t *testing.T) {
	dir := t.TempDir()
	must(t, dir, "mine", "--data", "sample", "--out", "there", "--weak", "1")
	draft := prepare.NewDraft(dir)
	defer draft.Close()
	for _, label := range []float64{0, 0.5, 1} {
		if err := draft.Add(prepare.Line("f", 1), prepare.Pair{Left: "a", Right: strings.Repeat("b", int(10*label)+1), Label: label, Split: "train"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := draft.Write("graded", prepare.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	must(t, dir, "embed", "--data", "graded", "--provider", "hashing", "--cache", "cache")
	if err := os.WriteFile("wide.parquet", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadDir(dir)
	for _, test := range []struct {
		flags string
		code  int
		want  string
	}{
		{"", 2, "how many negatives? Say it with --hard, --weak or both"},
		{"--hard -1", 2, "--hard is -1, want 0 or more"},
		{"--hard 1 --data sample", 2, "--out is missing: name the folder to write"},
		{"--hard 1 --out o", 2, "--data is missing: "},
		{"--hard 1 --out there --data sample", 1, "--out there exists: choose another name, or replace it with --force"},
		{"--hard 1 --out . --data sample --force", 1, "--out . exists and is no data set: choose another name"},
		{"--hard 1 --out o --data nowhere", 1, "open nowhere: file does not exist"},
		{"--hard 1 --out o --data wide.parquet", 1, "wide.parquet is a file, and negatives are mined among the texts of a data set folder: name one with --data"},
		{"--hard 1 --out o --data sample --embeddings ada --cache cache", 1, `sample: no embeddings named "ada"; there are: `},
		{"--hard 1 --out o --data sample --strategy best", 2, `--strategy "best" is unknown; there are: top, random, first`},
		{"--hard 1 --out o --data sample --from web", 2, `--from "web" is unknown; there are: corpus, document`},
		{"--hard 1 --out o --data sample --range 50..10", 2, `--range "50..10" is no range of ranks, want two whole numbers, the lower one first, such as 10..50`},
		{"--hard 1 --out o --data sample --max-score 90", 2, "--max-score is 90, want a cosine or a difference of two"},
		{"--hard 1 --out o --data sample --margin NaN", 2, "--margin is NaN, want a cosine or a difference of two"},
		{"--hard 1 --out o --data sample --splits train,dev", 2, `--splits "dev" is unknown; there are: train, validation, test, all`},
		{"--weak 1 --out o --data sample --max-score 0.9", 2, "--max-score is about hard negatives: say how many each query gets with --hard"},
		{"--hard 1 --out o --data graded --cache cache", 1, "graded: a label is 0.5, between the lowest and the highest: the labels are grades, and nobody knows that of a passage that is only found"},
		{"--hard 1 --out o --data sample --max-score -1", 1, "no negatives were found, and nothing was written; the reason for 300 of 300 queries: above --max-score"},
		{"--hard 1 --out o --data sample --min-score 1 --margin 0.1", 1, "no negatives were found, and nothing was written; the reason for 300 of 300 queries: below --min-score"},
		{"--hard 1 --out o --data sample --range 5000..5001", 1, "no negatives were found, and nothing was written; the reason for 300 of 300 queries: too few passages in question"},
		{"--hard 1 --out o --data sample --threads -1", 2, "--threads is -1, want 0 for all or a positive number"},
	} {
		code, stdout, stderr := cosfit(t, context.Background(), dir, append([]string{"mine"}, strings.Fields(test.flags)...)...)
		if want := "cosfit: " + test.want; code != test.code || !strings.HasPrefix(stderr, want) || strings.Count(stderr, "\n") != 1 || stdout != "" {
			t.Errorf("mine %s: exit code %d, printed %q%q, want %d, %q", test.flags, code, stderr, stdout, test.code, want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if code, _, stderr := cosfit(t, ctx, dir, "mine", "--data", "sample", "--out", "o", "--hard", "1"); code != 1 || stderr != "cosfit: interrupted, nothing was written\n" {
		t.Errorf("interrupted: exit code %d, %q", code, stderr)
	}
	if after, _ := os.ReadDir(dir); len(after) != len(before) {
		t.Errorf("the folder holds %v", after)
	}
}
