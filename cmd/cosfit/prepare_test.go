package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cosfit/cosfit/loader"
)

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestPreparePairs: what is said about a file, in words and in JSON.
func TestPreparePairs(t *testing.T) {
	dir := t.TempDir()
	var rows strings.Builder
	rows.WriteString("question,answer,score\n")
	for i := range 300 {
		fmt.Fprintf(&rows, "question %d,answer %d,%d\n", i/3, i, i%3)
	}
	rows.WriteString("question 0,answer 0,0\nquestion 0,answer 0,2\nquestion 5,,2\n")
	put(t, dir, "pairs.csv", rows.String())
	args := []string{"prepare", "pairs", "--in", "pairs.csv", "--score-range", "0:2", "--out", "data"}
	want := `
cosfit prepare pairs · csv

files    pairs.csv
columns  left: question (guessed)
         right: answer (guessed)
         label: score (guessed)
rows     303 read, 1 bad, 1 repeated, 1 contradicted
labels   0..2
texts    100 left, 300 right
  bad: pairs.csv: line 304: the right text is empty

                pairs    similar dissimilar left texts right texts
given             301        201        100        100         300
train             211        141         70         70         210
validation         45         30         15         15          45
test               45         30         15         15          45
all               301        201        100        100         300

Note: 211 train, 45 validation and 45 test pairs, drawn by group, keeping groups that share a text together.

Next: cosfit embed --data data
`
	if got := must(t, dir, args...); got != want {
		t.Errorf("it says\n%s\nwant\n%s", got, want)
	}
	code, _, stderr := cosfit(t, context.Background(), dir, args...)
	if code != 1 || stderr != "cosfit: --out data exists: choose another name, or replace it with --force\n" {
		t.Errorf("again: %d %s", code, stderr)
	}
	var s struct {
		Format, Folder string
		Rows           int64
		Pairs, Similar int
		Columns        []struct{ Role, Column string }
		Kinds          []struct{ Name string }
	}
	if err := json.Unmarshal([]byte(must(t, dir, append(args, "--force", "--json")...)), &s); err != nil {
		t.Fatal(err)
	}
	if s.Format != "csv" || s.Folder != "data" || s.Rows != 303 || s.Pairs != 301 || s.Similar != 201 || len(s.Columns) != 3 || s.Kinds[0].Name != "given" {
		t.Errorf("JSON says %+v", s)
	}
	must(t, dir, "embed", "--data", "data", "--provider", "hashing", "--cache", "cache")
	must(t, dir, "train", "--data", "data", "--cache", "cache", "--epochs", "1", "--out", "run")
}

// TestPrepareSplits: a file for each split, only similar pairs, and no texts in
// quotes.
func TestPrepareSplits(t *testing.T) {
	dir := t.TempDir()
	for _, split := range []string{"train", "validation", "test"} {
		var rows strings.Builder
		for i := range 40 {
			fmt.Fprintf(&rows, "x\tthe \"%s\" question %d\t\"its answer %d\n", split, i, i)
		}
		put(t, dir, split+".csv", rows.String())
	}
	got := must(t, dir, "prepare", "pairs", "--train-file", "train.csv", "--validation-file", "validation.csv", "--test-file", "test.csv",
		"--no-header", "--quotes", "none", "--left-column", "2", "--right-column", "3", "--out", "data")
	for _, want := range []string{
		"files    train.csv (train)\n         validation.csv (validation)", "Note: fields are separated by tabs, as in the first line.",
		"positive          120        120          0", "weak              240          0        240", "validation        120         40         80",
		"Note: all pairs are similar, so each query gets 2 dissimilar ones, drawn at random (--weak).",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("it does not say %q:\n%s", want, got)
		}
	}
}

// TestPrepareAllPassages: passages in no pair are kept where that is wanted.
func TestPrepareAllPassages(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "qa.json", `{"queries": {"a": "what boils"}, "corpus": {"x": "Water boils.", "y": "Snow melts."}, "relevant_docs": {"a": ["x"]}}`)
	for _, c := range []struct {
		flag string
		want int
	}{{"--weak=0", 2}, {"--all-passages", 3}} {
		must(t, dir, "prepare", "pairs", "--in", "qa.json", "--out", "data", "--force", c.flag)
		n := 0
		if err := loader.ReadTexts(os.DirFS(filepath.Join(dir, "data")), "data", func(loader.Text) error { n++; return nil }); err != nil || n != c.want {
			t.Errorf("%s: %d texts, want %d (%v)", c.flag, n, c.want, err)
		}
	}
}

// TestPrepareMistakes: one sentence each.
func TestPrepareMistakes(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a.csv", "query,passage,label\nq,p,1\nr,s,0\n")
	put(t, dir, "b.jsonl", `{"query": "q", "passage": "p"}`)
	put(t, dir, "squad.json", `{"data": [{"paragraphs": []}]}`)
	put(t, dir, "out/thesis.txt", "")
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"prepare fly", 2, `unknown command "prepare fly"; there are: pairs`},
		{"prepare pairs", 2, "--in is missing: name a file of pairs, or one for each split with --train-file, --validation-file and --test-file"},
		{"prepare pairs a.csv", 2, `prepare pairs takes no argument, got "a.csv"`},
		{"prepare pairs --in a.csv", 2, "--out is missing: name a folder for the data set, such as --out data"},
		{"prepare pairs --in a.csv --out out", 1, "--out out exists and is no data set: choose another name"},
		{"prepare pairs --in none.csv --out o", 1, "open none.csv: file does not exist"},
		{"prepare pairs --in a.csv --test-file a.csv --out o", 2, "--in and --test-file both name data: give one file of all splits, or a file for each with --train-file, --validation-file and --test-file"},
		{"prepare pairs --train-file a.csv --test-file b.jsonl --out o", 2, "a.csv is csv and b.jsonl is jsonl: all files need the same form, or say it with --format"},
		{"prepare pairs --in a.csv --format xml --out o", 2, `--format "xml" is unknown; there are: beir, csv, json, jsonl, llamaindex, parquet, squad, tsv`},
		{"prepare pairs --in b.jsonl --quotes none --out o", 2, "--quotes goes with csv, tsv, not jsonl"},
		{"prepare pairs --in squad.json --left-column q --out o", 2, "--left-column goes with csv, tsv, jsonl, json, parquet, not squad"},
		{"prepare pairs --in a.csv --unit sentence --out o", 2, "--unit goes with squad, not csv"},
		{"prepare pairs --in squad.json --unit word --out o", 2, `--unit "word" is unknown; there are: paragraph, sentence`},
		{"prepare pairs --in a.csv --quotes single --out o", 2, `--quotes "single" is unknown; there are: double, none`},
		{"prepare pairs --in a.csv --delimiter ab --out o", 2, `--delimiter is "ab", want one character, or tab`},
		{"prepare pairs --in a.csv --score-range 5 --out o", 2, `--score-range: "5" is not two numbers, the lower one first, such as 0:5`},
		{"prepare pairs --in a.csv --weak -1 --out o", 2, "--weak is -1, want 0 to 32767"},
		{"prepare pairs --in a.csv --pairs-per-text 0 --out o", 2, "--pairs-per-text is 0, want 1 or more"},
		{"prepare pairs --in a.csv --max-bad most --out o", 2, `--max-bad is "most", want a share such as 1% or 0.01`},
		{"prepare pairs --in a.csv --max-bad 101% --out o", 2, `--max-bad is "101%", want a share such as 1% or 0.01`},
		{"prepare pairs --in a.csv --left-column q --out o", 1, `a.csv: no column "q", which --left-column names; the file has: query, passage, label`},
		{"prepare pairs --in a.csv --scratch a.csv --out o", 1, "texts are kept in a scratch file in a.csv: "},
		{"prepare pairs --in . --out o", 1, ".: a folder without corpus.jsonl and queries.jsonl, which BEIR's form has: name a file"},
		{"prepare pairs --train-file . --format beir --out o", 2, "a folder in BEIR's form has all splits: name it with --in"},
		{"prepare pairs --in squad.json --out o", 1, "squad.json: there are no pairs in it"},
	} {
		code, _, stderr := cosfit(t, context.Background(), dir, strings.Fields(c.args)...)
		if code != c.code || !strings.HasPrefix(stderr, "cosfit: "+c.want) {
			t.Errorf("%s: exit code %d, printed %q, want %d and %q", c.args, code, stderr, c.code, c.want)
		}
	}
	left, _ := os.ReadDir(dir)
	var names []string
	for _, e := range left {
		names = append(names, e.Name())
	}
	if want := []string{"a.csv", "b.jsonl", "out", "squad.json"}; !slices.Equal(names, want) {
		t.Errorf("left behind: %v, want %v", names, want)
	}
}

// TestPrepareKilled: killed at any moment, it leaves a whole data set or none,
// and another call makes the same as if nothing had happened.
func TestPrepareKilled(t *testing.T) {
	kills := 30
	if testing.Short() {
		kills = 5
	}
	dir := t.TempDir()
	var rows strings.Builder
	rows.WriteString("query,passage\n")
	for i := range 15_000 {
		fmt.Fprintf(&rows, "how does thing %d work,\"thing %d works by itself, and that is all\"\n", i, i)
	}
	put(t, dir, "a.csv", rows.String())
	apart := func(out string) *exec.Cmd {
		c := exec.Command(os.Args[0], "prepare", "pairs", "--in", "a.csv", "--out", out, "--force", "--scratch", "scratch")
		c.Dir, c.Env, c.Stderr = dir, append(os.Environ(), asProgram+"=1"), new(bytes.Buffer)
		return c
	}
	whole := apart("whole")
	began := time.Now()
	if err := whole.Run(); err != nil {
		t.Fatalf("%v: %s", err, whole.Stderr)
	}
	work := time.Since(began)
	contents := func(out, name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, out, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	killed, found := 0, 0
	for try := range kills {
		if try%2 == 0 { // else it replaces one
			os.RemoveAll(filepath.Join(dir, "data"))
		}
		c := apart("data")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.Int64N(int64(work) * 5 / 4)))
		c.Process.Kill()
		if c.Wait() != nil {
			killed++
		}
		if _, err := os.Stat(filepath.Join(dir, "data")); err != nil {
			continue
		}
		found++
		for _, name := range []string{"pairs.parquet", "texts.parquet"} {
			if !bytes.Equal(contents("data", name), contents("whole", name)) {
				t.Fatalf("%s is not that of a whole data set", name)
			}
		}
	}
	t.Logf("%d of %d were killed, after %d there was a data set", killed, kills, found)
	last := apart("data")
	if err := last.Run(); err != nil {
		t.Fatalf("%v: %s", err, last.Stderr)
	}
	for _, name := range []string{"pairs.parquet", "texts.parquet"} {
		if !bytes.Equal(contents("data", name), contents("whole", name)) {
			t.Errorf("%s is not the same as without kills", name)
		}
	}
	if scratch, _ := os.ReadDir(filepath.Join(dir, "scratch")); len(scratch) > 0 && os.PathSeparator == '/' {
		t.Errorf("%d files are left in the scratch folder", len(scratch))
	}
}
