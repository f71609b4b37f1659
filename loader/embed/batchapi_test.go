package embed_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cosfit/cosfit/loader/embed"
	"github.com/cosfit/cosfit/loader/embed/embedtest"
)

// inDir are options of a run whose batches are known in a folder, for a server
// that is on this machine.
func inDir(dir string) embed.BatchOptions {
	return embed.BatchOptions{Dir: dir, Poll: 5 * time.Millisecond}
}

// wantSound wants the server to have billed nothing twice, and to find nothing
// wrong with requests.
func wantSound(t *testing.T, s *embedtest.Server) {
	t.Helper()
	if over := s.Overbilled(); over != nil {
		t.Errorf("%d texts were bought again: %s", len(over), over[0])
	}
	if problems := s.Problems(); problems != nil {
		t.Errorf("requests are wrong in form: %q", problems[:min(3, len(problems))])
	}
}

// wantNothingLeft wants no file about a batch in a folder.
func wantNothingLeft(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != ".lock" {
		t.Errorf("%s holds %v, %v; want only its lock", dir, entries, err)
	}
}

// Every fifth request fails, every second batch ends early, and every tenth line
// is spoilt; still every text gets its vector and none is bought twice.
func TestBatchesFaults(t *testing.T) {
	const n, d = 10_000, 16
	texts := sentences(n)
	server := embedtest.New(t, embedtest.Options{
		Dimensions: 99, Key: "sk-test", Seed: uint64(time.Now().UnixNano()), Faults: 0.2,
		Kinds: []embedtest.Fault{embedtest.LimitWithWait, embedtest.Limit, embedtest.Internal, embedtest.Unavailable, embedtest.Cut,
			embedtest.Reset, embedtest.Page, embedtest.Drip, embedtest.Short, embedtest.Hang},
		Batches: &embedtest.BatchAPI{
			Time: 30 * time.Millisecond, Unlisted: 5 * time.Millisecond, Texts: 1500,
			Odd: 0.5, Ends: []embedtest.End{embedtest.ExpiredHalf, embedtest.ExpiredAll, embedtest.Cancelled, embedtest.Partly},
			OddLines: 0.1, LineFaults: []embedtest.Fault{embedtest.Internal, embedtest.NullValue, embedtest.WrongDimension, embedtest.ZeroVector},
		},
	})
	p := ask(t, server, func(o *embed.OpenAIOptions) { o.Key, o.Dimensions = embed.NewKey("sk-test"), d })
	dir := t.TempDir()
	var store embedtest.Store
	b := inDir(dir)
	b.Poll = 20 * time.Millisecond
	summary, err := embed.RunBatches(t.Context(), p, &store, each(texts), quick(embed.Options{Texts: 1500, Concurrency: 3, Price: 5, Retries: 8, SkipBad: true}), b)
	if err != nil {
		t.Fatal(err)
	}
	// One text in a thousand is spoilt three times, and given up.
	bad := map[string]bool{}
	for _, b := range summary.Bad {
		bad[b.ID] = true
	}
	if len(bad) > n/100 {
		t.Errorf("%d texts were given up", len(bad))
	}
	texts = slices.DeleteFunc(texts, func(text string) bool { return bad[embed.NewText(text).ID] })
	checkVectors(t, &store, texts, d)
	wantSound(t, server)
	wantNothingLeft(t, dir)
	c := server.Counts()
	t.Logf("%d texts in %.1f s: %d batches, %d at once, of which ended early: %v; %d requests with the faults %v", n, summary.Seconds, c.Batches, c.Waiting, c.Ends, c.Requests, c.Faults)
	t.Logf("billed %d texts, %d of them for spoilt vectors; %d texts given up", c.Billed, c.Lost, len(bad))
	if c.Billed-c.Lost != len(texts) || summary.Embedded != len(texts) || summary.Texts != n || summary.Cached != 0 || c.Waiting > 3 {
		t.Errorf("summary %+v, counts %+v", summary, c)
	}
	if got, want := summary.Tokens+summary.LostTokens, int64(c.Tokens); got != want || summary.Cost != float64(want)*5/1e6 {
		t.Errorf("summary has %d tokens for $%g, the server bills %d", got, summary.Cost, want)
	}
}

// What is under way is collected by a later run, of this data set or of another,
// and nobody asks for it again.
func TestBatchesLater(t *testing.T) {
	server := embedtest.New(t, embedtest.Options{Batches: &embedtest.BatchAPI{Time: time.Second}})
	texts := sentences(250)
	dir := t.TempDir()
	var store embedtest.Store
	o := quick(embed.Options{Texts: 100, Price: 1})
	leave := inDir(dir)
	leave.NoWait = true
	first, err := embed.RunBatches(t.Context(), ask(t, server, nil), &store, each(texts[:200]), o, leave)
	if err != nil || first.Embedded != 0 || len(first.Batches) != 2 || first.Underway() != 200 || first.Cost != 0 {
		t.Fatalf("a run that does not wait: %+v, %v", first, err)
	}
	plan, err := embed.PlanBatches(t.Context(), ask(t, server, nil), &store, each(texts), o, dir)
	if err != nil || plan.Underway != 200 || plan.Missing != 50 || plan.Cached != 0 || plan.Requests != 1 {
		t.Errorf("plan %+v, %v", plan, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	o.Progress = func(s embed.Summary) {
		if s.Underway() == 250 {
			cancel()
		}
	}
	cut, err := embed.RunBatches(ctx, ask(t, server, nil), &store, each(texts[100:]), o, inDir(dir))
	o.Progress = nil
	if !errors.Is(err, context.Canceled) || cut.Underway() != 250 {
		t.Fatalf("an interrupted run: %+v, %v", cut, err)
	}
	last, err := embed.RunBatches(t.Context(), ask(t, server, nil), &store, each(texts), o, inDir(dir))
	if err != nil || last.Embedded != 250 || last.Requests != 0 || last.Underway() != 0 || last.Cost == 0 {
		t.Fatalf("the last run: %+v, %v", last, err)
	}
	checkVectors(t, &store, texts, 8)
	wantSound(t, server)
	wantNothingLeft(t, dir)
	before := server.Counts().Requests
	again, err := embed.RunBatches(t.Context(), ask(t, server, nil), &store, each(texts), o, inDir(dir))
	if err != nil || again.Cached != 250 || again.Embedded != 0 || again.Cost != 0 || server.Counts().Requests != before {
		t.Errorf("one more: %+v, %v", again, err)
	}
}

// A batch of another data set is not waited for.
func TestBatchesOfOthers(t *testing.T) {
	server := embedtest.New(t, embedtest.Options{Batches: &embedtest.BatchAPI{Time: time.Hour}})
	texts := sentences(20)
	dir := t.TempDir()
	var store embedtest.Store
	leave := inDir(dir)
	leave.NoWait = true
	if _, err := embed.RunBatches(t.Context(), ask(t, server, nil), &store, each(texts[:10]), quick(embed.Options{}), leave); err != nil {
		t.Fatal(err)
	}
	for _, text := range texts[10:] {
		if err := store.Append([]string{embed.NewText(text).ID}, [][]float32{embedtest.Vector(text, 8)}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := embed.RunBatches(t.Context(), ask(t, server, nil), &store, each(texts[10:]), quick(embed.Options{}), inDir(dir))
	if err != nil || s.Cached != 10 || s.Underway() != 10 {
		t.Errorf("%+v, %v", s, err)
	}
}

// Two runs on one folder: the second says that one is at work.
func TestBatchesBusy(t *testing.T) {
	server := embedtest.New(t, embedtest.Options{Batches: &embedtest.BatchAPI{Time: 100 * time.Millisecond}})
	dir := t.TempDir()
	var store embedtest.Store
	var busy *embed.BusyError
	second := errors.New("not run")
	o := quick(embed.Options{Progress: func(embed.Summary) {
		_, second = embed.RunBatches(t.Context(), ask(t, server, nil), &store, each(sentences(5)), quick(embed.Options{}), inDir(dir))
	}})
	if _, err := embed.RunBatches(t.Context(), ask(t, server, nil), &store, each(sentences(10)), o, inDir(dir)); err != nil {
		t.Fatal(err)
	}
	if !errors.As(second, &busy) || !strings.Contains(second.Error(), "another process is at work on the batches of openai test-model") {
		t.Error(second)
	}
	checkVectors(t, &store, sentences(10), 8)
}

// Texts that cannot be embedded are named, by their line of the errors or of the
// validation, and the others are kept.
func TestBatchesBadTexts(t *testing.T) {
	texts := sentences(100)
	bad := []string{texts[3], texts[50], texts[99]}
	good := slices.DeleteFunc(slices.Clone(texts), func(text string) bool { return slices.Contains(bad, text) })
	server := embedtest.New(t, embedtest.Options{Poison: bad[:1], Sick: bad[1:2], Batches: &embedtest.BatchAPI{Invalid: bad[2:]}})
	var store embedtest.Store
	dir := t.TempDir()
	o := quick(embed.Options{Texts: 60})
	var named *embed.BadTextError
	for range 10 {
		var s embed.Summary
		var err error
		if s, err = embed.RunBatches(t.Context(), ask(t, server, nil), &store, each(texts), o, inDir(dir)); !errors.As(err, &named) || len(s.Bad) != 1 {
			t.Fatalf("%+v, %v", s, err)
		}
	}
	o.SkipBad = true
	s, err := embed.RunBatches(t.Context(), ask(t, server, nil), &store, each(texts), o, inDir(dir))
	if err != nil || len(s.Bad) != 3 {
		t.Fatalf("%+v, %v", s, err)
	}
	for _, b := range s.Bad {
		i := slices.IndexFunc(bad, func(text string) bool { return embed.NewText(text).ID == b.ID })
		want := []string{"HTTP 400: the server says 400", "the vector has a value that is not a number", "Invalid input"}[max(0, i)]
		if i < 0 || b.Start != bad[i] || b.Why != want {
			t.Errorf("bad text %+v, want why %q", b, want)
		}
	}
	checkVectors(t, &store, good, 8)
	wantSound(t, server)
	wantNothingLeft(t, dir)
}

// What waits at the server may be limited to less than a batch: then there are
// fewer at once, and smaller ones.
func TestBatchesQueue(t *testing.T) {
	server := embedtest.New(t, embedtest.Options{Batches: &embedtest.BatchAPI{Time: 10 * time.Millisecond, Queue: 70_000}})
	texts := sentences(20_000)
	var store embedtest.Store
	s, err := embed.RunBatches(t.Context(), ask(t, server, nil), &store, each(texts), quick(embed.Options{}), inDir(t.TempDir()))
	if err != nil || s.Failed == 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	checkVectors(t, &store, texts, 8)
	wantSound(t, server)
}

// The limit on the cost holds over batches that are under way, and those of an
// interrupted run.
func TestBatchesMaxCost(t *testing.T) {
	server := embedtest.New(t, embedtest.Options{Batches: &embedtest.BatchAPI{Time: 20 * time.Millisecond}})
	texts := sentences(1000)
	var store embedtest.Store
	words := func(text string) int { return len(strings.Fields(text)) }
	dir := t.TempDir()
	o := quick(embed.Options{Texts: 70, Price: 1000, MaxCost: 1.5, CountTokens: words})
	ctx, cancel := context.WithCancel(t.Context())
	o.Progress = func(s embed.Summary) {
		if s.Embedded > 0 {
			cancel()
		}
	}
	if _, err := embed.RunBatches(ctx, ask(t, server, nil), &store, each(texts), o, inDir(dir)); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	o.Progress = nil
	s, err := embed.RunBatches(t.Context(), ask(t, server, nil), &store, each(texts), o, inDir(dir))
	var cost *embed.CostError
	if bill := float64(server.Counts().Tokens) / 1000; !errors.As(err, &cost) || bill > 1.5 || bill < 1.49 || s.Underway() > 0 {
		t.Errorf("%+v, %v: the server bills $%g, want at most 1.5, and nearly that", s, err, bill)
	}
	o.MaxCost = 0
	if _, err := embed.RunBatches(t.Context(), ask(t, server, nil), &store, each(texts), o, inDir(dir)); err != nil {
		t.Fatal(err)
	}
	checkVectors(t, &store, texts, 8)
	wantSound(t, server)
}

// Files are cut before they are too large for the server.
func TestBatchesBytes(t *testing.T) {
	const most = 10_000
	server := embedtest.New(t, embedtest.Options{Batches: &embedtest.BatchAPI{Bytes: most}})
	texts := sentences(500)
	var store embedtest.Store
	s, err := embed.RunBatches(t.Context(), ask(t, server, nil), &store, each(texts), quick(embed.Options{}), embed.MostBytes(inDir(t.TempDir()), most))
	if err != nil || s.Requests < 10 {
		t.Fatalf("%+v, %v", s, err)
	}
	checkVectors(t, &store, texts, 8)
	wantSound(t, server)
}

// A server or an account that cannot do it ends the run with one sentence.
func TestBatchesRefused(t *testing.T) {
	for name, c := range map[string]struct {
		server embedtest.Options
		want   string
	}{
		"no batch API": {embedtest.Options{}, "HTTP 404: Invalid URL (POST /v1/files): this server has no batch API; embed without it"},
		"wrong key":    {embedtest.Options{Key: "sk-other", Batches: &embedtest.BatchAPI{}}, "HTTP 401: Incorrect API key provided: (key): is the key right, and for this server?"},
		"no money":     {embedtest.Options{Batches: &embedtest.BatchAPI{}, Refuse: always(429, `{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}`)}, "HTTP 429: You exceeded your current quota: the account has nothing left"},
		"no vector": {embedtest.Options{Batches: &embedtest.BatchAPI{OddLines: 1, LineFaults: []embedtest.Fault{embedtest.ZeroVector}}},
			"none of 50 vectors can be used, and they are paid for: text"},
		"only errors": {embedtest.Options{Batches: &embedtest.BatchAPI{OddLines: 1, LineFaults: []embedtest.Fault{embedtest.Internal}}},
			"HTTP 500: the server says 500"},
		"expires for ever": {embedtest.Options{Batches: &embedtest.BatchAPI{Odd: 1, Ends: []embedtest.End{embedtest.ExpiredAll}}},
			"3 batches in a row brought no vector, the last one is expired: text"},
		"no model": {embedtest.Options{Batches: &embedtest.BatchAPI{OddLines: 1, LineFaults: []embedtest.Fault{embedtest.NoModel}}},
			"HTTP 404: the server says 404: does "},
		"refuses all": {embedtest.Options{Poison: sentences(50), Batches: &embedtest.BatchAPI{}},
			"all of its 50 texts are refused: text "},
		"fails": {embedtest.Options{Batches: &embedtest.BatchAPI{Odd: 1, Ends: []embedtest.End{embedtest.Broken}}},
			"failed: internal_error: The server had an error while processing your batch"},
	} {
		t.Run(name, func(t *testing.T) {
			server := embedtest.New(t, c.server)
			dir := t.TempDir()
			p := ask(t, server, func(o *embed.OpenAIOptions) { o.Key = embed.NewKey("sk-mine") })
			_, err := embed.RunBatches(t.Context(), p, &embedtest.Store{}, each(sentences(50)), quick(embed.Options{}), inDir(dir))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %s", err, c.want)
			}
			wantNothingLeft(t, dir)
			if n := server.Counts().Billed; name != "no vector" && n > 0 {
				t.Errorf("%d texts are billed", n)
			}
		})
	}
}

// A key that expires while batches are under way costs nothing: with a new one
// the run goes on. A key of another account does not have them bought again.
func TestBatchesKeyExpires(t *testing.T) {
	server := embedtest.New(t, embedtest.Options{Batches: &embedtest.BatchAPI{}})
	dir := t.TempDir()
	leave := inDir(dir)
	leave.NoWait = true
	texts := sentences(30)
	var store embedtest.Store
	if _, err := embed.RunBatches(t.Context(), ask(t, server, nil), &store, each(texts), quick(embed.Options{}), leave); err != nil {
		t.Fatal(err)
	}
	for status, want := range map[int]string{
		401: "is the key right, and for this server?",
		404: "is not there: does the key belong to the account that has it? To give it up and buy its texts again, remove ",
	} {
		front := embedtest.New(t, embedtest.Options{Batches: &embedtest.BatchAPI{}, Refuse: always(status, `{"error":{"message":"no"}}`)})
		p := ask(t, front, func(o *embed.OpenAIOptions) { o.Key = embed.NewKey("sk-old") })
		embed.Serve(p, ask(t, server, nil))
		_, err := embed.RunBatches(t.Context(), p, &store, each(texts), quick(embed.Options{}), inDir(dir))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("HTTP %d: %v, want %s", status, err, want)
		}
	}
	if _, err := embed.RunBatches(t.Context(), ask(t, server, nil), &store, each(texts), quick(embed.Options{}), inDir(dir)); err != nil {
		t.Fatal(err)
	}
	checkVectors(t, &store, texts, 8)
	wantSound(t, server)
}

// State that is not ours to go on from is an error that says so.
func TestBatchesState(t *testing.T) {
	server := embedtest.New(t, embedtest.Options{Batches: &embedtest.BatchAPI{}})
	good := fmt.Sprintf(`{"schema_version": 1, "space": {"provider": "openai", "model": "test-model", "dimensions": 0, "prompt": ""}, "server": %q,
		"spent_tokens": 5, "batches": [{"token": "abc", "texts": 2, "tokens": 9, "file_id": "file-1", "batch_id": "batch-1", "asked": "2026-11-27T10:00:00Z"}]}`, server.URL())
	for name, c := range map[string]struct{ state, want string }{
		"newer":          {strings.Replace(good, `n": 1`, `n": 2`, 1), "state.json: has schema_version 2, and this version of cosfit knows 1: use a newer one"},
		"another model":  {strings.Replace(good, "test-model", "other", 1), "state.json is about the batches of openai other, not of openai test-model"},
		"another server": {strings.Replace(good, server.URL(), "https://other/v1", 1), "batches are under way at https://other/v1, not at " + server.URL()},
		"damaged":        {good[:100], "state.json: is damaged: "},
		"a path":         {strings.Replace(good, "abc", "../abc", 1), "state.json: is damaged: batch 0 is not one"},
		"no version":     {strings.Replace(good, `"schema_version": 1, `, "", 1), "state.json: is damaged: it has no schema_version"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte(c.state), 0o666); err != nil {
				t.Fatal(err)
			}
			_, err := embed.RunBatches(t.Context(), ask(t, server, nil), &embedtest.Store{}, each(sentences(5)), quick(embed.Options{}), inDir(dir))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
			if raw, err := os.ReadFile(filepath.Join(dir, "state.json")); err != nil || string(raw) != c.state {
				t.Errorf("the state was changed: %s, %v", raw, err)
			}
		})
	}
}

// A state of days ago goes on. Where it was written before it was known which
// batch there is, that is found by what we called it, and of two, as a proxy that
// repeats requests may have made, one is ended.
func TestBatchesOlderState(t *testing.T) {
	texts := sentences(40)
	for name, c := range map[string]struct {
		asked, twice, givenUp bool
		billed                int
	}{
		"known":            {billed: 40},
		"asked for":        {asked: true, billed: 40},
		"asked for, twice": {asked: true, twice: true, billed: 40},
		"given up by hand": {givenUp: true, billed: 80},
	} {
		t.Run(name, func(t *testing.T) {
			server := embedtest.New(t, embedtest.Options{Batches: &embedtest.BatchAPI{Time: 200 * time.Millisecond}})
			dir := t.TempDir()
			leave := inDir(dir)
			leave.NoWait = true
			var store embedtest.Store
			if _, err := embed.RunBatches(t.Context(), ask(t, server, nil), &store, each(texts), quick(embed.Options{}), leave); err != nil {
				t.Fatal(err)
			}
			files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
			if err != nil || len(files) != 1 {
				t.Fatal(files, err)
			}
			token := strings.TrimSuffix(filepath.Base(files[0]), ".jsonl")
			path := filepath.Join(dir, "state.json")
			if c.twice {
				raw, err := os.ReadFile(path)
				var state struct{ Batches []struct{ File_ID string } }
				if err := errors.Join(err, json.Unmarshal(raw, &state)); err != nil {
					t.Fatal(err)
				}
				body := fmt.Sprintf(`{"input_file_id": %q, "endpoint": "/v1/embeddings", "completion_window": "24h", "metadata": {"cosfit": %q}}`, state.Batches[0].File_ID, token)
				if r, err := http.Post(server.URL()+"/batches", "application/json", strings.NewReader(body)); err != nil || r.StatusCode != 200 {
					t.Fatal(r, err)
				}
			}
			if c.asked {
				state := fmt.Sprintf(`{"schema_version": 1, "space": {"provider": "openai", "model": "test-model", "dimensions": 0, "prompt": ""}, "server": %q,
					"spent_tokens": 0, "batches": [{"token": %q, "texts": 40, "tokens": 400, "file_id": "file-x", "asked": "2026-11-20T10:00:00Z"}]}`, server.URL(), token)
				if err := os.WriteFile(path, []byte(state), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			if c.givenUp {
				if err := os.Remove(files[0]); err != nil {
					t.Fatal(err)
				}
			}
			s, err := embed.RunBatches(t.Context(), ask(t, server, nil), &store, each(texts), quick(embed.Options{}), inDir(dir))
			if err != nil || s.Embedded != 40 {
				t.Fatalf("%+v, %v", s, err)
			}
			checkVectors(t, &store, texts, 8)
			if n := server.Counts().Billed; n != c.billed {
				t.Errorf("%d texts are billed, want %d", n, c.billed)
			}
			wantNothingLeft(t, dir)
		})
	}
}

// Runs that end at any request, before or after it had its effect, are gone on
// from, and nothing is bought twice.
func TestBatchesEndAnywhere(t *testing.T) {
	texts := sentences(40)
	step := 1
	if testing.Short() {
		step = 5
	}
	for n, done := 1, false; !done; n += step {
		var requests atomic.Int32
		ctx, cancel := context.WithCancel(t.Context())
		server := embedtest.New(t, embedtest.Options{
			Refuse: func(*http.Request) (int, string) {
				if int(requests.Add(1)) == n {
					cancel()
				}
				return 0, ""
			},
			Batches: &embedtest.BatchAPI{Time: 10 * time.Millisecond, Delay: time.Millisecond, OddLines: 0.2, LineFaults: []embedtest.Fault{embedtest.Internal}},
		})
		dir := t.TempDir()
		var store embedtest.Store
		b := inDir(dir)
		b.Poll = 20 * time.Millisecond // a request takes its effect within four of it
		o := quick(embed.Options{Texts: 25, Concurrency: 2, Grace: time.Nanosecond})
		if n%2 == 0 {
			o.Grace = time.Second // the request under way is answered
		}
		_, err := embed.RunBatches(ctx, ask(t, server, nil), &store, each(texts), o, b)
		if done = err == nil && ctx.Err() == nil; !done && err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("request %d: %v", n, err)
		}
		cancel()
		if _, err := embed.RunBatches(t.Context(), ask(t, server, nil), &store, each(texts), o, b); err != nil {
			t.Fatalf("after request %d: %v", n, err)
		}
		checkVectors(t, &store, texts, 8)
		wantSound(t, server)
		wantNothingLeft(t, dir)
		if n > 200 {
			t.Fatal("it never ends")
		}
	}
}

// A sieve is a store that keeps the ids alone.
type sieve map[string]struct{}

func (s sieve) Missing(ids []string) ([]string, error) {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { _, has := s[id]; return has }), nil
}

func (s sieve) Append(ids []string, _ [][]float32) error {
	for _, id := range ids {
		s[id] = struct{}{}
	}
	return nil
}

// An output of any size passes through little memory.
func TestBatchesMemory(t *testing.T) {
	n := 20_000
	if testing.Short() {
		n = 2000
	}
	const d = 1536
	server := embedtest.New(t, embedtest.Options{Dimensions: d, Batches: &embedtest.BatchAPI{}})
	var peak uint64
	o := quick(embed.Options{Progress: func(embed.Summary) {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapAlloc)
	}})
	s, err := embed.RunBatches(t.Context(), ask(t, server, nil), sieve{}, each(sentences(n)), o, inDir(t.TempDir()))
	if err != nil || s.Embedded != n {
		t.Fatalf("%+v, %v", s, err)
	}
	size := n * (d*4*4/3 + 300)
	t.Logf("an output of %d MB took a heap of %d MB at most, with the server's share", size>>20, peak>>20)
	if most := uint64(64 << 20); peak > most {
		t.Errorf("the heap has %d bytes, want at most %d", peak, most)
	}
}

// Azure has other paths, a key of its own header, names a deployment as the model,
// says 201 to an upload, and wants to look at the file before it takes the batch.
// The answers are written after its documentation.
func TestBatchesAzure(t *testing.T) {
	text := embed.NewText("one")
	var said []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		said = append(said, r.Method+" "+r.URL.RequestURI())
		if r.Header.Get("Api-Key") != "secret" {
			t.Errorf("header %v", r.Header)
		}
		switch said[len(said)-1] {
		case "POST /openai/files?api-version=2024-10-21":
			body, err := io.ReadAll(r.Body)
			line := fmt.Sprintf(`{"custom_id":"%s","method":"POST","url":"/v1/embeddings","body":{"model":"mine","input":"one","encoding_format":"base64"}}`, text.ID)
			if err != nil || !strings.Contains(string(body), "\r\n\r\n"+line+"\n\r\n") {
				t.Errorf("an upload of %s, %v", body, err)
			}
			w.WriteHeader(http.StatusCreated)
			io.WriteString(w, `{"status":"pending","bytes":1,"purpose":"batch","filename":"x.jsonl","id":"file-1","created_at":1,"object":"file"}`)
		case "POST /openai/batches?api-version=2024-10-21":
			if len(said) < 4 {
				w.WriteHeader(http.StatusBadRequest)
				io.WriteString(w, `{"error":{"code":"invalidPayload","message":"The input file 'file-1' is in 'pending' state. Only files with status 'Processed' are accepted for batch inferencing."}}`)
				return
			}
			io.WriteString(w, `{"id":"batch-1","status":"validating","errors":null,"request_counts":{"total":0,"completed":0,"failed":0},"metadata":null}`)
		case "GET /openai/batches/batch-1?api-version=2024-10-21":
			io.WriteString(w, `{"id":"batch-1","status":"completed","errors":null,"output_file_id":"file-2","error_file_id":"","request_counts":{"total":1,"completed":1,"failed":0}}`)
		case "GET /openai/files/file-2/content?api-version=2024-10-21":
			fmt.Fprintf(w, `{"custom_id": "%s", "response": {"body": {"data": [{"embedding": [3, 4], "index": 0, "object": "embedding"}], "model": "ada", "usage": {"prompt_tokens": 1, "total_tokens": 1}}, "request_id": "r", "status_code": 200}, "error": null}`, text.ID)
		case "DELETE /openai/files/file-1?api-version=2024-10-21":
			w.WriteHeader(http.StatusNoContent)
		default:
			t.Errorf("asks for %s", said[len(said)-1])
		}
	}))
	defer server.Close()
	p, err := embed.NewOpenAI(embed.OpenAIOptions{BaseURL: server.URL + "/openai/deployments/mine", APIVersion: "2024-10-21", Key: embed.NewKey("secret"), Model: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	var store embedtest.Store
	summary, err := embed.RunBatches(t.Context(), p, &store, each([]string{text.Text}), quick(embed.Options{}), inDir(t.TempDir()))
	if err != nil || !slices.Equal(store.Vector(text.ID), []float32{3, 4}) || summary.Tokens != 1 {
		t.Errorf("%+v, %v", summary, err)
	}
	if len(said) != 7 {
		t.Errorf("asks for %q", said)
	}
}

// A broken store fails now and then.
type broken struct {
	embedtest.Store
	left int // appends until it fails
}

func (b *broken) Append(ids []string, vectors [][]float32) error {
	if b.left--; b.left < 0 {
		return errors.New("no space left on device")
	}
	return b.Store.Append(ids, vectors)
}

// Answers that could not be stored are collected by the next run.
func TestBatchesStoreFails(t *testing.T) {
	server := embedtest.New(t, embedtest.Options{Batches: &embedtest.BatchAPI{}})
	texts := sentences(90)
	dir := t.TempDir()
	store := &broken{left: 1}
	o := quick(embed.Options{Texts: 30, Price: 1})
	if _, err := embed.RunBatches(t.Context(), ask(t, server, nil), store, each(texts), o, inDir(dir)); err == nil || err.Error() != "no space left on device" {
		t.Fatal(err)
	}
	store.left = 100
	if _, err := embed.RunBatches(t.Context(), ask(t, server, nil), store, each(texts), o, inDir(dir)); err != nil {
		t.Fatal(err)
	}
	checkVectors(t, &store.Store, texts, 8)
	wantSound(t, server)
	if n := server.Counts().Billed; n != 90 {
		t.Errorf("%d texts are billed, want 90", n)
	}
	wantNothingLeft(t, dir)
}
