package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cosfit/cosfit/loader/nq/nqtest"
)

// nqFixture is the fixture of package nq, in both forms.
func nqFixture(t *testing.T) (simplified, original string) {
	t.Helper()
	dir, err := filepath.Abs("../../loader/nq/testdata")
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "simplified.jsonl"), filepath.Join(dir, "original.jsonl.gz")
}

// Both forms, and any number of threads, make the same data set; the report counts
// what is in it.
func TestPrepareNQ(t *testing.T) {
	simplified, original := nqFixture(t)
	dir := t.TempDir()
	var reports []nqReport
	for _, args := range [][]string{
		{"--in", simplified, "--out", "a", "--threads", "1"},
		{"--in", original, "--out", "b", "--threads", "3"},
		{"--in", simplified, "--out", "c", "--html", "seed"},
		{"--in", simplified, "--out", "d", "--min-chars", "30", "--keep-tables=false", "--annotations", "majority", "--max-tokens", "100"},
		{"--in", simplified, "--out", "f", "--min-chars", "30", "--keep-tables=false", "--annotations", "majority", "--max-tokens", "100", "--encoding", "o200k_base"},
	} {
		var r nqReport
		if err := json.Unmarshal([]byte(must(t, dir, append([]string{"prepare", "nq", "--json", "--cache", "cache"}, args...)...)), &r); err != nil {
			t.Fatal(err)
		}
		reports = append(reports, r)
	}
	sameFolder(t, filepath.Join(dir, "a"), filepath.Join(dir, "b"))
	a, d := reports[0], reports[3]
	if a.Rows != 46 || a.Questions != 38 || a.Unanswered != 7 || a.Blank != 1 || a.Repeated != 1 || a.Bad != 0 || a.Cut != 0 {
		t.Errorf("%+v", a)
	}
	if a.Passages.Count != a.Questions || a.Lengths.Max < 6000 || len(a.Below) != 11 || a.Below[8].Chars != 1000 || a.Below[8].Share < 0.9 {
		t.Errorf("%+v", a)
	}
	if reports[2].Lengths == a.Lengths {
		t.Error("--html seed changes no length")
	}
	if d.Unanswered != 8 || d.Questions != 37 || d.Cut == 0 || d.Long.Mean <= a.Long.Mean { // a row in which four of five marked nothing
		t.Errorf("%+v", d)
	}
	var texts [2][]byte
	for i, name := range []string{"d", "f"} {
		var err error
		if texts[i], err = os.ReadFile(filepath.Join(dir, name, "texts.parquet")); err != nil {
			t.Fatal(err)
		}
	}
	if bytes.Equal(texts[0], texts[1]) || reports[4].Cut == 0 {
		t.Error("--encoding o200k_base cuts where cl100k_base does")
	}
	table := must(t, dir, "prepare", "nq", "--in", simplified, "--out", "e", "--rows", "10", "--cache", "cache")
	for _, want := range []string{"          10  rows\n", "lower quartile", "Passages shorter than", "1,000"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %q:\n%s", want, table)
		}
	}
}

// Mistakes end in one sentence and leave nothing behind.
func TestPrepareNQMistakes(t *testing.T) {
	simplified, _ := nqFixture(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"bad.jsonl": "{\n[]\n\"\xff\"\n{\n", "empty.jsonl": "", "unanswered.jsonl": `{"question_text":"q","document_text":"x","long_answer_candidates":[],"annotations":[]}`,
		"cut.jsonl.gz": "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x00",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"--out o", 2, "--in is missing: name a file of NQ"},
		{"--in bad.jsonl", 2, "--out is missing"},
		{"--in none.jsonl --out o", 1, "--in none.jsonl: no such file or directory"},
		{"--in folder --out o", 1, "folder has no files *.jsonl or *.jsonl.gz"},
		{"--in bad.jsonl --out o", 1, "4 of the first 4 rows are bad, more than 1 %: bad.jsonl: line 1: ends in the middle; bad.jsonl: line 2: has a list at byte 1, want an object; bad.jsonl: line 3: is not UTF-8"},
		{"--in bad.jsonl --out o --max-bad 0", 1, "bad.jsonl: line 1: ends in the middle"},
		{"--in bad.jsonl --out o --max-bad 100%", 1, "bad.jsonl: none of 4 rows has an answer"},
		{"--in empty.jsonl --out o", 1, "empty.jsonl: none of 0 rows has an answer"},
		{"--in unanswered.jsonl --out o", 1, "none of 1 rows has an answer with text"},
		{"--in cut.jsonl.gz --out o", 1, "ends in the middle of its gzip data"},
		{"--in bad.jsonl --out folder/../bad.jsonl", 1, "name a folder"},
		{"--in bad.jsonl --out o --html dom", 2, `--html "dom" is unknown; there are: lines, seed`},
		{"--in bad.jsonl --out o --html seed --keep-tables=false", 2, "--keep-tables=false does not go with --html seed"},
		{"--in bad.jsonl --out o --annotations all", 2, `--annotations "all" is unknown; there are: first, majority`},
		{"--in bad.jsonl --out o --rows 0", 2, "--rows is 0, want 1 or more"},
		{"--in bad.jsonl --out o --min-chars -1", 2, "--min-chars is -1, want 0 or more"},
		{"--in bad.jsonl --out o --max-tokens -1", 2, "--max-tokens is -1"},
		{"--in bad.jsonl --out o --encoding p50k_base", 2, `--encoding "p50k_base" is unknown`},
		{"--in bad.jsonl --out o --hard -1", 2, "--hard is -1"},
		{"--in bad.jsonl --out o --provider none", 2, `--provider "none" is unknown`},
		{"--in bad.jsonl --out o --provider openai", 2, "--model is missing"},
		{"--in bad.jsonl --out o --split 1", 2, "--split is \"1\""},
		{"--in bad.jsonl --out o --max-bad much", 2, `--max-bad is "much"`},
	} {
		code, _, stderr := cosfit(t, t.Context(), dir, append([]string{"prepare", "nq", "--cache", "cache"}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: exit code %d: %s, want %d: %s", c.args, code, stderr, c.code, c.want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "o")); err == nil {
		t.Error("a mistake left a folder")
	}
	must(t, dir, "prepare", "nq", "--in", simplified, "--out", "o", "--cache", "cache")
	code, _, stderr := cosfit(t, t.Context(), dir, "prepare", "nq", "--in", simplified, "--out", "o", "--cache", "cache")
	if code != 1 || !strings.Contains(stderr, "replace it with --force") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	must(t, dir, "prepare", "nq", "--in", simplified, "--out", "o", "--cache", "cache", "--force")
}

// A command that is killed at any moment leaves a whole data set or none, and one
// that is started again makes the same.
func TestPrepareNQKilled(t *testing.T) {
	kills, size := 20, int64(4<<20)
	if testing.Short() {
		kills, size = 5, 2<<20
	}
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "nq.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := nqtest.Write(f, nqtest.Options{Tokens: 2000}, func(_, bytes int64) bool { return bytes > size }); err != nil {
		t.Fatal(err)
	}
	f.Close()
	apart := func(out string) *exec.Cmd {
		c := exec.Command(os.Args[0], "prepare", "nq", "--in", "nq.jsonl", "--out", out, "--min-chars", "100", "--scratch", "scratch", "--cache", "cache", "--force")
		c.Dir, c.Env = dir, append(os.Environ(), asProgram+"=1")
		c.Stderr = new(bytes.Buffer)
		return c
	}
	start := time.Now()
	if c := apart("whole"); c.Run() != nil {
		t.Fatal(c.Stderr)
	}
	took := time.Since(start)
	whole, out := filepath.Join(dir, "whole"), filepath.Join(dir, "out")
	killed, found := 0, 0
	for i := range kills {
		if i%2 == 0 {
			if err := os.RemoveAll(out); err != nil {
				t.Fatal(err)
			}
		}
		c := apart("out")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.Int64N(int64(took) * 5 / 4)))
		c.Process.Kill()
		if c.Wait() != nil {
			killed++
		}
		if _, err := os.Stat(out); err == nil {
			found++
			sameFolder(t, whole, out)
		}
	}
	t.Logf("%d of %d were killed, after each of %d there was a whole data set", killed, kills, found)
	if c := apart("out"); c.Run() != nil {
		t.Fatal(c.Stderr)
	}
	sameFolder(t, whole, out)
	left, _ := os.ReadDir(filepath.Join(dir, "scratch"))
	for _, e := range left { // a kill in the moment before a file loses its name leaves an empty one, which is tidied later
		if info, err := e.Info(); err != nil || info.Size() > 0 {
			t.Errorf("left in the folder for scratch files: %v", e)
		}
	}
}

// sameFolder wants two data sets to be the same, byte by byte.
func sameFolder(t *testing.T, a, b string) {
	t.Helper()
	for _, name := range []string{"pairs.parquet", "texts.parquet"} {
		x, err := os.ReadFile(filepath.Join(a, name))
		if err != nil {
			t.Fatal(err)
		}
		y, err := os.ReadFile(filepath.Join(b, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(x, y) {
			t.Errorf("%s differs between %s and %s", name, a, b)
		}
	}
}
