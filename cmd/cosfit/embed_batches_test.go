package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cosfit/cosfit/loader/embed/embedtest"
)

// wantOnce wants a server to have billed each text once and found all requests
// right.
func wantOnce(t *testing.T, s *embedtest.Server, texts int) {
	t.Helper()
	if n := s.Counts().Billed; n != texts {
		t.Errorf("%d texts are billed, want each of %d once", n, texts)
	}
	if problems := s.Problems(); problems != nil {
		t.Errorf("requests are wrong in form: %q", problems[0])
	}
}

// TestEmbedBatches goes the way of a user: what it would cost, hand in, come back
// the other day.
func TestEmbedBatches(t *testing.T) {
	dir := t.TempDir()
	const secret = "sk-proj-verysecret"
	t.Setenv("OPENAI_API_KEY", secret)
	server := embedtest.New(t, embedtest.Options{Key: secret, Batches: &embedtest.BatchAPI{Time: time.Second}})
	texts := writeTexts(t, filepath.Join(dir, "data"), 500)
	args := []string{"embed", "--data", "data", "--cache", "cache", "--base-url", server.URL(), "--model", "m", "--price", "3", "--batch-api", "--batch", "200", "--poll", "10ms"}

	if out := must(t, dir, append(args, "--dry-run")...); !strings.Contains(out, "500 to embed: about ") || !strings.HasSuffix(out, " at $1.5 a million, half of $3, in 3 batches of up to a day each\n") {
		t.Errorf("a dry run says: %s", out)
	}
	out := must(t, dir, append(args, "--no-wait")...)
	if !strings.HasPrefix(out, "data: 0 embedded; 0 were in the cache; paid $0.0000 for 0 tokens") ||
		!strings.HasSuffix(out, "3 batches with 500 texts are under way at the provider and go on by themselves: run the same command again to collect them\n") {
		t.Errorf("a run that does not wait says: %s", out)
	}
	if out := must(t, dir, append(args, "--dry-run")...); out != "data: 500 texts, 0 in the cache, 500 under way at the provider, nothing to embed\n" {
		t.Errorf("a dry run then says: %s", out)
	}
	code, _, stderr := cosfit(t, context.Background(), dir, "embed", "--data", "data", "--cache", "cache", "--base-url", "http://127.0.0.1:1", "--model", "m", "--retries", "0")
	if code != 1 || !strings.Contains(stderr, "warning: 3 batches with 500 texts are under way at the batch API, and are bought a second time now") {
		t.Errorf("a run without the batch API: %d: %s", code, stderr)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	interrupted, stop := context.WithCancel(context.Background())
	context.AfterFunc(ctx, stop)
	code, _, stderr = cosfit(t, interrupted, dir, args...)
	if code != 1 || !strings.Contains(stderr, "cosfit: interrupted: 0 texts are embedded and kept; 3 batches with 500 texts are under way") {
		t.Errorf("an interrupted run: %d: %s", code, stderr)
	}
	noFileHolds(t, dir, secret)

	code, stdout, stderr := cosfit(t, context.Background(), dir, args...)
	if code != 0 || !strings.HasPrefix(stdout, "data: 500 embedded in ") || !strings.Contains(stdout, "; paid $0.00") || !strings.Contains(stderr, " of 500 texts embedded, ") {
		t.Errorf("the run that collects: %d\n%s%s", code, stdout, stderr)
	}
	wantCached(t, filepath.Join(dir, "cache"), "openai-m-8", texts, 8)
	wantOnce(t, server, 500)
	var again []embedding
	if err := json.Unmarshal([]byte(must(t, dir, append(args, "--json")...)), &again); err != nil || again[0].Result.Cached != 500 || again[0].Result.Cost != 0 {
		t.Errorf("once more: %+v, %v", again, err)
	}
	must(t, dir, "cache", "verify", "--cache", "cache")
}

// A server without the batch API, and flags that do not go with it, take a
// sentence.
func TestEmbedBatchesMistakes(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("OPENAI_API_KEY", "sk-x")
	writeTexts(t, filepath.Join(dir, "data"), 3)
	server := embedtest.New(t, embedtest.Options{})
	for args, want := range map[string]string{
		"--base-url " + server.URL() + " --batch-api": "cosfit: 127.0.0.1: HTTP 404: Invalid URL (POST /v1/files): this server has no batch API; embed without it\n",
		"--no-wait":                           "--no-wait goes with --batch-api",
		"--poll 1s":                           "--poll goes with --batch-api",
		"--batch-api --poll 1ns":              "--poll is 1ns, want at least 1ms",
		"--batch-api --requests-per-minute 5": "--requests-per-minute does not go with --batch-api",
		"--provider hashing --batch-api":      "--batch-api goes with --provider openai, not hashing",
	} {
		code, _, stderr := cosfit(t, context.Background(), dir, append(strings.Fields("embed --data data --cache cache --model m"), strings.Fields(args)...)...)
		wantCode := 2
		if strings.Contains(args, server.URL()) {
			wantCode = 1
		}
		if code != wantCode || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d: %s\nwant %s", args, code, stderr, want)
		}
	}
}

// batchesApart is a process that embeds a data set through the batch API.
func batchesApart(dir, url string) *exec.Cmd {
	c := exec.Command(os.Args[0], "embed", "--data", "data", "--cache", "cache", "--base-url", url, "--model", "m",
		"--batch-api", "--batch", "400", "--concurrency", "3", "--poll", "25ms")
	c.Dir = dir
	c.Env = append(os.Environ(), asProgram+"=1")
	c.Stderr = new(bytes.Buffer)
	return c
}

// A run that is killed at any moment goes on from there, and pays for nothing
// twice, however slow and forgetful the server is.
func TestEmbedBatchesKilled(t *testing.T) {
	kills, texts := 30, crashTexts
	if testing.Short() {
		kills, texts = 5, 2000
	}
	const batch, atOnce, duration = 400, 3, 60 * time.Millisecond
	dir := t.TempDir()
	server := embedtest.New(t, embedtest.Options{
		Faults: 0.1, Kinds: []embedtest.Fault{embedtest.Reset, embedtest.Internal, embedtest.Cut},
		Batches: &embedtest.BatchAPI{
			Time: duration, Unlisted: 10 * time.Millisecond, Delay: 3 * time.Millisecond,
			Odd: 0.2, Ends: []embedtest.End{embedtest.ExpiredHalf, embedtest.Cancelled},
		},
	})
	all := writeTexts(t, filepath.Join(dir, "data"), texts)
	work := time.Duration(texts/batch/atOnce+1) * (duration + 60*time.Millisecond)
	killed, unclear := 0, 0
	for range kills {
		c := batchesApart(dir, server.URL())
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		before := server.Counts().Requests
		for deadline := time.Now().Add(time.Second); server.Counts().Requests == before && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(rand.Int64N(2 * int64(work) / int64(kills))))
		c.Process.Kill()
		if c.Wait() != nil {
			killed++
		}
		unclear += unclearBatches(t, filepath.Join(dir, "cache"))
		must(t, dir, "cache", "verify", "--cache", "cache")
	}
	counts := server.Counts()
	c := batchesApart(dir, server.URL())
	if err := c.Run(); err != nil {
		t.Fatalf("the last run: %v: %s", err, c.Stderr)
	}
	wantCached(t, filepath.Join(dir, "cache"), "openai-m-8", all, 8)
	wantOnce(t, server, texts)
	must(t, dir, "cache", "verify", "--cache", "cache")
	t.Logf("%d kills, %d of them between asking for a batch and knowing it, while %d of %d texts were billed, in %d batches of which ended early: %v; %d batches in all, %d texts billed",
		killed, unclear, counts.Billed, texts, counts.Batches, counts.Ends, server.Counts().Batches, server.Counts().Billed)
}

// unclearBatches counts the batches in a cache's state that were asked for and may
// be there or not.
func unclearBatches(t *testing.T, cache string) (n int) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(cache, ".batches", "*", "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		var state struct {
			Batches []struct {
				Asked string `json:"asked"`
				ID    string `json:"batch_id"`
			} `json:"batches"`
		}
		raw, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(raw, &state)
		}
		if err != nil {
			t.Error(err)
		}
		for _, b := range state.Batches {
			if b.Asked != "" && b.ID == "" {
				n++
			}
		}
	}
	return n
}

// Of two runs on one cache one is at work, and the other says so.
func TestEmbedBatchesTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	server := embedtest.New(t, embedtest.Options{Batches: &embedtest.BatchAPI{Time: time.Second}})
	all := writeTexts(t, filepath.Join(dir, "data"), 1000)
	runs := []*exec.Cmd{batchesApart(dir, server.URL()), batchesApart(dir, server.URL())}
	for _, c := range runs {
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
	}
	var failed []string
	for _, c := range runs {
		if err := c.Wait(); err != nil {
			failed = append(failed, c.Stderr.(*bytes.Buffer).String())
		}
	}
	if len(failed) != 1 || !strings.Contains(failed[0], "another process is at work on the batches of openai m") {
		t.Errorf("of two runs failed: %q", failed)
	}
	wantCached(t, filepath.Join(dir, "cache"), "openai-m-8", all, 8)
	wantOnce(t, server, 1000)
}
