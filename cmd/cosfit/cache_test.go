package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader/embed/cache"
)

// importLines brings n vectors of two dimensions into the cache in dir/cache.
func importLines(t *testing.T, dir, model string, n int) {
	t.Helper()
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, `{"text": "text %d", "embedding": [%d, 1]}`+"\n", i, i)
	}
	if err := os.WriteFile(filepath.Join(dir, "in.jsonl"), []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, dir, "cache", "import", "--cache", "cache", "--in", "in.jsonl", "--provider", "openai", "--model", model)
}

// TestCacheCommands goes through the life of a cache.
func TestCacheCommands(t *testing.T) {
	dir := t.TempDir()
	if out := must(t, dir, "cache", "stats", "--cache", "cache"); out != "the cache is empty: fill it with cosfit embed\n" {
		t.Errorf("stats of an empty cache:\n%s", out)
	}
	importLines(t, dir, "ada", 10)
	importLines(t, dir, "ada", 20)
	importLines(t, dir, "bge", 5)

	var stats []cache.Stats
	if err := json.Unmarshal([]byte(must(t, dir, "cache", "stats", "--cache", "cache", "--json")), &stats); err != nil {
		t.Fatal(err)
	}
	if len(stats) != 2 || stats[0].Name != "openai-ada-2" || stats[0].Rows != 20 || stats[0].Segments != 2 || stats[1].Space.Model != "bge" {
		t.Errorf("stats are %+v", stats)
	}
	if out := must(t, dir, "cache", "compact", "--cache", "cache", "--embeddings", "openai-ada-2"); !strings.HasPrefix(out, "openai-ada-2: 2 segments, now 1, ") {
		t.Errorf("compact says %s", out)
	}
	if out := must(t, dir, "cache", "verify", "--cache", "cache"); !strings.HasPrefix(out, "openai-ada-2: 1 segment, 20 vectors, ") {
		t.Errorf("verify says %s", out)
	}

	for _, out := range []string{"all.parquet", "all.jsonl", "all.npy"} {
		must(t, dir, "cache", "export", "--cache", "cache", "--embeddings", "openai-ada-2", "--out", out)
		args := []string{"cache", "import", "--cache", "copy-" + out, "--in", out, "--provider", "p", "--model", "m", "--json"}
		if out == "all.npy" {
			args = append(args, "--ids", out+".ids.txt")
		}
		var done cache.Imported
		if err := json.Unmarshal([]byte(must(t, dir, args...)), &done); err != nil {
			t.Fatal(err)
		}
		if want := (cache.Imported{Rows: 20, Added: 20, Folder: filepath.Join("copy-"+out, "p-m-2")}); done != want {
			t.Errorf("%s comes in as %+v, want %+v", out, done, want)
		}
	}

	segments, err := filepath.Glob(filepath.Join(dir, "cache", "openai-bge-2", "*.parquet"))
	if err != nil || len(segments) != 1 {
		t.Fatalf("%v, %v", segments, err)
	}
	data, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(segments[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := cosfit(t, context.Background(), dir, "cache", "verify", "--cache", "cache")
	aside := filepath.Join("cache", "openai-bge-2", "damaged", filepath.Base(segments[0]))
	if code != 1 || !strings.Contains(stdout, "  damaged, put aside: "+aside+"\n") ||
		stderr != "cosfit: put aside: 1 damaged segment: cosfit embed embeds their texts again\n" {
		t.Errorf("verify of damage: %d\n%s%s", code, stdout, stderr)
	}
	if out := must(t, dir, "cache", "stats", "--cache", "cache", "--embeddings", "openai-bge-2"); out != "openai-bge-2: 0 vectors in 0 segments, 0 B, 1 damaged segment put aside\n" {
		t.Errorf("stats after damage: %s", out)
	}
}

func TestCacheMistakes(t *testing.T) {
	dir := t.TempDir()
	importLines(t, dir, "ada", 2)
	importLines(t, dir, "bge", 2)
	for name, text := range map[string]string{
		"not.json":  "[1, 2]",
		"zero.json": `{"text": "a", "embedding": [0, 0]}`,
		"cut.json":  "{\"text\": \"a\", \"embedding\": [1, 0]}\n{\"text\": \"b\", \"emb",
		"long.json": "{\"text\": \"a\", \"embedding\": [1, 0]}\n{\"text\": \"b\", \"embedding\": [1, 0, 1]}",
		"id.json":   `{"id": "q1", "embedding": [1, 0]}`,
		"none.json": `{"body": "a", "embedding": [1, 0]}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in := "cache import --cache cache --provider openai --model ada --in "
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"cache frobnicate", 2, `unknown command "cache frobnicate"; there are: stats, verify, compact, import, export`},
		{"cache stats --cache cache --embeddings x", 1, `cache: no embeddings named "x" in the cache; there are: openai-ada-2, openai-bge-2`},
		{"cache stats --cache none --embeddings x", 1, `none: no embeddings named "x" in the cache; there are none`},
		{"cache verify --cache cache --embeddings x", 1, `cache: no embeddings named "x" in the cache: see cosfit cache stats`},
		{"cache export --cache cache --out a.npy", 2, "--embeddings is missing: choose one of: openai-ada-2, openai-bge-2"},
		{"cache export --cache cache --out a.csv", 2, `--out is "a.csv", want a name that ends in one of: .jsonl, .npy, .parquet`},
		{"cache export --cache cache --embeddings openai-ada-2 --out not.json", 2, `--out is "not.json", want a name that ends in one of: .jsonl, .npy, .parquet`},
		{"cache export --cache cache", 2, "--out is missing: name the file to write, such as --out all.parquet"},
		{"cache import --cache cache --in in.jsonl --provider p", 2, "--model is missing; see cosfit cache import --help"},
		{in + "none", 1, "open none: file does not exist"},
		{in + "not.json", 1, "open not.json: neither Parquet nor npy nor JSON lines, by its first bytes: save the vectors as one of these"},
		{in + "zero.json", 1, "zero.json: line 1: embedding is all zeros, which has no direction: embed the text again or drop the row"},
		{in + "cut.json", 1, "cut.json: line 2: not a JSON object: unexpected end of JSON input"},
		{in + "long.json", 1, "long.json: line 2: embedding has 3 values, the first has 2: all vectors need the same length"},
		{in + "id.json", 1, `id.json: line 1: "q1" is not the id of a text, which is the first 32 hexadecimal digits of its SHA-256, in small letters`},
		{in + "none.json", 1, `none.json: line 1: neither "text" nor "id": name the one that has the texts`},
		{in + "in.jsonl --texts x", 1, "in.jsonl: a file of texts or ids goes with npy only: this one names them itself"},
		{in + "in.jsonl --text-column a --id-column b", 2, "--text-column and --id-column exclude each other"},
		{"embed", 2, `--data is missing: name a data set folder, or "sample"`},
		{"embed --data sample --provider x", 2, `--provider "x" is unknown; there are: ` + strings.Join(providers().names(), ", ")},
		{"embed --data sample --provider hashing --dimensions 0", 2, "--dimensions is 0, want 1 to 65536"},
		{"embed --data gone --cache cache --provider hashing", 1, `there is no folder gone: --data names a data set folder, or "sample"`},
		{"embed --data in.jsonl --cache cache --provider hashing", 1, `in.jsonl is a file: --data names a data set folder with the texts in it, or "sample"`},
		{"embed --data cache --cache cache --provider hashing", 1, "cache: no texts.parquet in it: texts to embed stand there, in the columns id and text"},
	} {
		code, _, stderr := cosfit(t, context.Background(), dir, strings.Fields(c.args)...)
		if code != c.code || stderr != "cosfit: "+c.want+"\n" {
			t.Errorf("%s: %d\ngot  %swant cosfit: %s", c.args, code, stderr, c.want)
		}
	}
}

// What is damaged or not to be understood is named, with what to do, by every
// command that meets it, and nothing half-written stays.
func TestDamagedCache(t *testing.T) {
	dir := t.TempDir()
	importLines(t, dir, "ada", 3)
	folder := filepath.Join(dir, "cache", "openai-ada-2")
	segments, _ := filepath.Glob(filepath.Join(folder, "*.parquet"))
	change := func(path string, at int, to byte) {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text[at] = to
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fails := func(args, want string) {
		t.Helper()
		if code, _, stderr := cosfit(t, context.Background(), dir, strings.Fields(args)...); code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%s: %d: %swant %s", args, code, stderr, want)
		}
	}
	change(segments[0], 60, 'x') // in the first page of ids
	for _, out := range []string{"out.npy", "out.jsonl", "out.parquet"} {
		fails("cache export --cache cache --out "+out, ": the checksum of a page is not that of its bytes: cosfit cache verify puts it aside")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*out.*")); left != nil {
		t.Errorf("left behind: %q", left)
	}
	fails("cache verify --cache cache", "put aside: 1 damaged segment: cosfit embed embeds their texts again")

	importLines(t, dir, "ada", 3)
	change(filepath.Join(folder, "manifest.json"), 0, '[')
	for _, command := range []string{"cache stats", "cache import --in in.jsonl --provider openai --model ada"} {
		fails(command+" --cache cache", "manifest.json: not valid JSON: ")
		fails(command+" --cache cache", ": cosfit cache verify writes it again")
	}
	if out := must(t, dir, "cache", "verify", "--cache", "cache"); !strings.Contains(out, "manifest.json was missing, damaged or wrong and is written again") {
		t.Error(out)
	}
	must(t, dir, "cache", "stats", "--cache", "cache")
}

// TestOfflineMainPath embeds the sample without a network, trains on that and
// scores it again.
func TestOfflineMainPath(t *testing.T) {
	dir := t.TempDir()
	const secret = "sk-proj-inthevariable"
	t.Setenv("OPENAI_API_KEY", secret) // which is nothing that a run records
	out := must(t, dir, "embed", "--data", "sample", "--provider", "hashing", "--dimensions", "64", "--cache", "cache")
	if !strings.Contains(out, "1,319 embedded") {
		t.Errorf("embed says %s", out)
	}
	if out = must(t, dir, "embed", "--data", "sample", "--provider", "hashing", "--dimensions", "64", "--cache", "cache"); !strings.Contains(out, " 0 embedded") {
		t.Errorf("embed says the second time: %s", out)
	}
	must(t, dir, "train", "--data", "sample", "--cache", "cache", "--embeddings", "hashing-ngrams-1-64", "--epochs", "2", "--out", "run")
	var s rundir.Summary
	if err := json.Unmarshal([]byte(must(t, dir, "eval", "--run", "run", "--json")), &s); err != nil { // config.json knows the cache
		t.Fatal(err)
	}
	if s.Data.Model != "ngrams-1" || s.Data.Dimensions != 64 || !(s.Before["test"].ROCAUC > 0.55) {
		t.Errorf("model %s, %d dimensions, ROC AUC %v", s.Data.Model, s.Data.Dimensions, s.Before["test"].ROCAUC)
	}
	noFileHolds(t, dir, secret)
}

// A file of settings may say where the cache is, and what its commands do.
func TestCacheIsSettingAndCommand(t *testing.T) {
	dir := t.TempDir()
	importLines(t, dir, "ada", 3)
	for _, text := range []string{"cache: cache\n", "cache:\n  cache: cache\n"} {
		if err := os.WriteFile(filepath.Join(dir, "cosfit.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out := must(t, dir, "cache", "stats", "--config", "cosfit.yaml"); !strings.HasPrefix(out, "openai-ada-2: 3 vectors in 1 segment, ") {
			t.Errorf("%q: %s", text, out)
		}
	}
}
