package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/internal/rundir"
)

// TestGuard tries a matrix on the texts of another data set, whose vectors are in
// the same cache, and again from what the run recorded.
func TestGuard(t *testing.T) {
	dir := t.TempDir()
	writePairs(t, dir, "pairs.csv", 60)
	put(t, dir, "other.csv", strings.ReplaceAll(string(readFile(t, filepath.Join(dir, "pairs.csv"))), "tool", "animal"))
	for _, name := range []string{"pairs", "other"} {
		must(t, dir, "prepare", "pairs", "--in", name+".csv", "--out", name)
		must(t, dir, "embed", "--data", name, "--provider", "hashing", "--dimensions", "64", "--cache", "cache")
	}
	train := []string{"train", "--data", "pairs", "--cache", "cache", "--epochs", "2", "--out", "run"}
	panel := must(t, dir, append(train, "--guard", "other")...)
	if joined := strings.Join(strings.Fields(panel), " "); !strings.Contains(joined, "On texts it was not learned for (other), ") ||
		!strings.Contains(joined, "most of the labels can be told without comparing anything") {
		t.Errorf("the panel lacks what happens to other texts, or that all negatives are of one kind:\n%s", panel)
	}
	summary := func(args ...string) (s rundir.Summary) {
		t.Helper()
		if err := json.Unmarshal([]byte(must(t, dir, append(args, "--json")...)), &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	g := summary("eval", "--run", "run").Guard // 60 answers that say "nothing can replace device" are in both
	if g == nil || g.Path != filepath.Join(dir, "other") || g.Texts != 120 || !(g.NeighboursKept > 0.2 && g.NeighboursKept <= 1) {
		t.Errorf("the run's own guard: %+v", g)
	}
	must(t, dir, "cache", "export", "--cache", "cache", "--out", "all.parquet")
	if alone := summary("eval", "--run", "run", "--guard", "all.parquet").Guard; alone.Texts != g.Texts || alone.NeighboursKept != g.NeighboursKept || alone.Spearman != g.Spearman {
		t.Errorf("texts and vectors of both in a file: %+v, want as before %+v", alone, g)
	}
	if g := summary("eval", "--run", "run", "--guard", "-").Guard; g != nil {
		t.Errorf("asked for none: %+v", g)
	}
	if s := summary("eval", "--run", "run", "--data", "other", "--cache", "cache"); s.Guard != nil || !strings.Contains(strings.Join(s.Data.Notes, " "), "the texts that the run was tried on are left out") {
		t.Errorf("scored on the guard itself: %+v, notes %q", s.Guard, s.Data.Notes)
	}
	if s := summary(append(train, "--force")...); s.Guard != nil || s.Account == nil {
		t.Errorf("without one: %+v, account %+v", s.Guard, s.Account)
	}
	put(t, dir, "broken.jsonl", `{"text": "a", "embedding": [1, "b"]}`)
	for _, c := range []struct{ guard, want string }{
		{"sample", "sample has embeddings of 384 dimensions and pairs of 64: --guard takes texts with vectors of the same model"},
		{"pairs", filepath.Join(dir, "pairs") + " has 0 texts that are not in pairs: --guard takes at least 21"},
		{"broken.jsonl", "broken.jsonl: line 1: "},
		{"nowhere", "open " + filepath.Join(dir, "nowhere") + ": file does not exist"},
	} {
		code, _, stderr := cosfit(t, context.Background(), dir, "train", "--data", "pairs", "--cache", "cache", "--out", "new", "--guard", c.guard)
		if code != 1 || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") > 1 {
			t.Errorf("--guard %s: exit code %d, %s", c.guard, code, stderr)
		}
		if _, err := os.Stat(filepath.Join(dir, "new")); err == nil {
			t.Errorf("--guard %s: a run was made", c.guard)
		}
	}
}

// TestGuardOfTheSame: the sample guards what has vectors of its model.
func TestGuardOfTheSame(t *testing.T) {
	dir := t.TempDir()
	writePairs(t, dir, "pairs.csv", 60)
	must(t, dir, "prepare", "pairs", "--in", "pairs.csv", "--out", "pairs")
	must(t, dir, "embed", "--data", "pairs", "--provider", "hashing", "--dimensions", "384", "--cache", "cache")
	must(t, dir, "cache", "export", "--cache", "cache", "--out", "vectors.parquet")
	must(t, dir, "cache", "import", "--cache", "named", "--in", "vectors.parquet", "--provider", "local", "--model", "sentence-transformers/all-MiniLM-L6-v2")
	for _, c := range []struct {
		cache, want string
		args        []string
	}{
		{"named", "sample", nil},
		{"named", "", []string{"--guard", "-"}},
		{"cache", "", nil},
	} {
		args := append([]string{"train", "--data", "pairs", "--cache", c.cache, "--epochs", "1", "--out", "run", "--force", "--json"}, c.args...)
		var s rundir.Summary
		if err := json.Unmarshal([]byte(must(t, dir, args...)), &s); err != nil {
			t.Fatal(err)
		}
		if s.Config.Guard != c.want || (s.Guard != nil) != (c.want != "") {
			t.Errorf("%s %v: guarded by %q, %+v", c.cache, c.args, s.Config.Guard, s.Guard)
		}
	}
}
