package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/cosfit/cosfit/loader/embed/embedtest"
)

const (
	crashTexts       = 10_000
	crashBatch       = 16
	crashConcurrency = 4
)

// embedApart is a process that embeds a data set from a server.
func embedApart(dir, url string) *exec.Cmd {
	c := exec.Command(os.Args[0], "embed", "--data", "data", "--cache", "cache", "--base-url", url, "--model", "m",
		"--batch", strconv.Itoa(crashBatch), "--concurrency", strconv.Itoa(crashConcurrency))
	c.Dir = dir
	c.Env = append(os.Environ(), asProgram+"=1")
	c.Stderr = new(bytes.Buffer)
	return c
}

// A run that is killed at any moment goes on from there: at most the requests
// under way are asked again, and the cache is sound each time.
func TestEmbedKilled(t *testing.T) {
	kills, texts := 50, crashTexts
	if testing.Short() {
		kills, texts = 5, 1000
	}
	const latency = 20 * time.Millisecond
	requests := texts / crashBatch
	dir := t.TempDir()
	server := embedtest.New(t, embedtest.Options{Latency: latency})
	all := writeTexts(t, filepath.Join(dir, "data"), texts)
	killed := 0
	for range kills {
		c := embedApart(dir, server.URL())
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		// It gets on average a little less than a kills-th of all requests, so that
		// nearly all are killed, and then some of the time that one takes.
		until := server.Requests() + 1 + rand.IntN(3*requests/(2*kills))
		for deadline := time.Now().Add(5 * time.Second); server.Requests() < min(until, requests) && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(rand.Int64N(int64(latency))))
		c.Process.Kill()
		if c.Wait() != nil {
			killed++
		}
		if server.Counts().Billed > 0 { // else there may be no cache yet
			must(t, dir, "cache", "verify", "--cache", "cache")
		}
	}
	before := server.Counts().Billed
	c := embedApart(dir, server.URL())
	if err := c.Run(); err != nil {
		t.Fatalf("the last run: %v: %s", err, c.Stderr)
	}
	wantCached(t, filepath.Join(dir, "cache"), "openai-m-8", all, 8)
	billed := server.Counts().Billed
	t.Logf("%d kills before %d of %d texts were embedded: %d were embedded twice, %.1f a kill, where up to %d are under way",
		killed, before, texts, billed-texts, float64(billed-texts)/float64(max(1, killed)), crashBatch*crashConcurrency)
	if most := killed * crashBatch * crashConcurrency; billed-texts > most {
		t.Errorf("%d texts were embedded again, want at most the %d that were under way", billed-texts, most)
	}
}

// Two runs on one cache lose nothing, and share the work: what one has under way
// the other does not ask for.
func TestEmbedTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	server := embedtest.New(t, embedtest.Options{Latency: 5 * time.Millisecond})
	all := writeTexts(t, filepath.Join(dir, "data"), crashTexts)
	runs := []*exec.Cmd{embedApart(dir, server.URL()), embedApart(dir, server.URL())}
	for _, c := range runs {
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range runs {
		if err := c.Wait(); err != nil {
			t.Fatalf("%v: %s", err, c.Stderr)
		}
	}
	wantCached(t, filepath.Join(dir, "cache"), "openai-m-8", all, 8)
	must(t, dir, "cache", "verify", "--cache", "cache")
	twice := server.Counts().Billed - crashTexts
	t.Logf("%d of %d texts were embedded by both of two runs", twice, crashTexts)
	if twice != 0 {
		t.Errorf("%d of %d texts were embedded by both of two runs, want none", twice, crashTexts)
	}
}
