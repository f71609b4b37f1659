package main

import (
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
	"github.com/cosfit/cosfit/loader/embed"
	"github.com/cosfit/cosfit/loader/embed/cache"
	"github.com/cosfit/cosfit/loader/embed/embedtest"
)

// A textRow is a row of texts.parquet.
type textRow struct {
	ID   string `parquet:"id"`
	Text string `parquet:"text"`
	Role string `parquet:"role"`
}

// writeTexts makes a data set of n texts, every second one a query, and returns
// them.
func writeTexts(t *testing.T, dir string, n int) (texts []string) {
	t.Helper()
	rows := make([]textRow, n)
	for i := range rows {
		text := embed.NewText(fmt.Sprintf("text %d says something", i))
		rows[i] = textRow{text.ID, text.Text, []string{"query", "passage"}[i%2]}
		texts = append(texts, text.Text)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := parquet.WriteFile(filepath.Join(dir, "texts.parquet"), rows); err != nil {
		t.Fatal(err)
	}
	return texts
}

// wantCached wants a folder of the cache to hold what the server means for each
// text, and nothing else.
func wantCached(t *testing.T, root, folder string, texts []string, d int) {
	t.Helper()
	store, err := cache.Open(root).Named(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	want := map[string][]float32{}
	for _, text := range texts {
		want[embed.NewText(text).ID] = embedtest.Vector(text, d)
	}
	found := 0
	err = store.Each(func(id loader.ID, v []float32) error {
		found++
		if !slices.Equal(want[id.String()], v) {
			t.Errorf("%s has %v, want %v", id, v, want[id.String()])
		}
		return nil
	})
	if err != nil || found != len(texts) {
		t.Errorf("%s has %d vectors, want %d (%v)", folder, found, len(texts), err)
	}
}

// TestEmbedFromServer buys vectors once from a server that fails now and then.
func TestEmbedFromServer(t *testing.T) {
	dir := t.TempDir()
	const secret = "sk-proj-verysecret"
	t.Setenv("OPENAI_API_KEY", secret)
	server := embedtest.New(t, embedtest.Options{Key: secret, Dimensions: 12, Faults: 0.2, Kinds: []embedtest.Fault{embedtest.Internal, embedtest.Cut, embedtest.FewVectors, embedtest.NullValue}})
	t.Setenv("OPENAI_BASE_URL", server.URL())
	texts := writeTexts(t, filepath.Join(dir, "data"), 500)
	args := []string{"embed", "--data", "data", "--cache", "cache", "--model", "m", "--dimensions", "12", "--batch", "40", "--price", "3"}

	out := must(t, dir, append(args, "--dry-run")...)
	if !strings.HasPrefix(out, "data: 500 texts, 0 in the cache, 500 to embed: about ") || !strings.Contains(out, " at $3 a million") || server.Counts().Requests != 0 {
		t.Errorf("a dry run says: %s", out)
	}
	var plans []embedding
	if err := json.Unmarshal([]byte(must(t, dir, append(args, "--dry-run", "--json")...)), &plans); err != nil || len(plans) != 1 || plans[0].Plan.Missing != 500 || plans[0].Result != nil {
		t.Errorf("a dry run in JSON: %+v, %v", plans, err)
	}

	code, stdout, stderr := cosfit(t, context.Background(), dir, args...)
	if code != 0 || !strings.HasPrefix(stdout, "data: 500 embedded in ") || !strings.Contains(stdout, "12 dimensions, normalised; 0 were in the cache; paid $0.") {
		t.Errorf("embed: %d\n%s%s", code, stdout, stderr)
	}
	wantCached(t, filepath.Join(dir, "cache"), "openai-m-12", texts, 12)
	before := server.Counts().Requests

	var again []embedding
	if err := json.Unmarshal([]byte(must(t, dir, append(args, "--json")...)), &again); err != nil {
		t.Fatal(err)
	}
	if r := again[0].Result; r.Cached != 500 || r.Embedded != 0 || r.Cost != 0 || r.Saved == 0 || server.Counts().Requests != before {
		t.Errorf("a second run: %+v", again)
	}
	if over := server.Overbilled(); over != nil {
		t.Errorf("bought again: %s", over)
	}
	if problems := server.Problems(); problems != nil {
		t.Errorf("requests are wrong in form: %q", problems)
	}
	noFileHolds(t, dir, secret)
}

// noFileHolds looks for a secret in all files below a folder.
func noFileHolds(t *testing.T, dir, secret string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), secret) {
			t.Errorf("%s holds the key", path)
		}
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("%d files, %v", files, err)
	}
}

// Each side has its own prompt, and its own folder of the cache.
func TestEmbedPrompts(t *testing.T) {
	dir := t.TempDir()
	server := embedtest.New(t, embedtest.Options{})
	writeTexts(t, filepath.Join(dir, "data"), 20)
	args := []string{"embed", "--data", "data", "--cache", "cache", "--base-url", server.URL(), "--model", "e5", "--json"}
	var sides []embedding
	if err := json.Unmarshal([]byte(must(t, dir, append(args, "--query-prefix", "query: ", "--passage-prefix", "passage: ")...)), &sides); err != nil {
		t.Fatal(err)
	}
	if len(sides) != 2 || sides[0].Result.Embedded != 10 || sides[1].Result.Embedded != 10 || sides[0].Folder == sides[1].Folder ||
		sides[0].Role != "query" || sides[1].Prompt != "passage: " {
		t.Fatalf("two sides: %+v", sides)
	}
	store, err := cache.Open(filepath.Join(dir, "cache")).Named(filepath.Base(sides[0].Folder))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	wantText := "text 0 says something"
	found := false
	err = store.Each(func(id loader.ID, v []float32) error {
		if id.String() == embed.NewText(wantText).ID {
			found = slices.Equal(v, embedtest.Vector("query: "+wantText, 8))
		}
		return nil
	})
	if err != nil || !found {
		t.Errorf("the query's vector is not that of its text with the prefix (%v)", err)
	}
	var same []embedding
	if err := json.Unmarshal([]byte(must(t, dir, append(args, "--query-prefix", "x ", "--passage-prefix", "x ")...)), &same); err != nil || len(same) != 1 || same[0].Result.Embedded != 20 {
		t.Errorf("one prompt for both: %+v, %v", same, err)
	}
}

// A limit on the cost holds over both sides, and a later run goes on.
func TestEmbedMaxCost(t *testing.T) {
	dir := t.TempDir()
	server := embedtest.New(t, embedtest.Options{})
	texts := writeTexts(t, filepath.Join(dir, "data"), 400)
	args := []string{"embed", "--data", "data", "--cache", "cache", "--base-url", server.URL(), "--model", "m", "--batch", "10", "--price", "1000"}
	code, _, stderr := cosfit(t, context.Background(), dir, append(args, "--max-cost", "1")...)
	if code != 1 || !strings.Contains(stderr, "cosfit: --max-cost: the cost is $") || !strings.Contains(stderr, "texts are embedded and kept, and the same command goes on from there") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if bill := float64(server.Counts().Tokens) / 1000; bill > 1 || bill < 0.5 {
		t.Errorf("the server bills $%g, want at most 1", bill)
	}
	must(t, dir, args...)
	wantCached(t, filepath.Join(dir, "cache"), "openai-m-8", texts, 8)
	if n := server.Counts().Billed; n != len(texts) {
		t.Errorf("%d texts were embedded, want %d", n, len(texts))
	}
}

// A text that cannot be embedded is named, or passed over.
func TestEmbedBadText(t *testing.T) {
	dir := t.TempDir()
	texts := writeTexts(t, filepath.Join(dir, "data"), 100)
	server := embedtest.New(t, embedtest.Options{Poison: texts[50:51]})
	args := []string{"embed", "--data", "data", "--cache", "cache", "--base-url", server.URL(), "--model", "m", "--batch", "16"}
	id := embed.NewText(texts[50]).ID
	code, _, stderr := cosfit(t, context.Background(), dir, args...)
	if code != 1 || !strings.Contains(stderr, "text "+id+` ("text 50 says something")`) || !strings.Contains(stderr, "--skip-bad") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	code, stdout, stderr := cosfit(t, context.Background(), dir, append(args, "--skip-bad")...)
	if code != 0 || !strings.Contains(stderr, "not embedded: text "+id) {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	wantCached(t, filepath.Join(dir, "cache"), "openai-m-8", slices.Delete(texts, 50, 51), 8)
}

// Nothing is bought that cannot be kept.
func TestEmbedNowhere(t *testing.T) {
	dir := t.TempDir()
	writeTexts(t, filepath.Join(dir, "data"), 3)
	if err := os.Symlink("nowhere/at/all", filepath.Join(dir, "cache")); err != nil {
		t.Skip(err)
	}
	server := embedtest.New(t, embedtest.Options{})
	code, _, stderr := cosfit(t, context.Background(), dir, "embed", "--data", "data", "--cache", "cache", "--base-url", server.URL(), "--model", "m")
	if code != 1 || !strings.Contains(stderr, "cosfit: make the cache: ") || server.Requests() != 0 {
		t.Errorf("exit code %d after %d requests: %s", code, server.Requests(), stderr)
	}
}

func TestEmbedWithCommand(t *testing.T) {
	dir := t.TempDir()
	writeTexts(t, filepath.Join(dir, "data"), 30)
	out := must(t, dir, "embed", "--data", "data", "--cache", "cache", "--provider", "exec", "--model", "constant", "--command", `sed 's/.*/[0.6, 0.8]/'`)
	if !strings.Contains(out, "30 embedded in ") || !strings.Contains(out, "2 dimensions, normalised") {
		t.Error(out)
	}
}

// The vectors of a static model are kept under what its files hold: another
// model in the same folder has a folder of the cache to itself.
func TestEmbedStatic(t *testing.T) {
	dir := t.TempDir()
	writeTexts(t, filepath.Join(dir, "data"), 30)
	models, err := filepath.Abs("../../loader/embed/testdata/static")
	if err != nil {
		t.Fatal(err)
	}
	use := func(model string) {
		t.Helper()
		if err := os.RemoveAll(filepath.Join(dir, "model")); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(filepath.Join(dir, "model"), os.DirFS(filepath.Join(models, model))); err != nil {
			t.Fatal(err)
		}
	}
	args := strings.Fields("embed --data data --cache cache --provider static --model-dir model")
	use("wordpiece")
	if out := must(t, dir, args...); !strings.Contains(out, "30 embedded in ") || !strings.Contains(out, "12 dimensions, normalised") {
		t.Error(out)
	}
	use("int8")
	if out := must(t, dir, args...); !strings.Contains(out, "30 embedded in ") || !strings.Contains(out, "9 dimensions, not normalised") {
		t.Error(out)
	}
	use("wordpiece")
	if out := must(t, dir, args...); !strings.Contains(out, " 0 embedded; 30 were in the cache; in cache/static-sha256-") {
		t.Error(out)
	}
	out := must(t, dir, append(args, "--model", "tiny", "--dimensions", "5", "--query-prefix", "query: ", "--json")...)
	var done []embedding
	if err := json.Unmarshal([]byte(out), &done); err != nil || len(done) != 2 || done[0].Result.Dimensions != 5 || !strings.HasPrefix(done[1].Folder, "cache/static-tiny-") {
		t.Errorf("%s (%v)", out, err)
	}
	for args, want := range map[string]string{
		"":                                  "--model-dir is missing: name the folder of a static model",
		"--model-dir none":                  "--model-dir: open none: ",
		"--model-dir data":                  "--model-dir: data has no ",
		"--model-dir model --dimensions 13": "--model-dir: model: its vectors have 12 dimensions, fewer than 13",
	} {
		code, _, stderr := cosfit(t, context.Background(), dir, append(strings.Fields("embed --data data --cache cache --provider static"), strings.Fields(args)...)...)
		if code == 0 || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d: %s\nwant %s", args, code, stderr, want)
		}
	}
}

// Keys come from where they should, and a key that can be read on its way is
// warned about.
func TestEmbedKeys(t *testing.T) {
	dir := t.TempDir()
	const secret = "sk-right-key"
	server := embedtest.New(t, embedtest.Options{Key: secret})
	writeTexts(t, filepath.Join(dir, "data"), 3)
	for name, text := range map[string]string{"key": secret + "\n", "nokey": "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("OPENAI_API_KEY", "sk-wrong-key")
	t.Setenv("OTHER_KEY", secret)
	t.Setenv("TWO_KEYS", secret+"\n"+secret)
	for _, c := range []struct {
		args string
		code int
		want string // in stderr
	}{
		{"--base-url " + server.URL(), 1, "HTTP 401: Incorrect API key provided: (key): is the key right, and for this server?"},
		{"--base-url " + server.URL() + " --key-env NONE", 2, "--key-env names NONE, which is not set in the environment"},
		{"--base-url " + server.URL() + " --key-env TWO_KEYS", 2, "TWO_KEYS holds white space, which no key has: set it to the key alone"},
		{"--base-url " + server.URL() + " --key-file nokey", 1, "nokey holds no key"},
		{"--base-url " + server.URL() + " --key-file none", 1, "open none: "},
		{"--base-url " + server.URL() + " --key-file key --key-env OTHER_KEY", 2, "name two keys"},
		{"--base-url http://gpu.invalid --retries 0", 1, "warning: the key goes to http://gpu.invalid unencrypted"},
		{"--base-url http://name:pass@gpu.invalid", 2, "holds a name or password"},
		{"--base-url " + server.URL() + " --key-file key", 0, ""},
		{"--base-url " + server.URL() + " --key-env OTHER_KEY", 0, ""},
	} {
		code, stdout, stderr := cosfit(t, context.Background(), dir, append(strings.Fields("embed --data data --cache cache --model m"), strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit code %d, want %d: %s\nwant %s", c.args, code, c.code, stderr, c.want)
		}
		if all := stdout + stderr; strings.Contains(all, "-key\n") || strings.Contains(all, secret) || strings.Contains(all, "sk-wrong") || strings.Contains(all, ":pass@") {
			t.Errorf("%s: a key shows in %s", c.args, all)
		}
	}
	t.Setenv("OPENAI_API_KEY", "")
	if code, _, stderr := cosfit(t, context.Background(), dir, strings.Fields("embed --data data --cache cache --model text-embedding-3-small")...); code != 1 || !strings.Contains(stderr, "there is no key: set OPENAI_API_KEY in the environment") {
		t.Errorf("without a key: %d: %s", code, stderr)
	}
	if out := must(t, dir, strings.Fields("embed --data data --cache cache --model text-embedding-3-small --dry-run")...); out != "data: 3 texts, 0 in the cache, 3 to embed: 15 tokens for less than $0.0001 at $0.02 a million, in about 1 s\n" {
		t.Errorf("a dry run without a key: %s", out)
	}
}

// A model that is not known counts tokens as it is told; one that is known has its
// own way.
func TestEmbedEncoding(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("OPENAI_API_KEY", "")
	text := embed.NewText("お誕生日おめでとう") // its tokens are in loader/embed/testdata/tokens.json
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := parquet.WriteFile(filepath.Join(dir, "data/texts.parquet"), []textRow{{text.ID, text.Text, "query"}}); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"--model m":                                             "about 14 tokens",
		"--model m --encoding cl100k_base":                      ": 9 tokens",
		"--model m --encoding o200k_base":                       ": 8 tokens",
		"--model text-embedding-3-small":                        ": 9 tokens",
		"--model text-embedding-3-small --encoding cl100k_base": ": 9 tokens",
	} {
		out := must(t, dir, append(strings.Fields("embed --data data --cache cache --base-url http://localhost:1 --dry-run"), strings.Fields(args)...)...)
		if !strings.Contains(out, want) {
			t.Errorf("%s: %s, want %s", args, out, want)
		}
	}
}

func TestEmbedMistakes(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("OPENAI_API_KEY", "sk-x")
	writeTexts(t, filepath.Join(dir, "data"), 3)
	for args, want := range map[string]string{
		"":                                 "--model is missing: name one, such as --model text-embedding-3-small, or try --provider hashing, which needs no server",
		"--provider exec":                  "--command is missing",
		"--provider exec --command x":      "--model is missing: name the vectors",
		"--model m --command x":            "--command goes with --provider exec",
		"--model m --model-dir x":          "--model-dir goes with --provider static",
		"--provider static":                "--model-dir is missing: name the folder of a static model",
		"--model m --base-url localhost:1": `--base-url: the base URL "localhost:1" is not one`,
		"--model m --encoding-format int8": `--encoding-format "int8" is unknown; there are: base64, float`,
		"--model m --encoding p50k_base":   `--encoding "p50k_base" is unknown; there are: cl100k_base, o200k_base`,
		"--model text-embedding-ada-002 --encoding o200k_base": "--encoding is o200k_base, but text-embedding-ada-002 counts tokens as cl100k_base: leave --encoding out",
		"--model m --timeout 1ms":                              "--timeout is 1ms, want at least 1s",
		"--model m --batch 0":                                  "--batch is 0, want 1 or more",
		"--model m --concurrency -1":                           "--concurrency is -1, want 1 or more",
		"--model m --retries -1":                               "--retries is -1, want 0 or more",
		"--model m --dimensions 0":                             "--dimensions is 0, want 1 to 65536",
		"--model m --price -1":                                 "--price is -1, want US dollars",
		"--model m --max-cost 0 --price 1":                     "--max-cost is 0, want US dollars",
		"--model m --max-cost 5 --base-url http://localhost:1": "--max-cost needs a price, and that of m is unknown: give it with --price",
		"--provider hashing --query-prefix q":                  "do not go with --provider hashing",
		"--provider hashing --passage-input-type q":            "go with --provider openai, not hashing",
	} {
		code, _, stderr := cosfit(t, context.Background(), dir, append(strings.Fields("embed --data data --cache cache"), strings.Fields(args)...)...)
		if code != 2 || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d: %s\nwant %s", args, code, stderr, want)
		}
	}
}
