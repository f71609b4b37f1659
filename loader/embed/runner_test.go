package embed_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cosfit/cosfit/loader/embed"
	"github.com/cosfit/cosfit/loader/embed/embedtest"
)

// sentences are n different texts of a few words.
func sentences(n int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf("text %d says %s", i, strings.Repeat("something ", i%7+1))
	}
	return texts
}

func each(texts []string) embed.Texts {
	return func(yield func(embed.Text, error) bool) {
		for _, t := range texts {
			if !yield(embed.NewText(t), nil) {
				return
			}
		}
	}
}

// ask is a provider for a test server.
func ask(t *testing.T, s *embedtest.Server, change func(*embed.OpenAIOptions)) *embed.OpenAI {
	t.Helper()
	o := embed.OpenAIOptions{BaseURL: s.URL(), Model: "test-model", Timeout: 300 * time.Millisecond}
	if change != nil {
		change(&o)
	}
	p, err := embed.NewOpenAI(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// checkVectors wants the store to have what the server means for every text.
func checkVectors(t *testing.T, store *embedtest.Store, texts []string, d int) {
	t.Helper()
	wrong := 0
	for _, text := range texts {
		if got, want := store.Vector(embed.NewText(text).ID), embedtest.Vector(text, d); !slices.Equal(got, want) {
			if wrong++; wrong <= 3 {
				t.Errorf("%q: vector %v, want %v", text, got, want)
			}
		}
	}
	if wrong > 3 {
		t.Errorf("%d vectors are wrong", wrong)
	}
	if store.Len() != len(texts) {
		t.Errorf("%d vectors are stored, want %d", store.Len(), len(texts))
	}
}

// quick are options for a server that is on this machine.
func quick(o embed.Options) embed.Options { return embed.Quick(o) }

// Every fifth request fails, in all ways at once, and still every text gets its
// vector, and none is bought again but for answers that were lost.
func TestFaults(t *testing.T) {
	const n, d = 10_000, 16
	texts := sentences(n)
	server := embedtest.New(t, embedtest.Options{Dimensions: d, Faults: 0.2, Seed: uint64(time.Now().UnixNano()), Key: "sk-test"})
	p := ask(t, server, func(o *embed.OpenAIOptions) {
		o.Key, o.Dimensions = embed.NewKey("sk-test"), d
		o.Timeout = 5 * time.Second // less, and on a busy machine an answer comes too late that the server takes for delivered
	})
	var store embedtest.Store
	summary, err := embed.Run(t.Context(), p, &store, each(texts), quick(embed.Options{Texts: 32, Concurrency: 8}))
	if err != nil {
		t.Fatal(err)
	}
	checkVectors(t, &store, texts, d)
	if over := server.Overbilled(); over != nil {
		t.Errorf("%d texts were bought again: %s", len(over), over[0])
	}
	if problems := server.Problems(); problems != nil {
		t.Errorf("requests are wrong in form: %q", problems)
	}
	c := server.Counts()
	t.Logf("%d texts in %.1f s: %d requests, %d faults %v", n, summary.Seconds, c.Requests, summary.Failed, c.Faults)
	t.Logf("embedded %d texts, %d of them in vain because their answer was lost or spoilt: %.1f %% more than needed", c.Billed, c.Lost, 100*float64(c.Billed-n)/n)
	if c.Billed-c.Lost != n {
		t.Errorf("%d texts were embedded and %d of them lost: want %d to be left", c.Billed, c.Lost, n)
	}
	if summary.Embedded != n || summary.Texts != n || summary.Cached != 0 || !summary.Normalized || summary.Dimensions != d || summary.Requests != c.Requests {
		t.Errorf("summary %+v", summary)
	}
	if summary.Tokens+summary.LostTokens < int64(c.Tokens) {
		t.Errorf("summary has %d tokens and %d lost ones, the server bills %d", summary.Tokens, summary.LostTokens, c.Tokens)
	}
}

// A second run finds all in the store and asks for nothing.
func TestCached(t *testing.T) {
	server := embedtest.New(t, embedtest.Options{})
	texts := sentences(100)
	texts = append(texts, texts[:20]...)
	var store embedtest.Store
	o := quick(embed.Options{Texts: 7, Price: 2})
	first, err := embed.Run(t.Context(), ask(t, server, nil), &store, each(texts), o)
	if err != nil || first.Embedded != 100 || first.Requests != 15 {
		t.Fatalf("first run: %+v, %v", first, err)
	}
	if want := 2 * float64(server.Counts().Tokens) / 1e6; first.Cost != want {
		t.Errorf("cost %g, want %g", first.Cost, want)
	}
	second, err := embed.Run(t.Context(), ask(t, server, nil), &store, each(texts), o)
	if err != nil || second.Embedded != 0 || second.Cached != 100 || second.Requests != 0 || second.Cost != 0 || second.Saved <= 0 {
		t.Errorf("second run: %+v, %v", second, err)
	}
}

// Texts that the server cannot embed are found, named and left out, and nothing
// else is.
func TestBadTexts(t *testing.T) {
	texts := sentences(300)
	poison, sick := []string{texts[0], texts[130], texts[131]}, []string{texts[70], texts[299]}
	bad := slices.Concat(poison, sick)
	good := slices.DeleteFunc(slices.Clone(texts), func(t string) bool { return slices.Contains(bad, t) })
	server := embedtest.New(t, embedtest.Options{Poison: poison, Sick: sick})

	var store embedtest.Store
	summary, err := embed.Run(t.Context(), ask(t, server, nil), &store, each(texts), quick(embed.Options{Texts: 64, SkipBad: true, Retries: 2}))
	if err != nil {
		t.Fatal(err)
	}
	checkVectors(t, &store, good, 8)
	var named []string
	for _, b := range summary.Bad {
		named = append(named, b.ID)
		if !strings.HasPrefix(b.Start, "text ") || b.Why == "" {
			t.Errorf("a bad text is described as %s", b)
		}
	}
	var want []string
	for _, text := range bad {
		want = append(want, embed.NewText(text).ID)
	}
	slices.Sort(named)
	slices.Sort(want)
	if !slices.Equal(named, want) {
		t.Errorf("bad texts %v, want %v", named, want)
	}
	if over := server.Overbilled(); over != nil {
		t.Errorf("texts were bought again: %s", over)
	}

	_, err = embed.Run(t.Context(), ask(t, server, nil), &embedtest.Store{}, each(texts), quick(embed.Options{Texts: 64, Retries: 2}))
	var one *embed.BadTextError
	if !errors.As(err, &one) || !slices.Contains(want, one.Bad.ID) {
		t.Errorf("without SkipBad: %v", err)
	}
}

// A server that takes less than we send is asked for less, and soon at once.
func TestTooLarge(t *testing.T) {
	server := embedtest.New(t, embedtest.Options{Texts: 10})
	texts := sentences(2000)
	var store embedtest.Store
	summary, err := embed.Run(t.Context(), ask(t, server, nil), &store, each(texts), quick(embed.Options{Concurrency: 2}))
	if err != nil {
		t.Fatal(err)
	}
	checkVectors(t, &store, texts, 8)
	c := server.Counts()
	if refused := c.Requests - 2000/8; refused > 20 || c.Largest != 8 {
		t.Errorf("%d requests of up to %d texts, want about %d of 8: %+v", c.Requests, c.Largest, 2000/8, summary)
	}
}

// Batches keep within the number and the tokens of a request.
func TestBatches(t *testing.T) {
	server := embedtest.New(t, embedtest.Options{Tokens: 40})
	words := func(text string) int { return len(strings.Fields(text)) }
	texts := sentences(200)
	var store embedtest.Store
	_, err := embed.Run(t.Context(), ask(t, server, nil), &store, each(texts), quick(embed.Options{Texts: 8, Tokens: 40, CountTokens: words}))
	if err != nil {
		t.Fatal(err)
	}
	if c := server.Counts(); c.Largest > 8 || c.Largest < 5 {
		t.Errorf("requests have up to %d texts, want 5 to 8", c.Largest)
	}
	checkVectors(t, &store, texts, 8)
	if p := server.Problems(); p != nil {
		t.Error(p)
	}
}

// The run ends before the cost passes its limit, with what it bought.
func TestMaxCost(t *testing.T) {
	words := func(text string) int { return len(strings.Fields(text)) }
	for _, faults := range []float64{0, 0.3} {
		server := embedtest.New(t, embedtest.Options{Faults: faults, Kinds: []embedtest.Fault{embedtest.Cut, embedtest.Page}})
		var store embedtest.Store
		const price, limit = 1000.0, 2.0 // 2,000 tokens
		summary, err := embed.Run(t.Context(), ask(t, server, nil), &store, each(sentences(3000)),
			quick(embed.Options{Texts: 16, Price: price, MaxCost: limit, CountTokens: words}))
		var cost *embed.CostError
		if !errors.As(err, &cost) {
			t.Fatalf("error %v, want a CostError", err)
		}
		billed := price * float64(server.Counts().Tokens) / 1e6
		if billed > limit || billed < 0.9*limit {
			t.Errorf("the server bills $%.3f, want just under $%g", billed, limit)
		}
		if store.Len() != summary.Embedded || summary.Cost > limit {
			t.Errorf("%d vectors are stored: %+v", store.Len(), summary)
		}
	}
}

// What cannot get better ends the run soon, and says why.
func TestLastingFailures(t *testing.T) {
	for name, c := range map[string]struct {
		server  embedtest.Options
		change  func(*embed.OpenAIOptions)
		want    string
		atMost  int // requests
		skipBad bool
	}{
		"wrong key":       {embedtest.Options{Key: "sk-right"}, nil, "HTTP 401", 8, false},
		"quota":           {embedtest.Options{Refuse: always(429, `{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}`)}, nil, "nothing left", 8, false},
		"unknown model":   {embedtest.Options{Refuse: always(404, `{"error":{"message":"model \"test-model\" not found","type":"api_error"}}`)}, nil, "not found", 8, false},
		"redirect":        {embedtest.Options{Refuse: always(308, ""), Headers: map[string]string{"Location": "https://elsewhere/v1"}}, nil, "give that as the base URL", 8, false},
		"always down":     {embedtest.Options{Refuse: always(503, "down")}, nil, "no usable answer after 3 tries", 60, true},
		"refuses all":     {embedtest.Options{Refuse: always(400, `{"error":"no"}`)}, nil, "were all refused", 60, true},
		"wrong dimension": {embedtest.Options{Refuse: nil}, func(o *embed.OpenAIOptions) { o.Model = "text-embedding-3-small" }, "8 values, want 1536", 4, true},
	} {
		t.Run(name, func(t *testing.T) {
			server := embedtest.New(t, c.server)
			var store embedtest.Store
			summary, err := embed.Run(t.Context(), ask(t, server, c.change), &store, each(sentences(500)),
				quick(embed.Options{Texts: 32, Retries: 2, SkipBad: c.skipBad}))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want one with %q", err, c.want)
			}
			if n := server.Counts().Requests; n > c.atMost {
				t.Errorf("%d requests, want at most %d", n, c.atMost)
			}
			if summary.Embedded != 0 || len(summary.Bad) != 0 {
				t.Errorf("summary %+v", summary)
			}
		})
	}
}

func always(status int, body string) func(*http.Request) (int, string) {
	return func(*http.Request) (int, string) { return status, body }
}

// A server that is not there is named, with advice.
func TestNoServer(t *testing.T) {
	server := embedtest.Start(embedtest.Options{})
	url := server.URL()
	server.Close()
	p, err := embed.NewOpenAI(embed.OpenAIOptions{BaseURL: url, Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = embed.Run(t.Context(), p, &embedtest.Store{}, each(sentences(3)), quick(embed.Options{Retries: -1}))
	if err == nil || !strings.Contains(err.Error(), "is the server running") {
		t.Errorf("error %v", err)
	}
}

// Cancelling sends nothing more, but keeps what is under way, since it is paid.
func TestCancel(t *testing.T) {
	server := embedtest.New(t, embedtest.Options{Latency: 30 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var store embedtest.Store
	go func() {
		for server.Requests() < 22 {
			time.Sleep(time.Millisecond)
		}
		cancel() // while some are under way
	}()
	summary, err := embed.Run(ctx, ask(t, server, nil), &store, each(sentences(5000)), quick(embed.Options{Texts: 10, Concurrency: 5}))
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	c := server.Counts()
	if c.Lost != 0 || c.Billed != store.Len() || summary.Embedded != store.Len() || store.Len() > 300 {
		t.Errorf("%d texts were embedded, %d lost, %d stored: %+v", c.Billed, c.Lost, store.Len(), summary)
	}
}

// The error of the texts ends the run after what came before it.
func TestTextsFail(t *testing.T) {
	server := embedtest.New(t, embedtest.Options{})
	broken := errors.New("row 7 is broken")
	var texts embed.Texts = func(yield func(embed.Text, error) bool) {
		for text, err := range iter.Seq2[embed.Text, error](each(sentences(7))) {
			yield(text, err)
		}
		yield(embed.Text{}, broken)
	}
	if _, err := embed.Run(t.Context(), ask(t, server, nil), &embedtest.Store{}, texts, quick(embed.Options{})); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// A plan says what a run then does.
func TestPlan(t *testing.T) {
	server := embedtest.New(t, embedtest.Options{})
	p := ask(t, server, nil)
	words := func(text string) int { return len(strings.Fields(text)) }
	texts := sentences(3000)
	o := quick(embed.Options{Texts: 50, Price: 7, CountTokens: words, Rate: embed.Rate{Requests: 600}})
	var store embedtest.Store
	if _, err := embed.Run(t.Context(), p, &store, each(texts[:1000]), o); err != nil {
		t.Fatal(err)
	}
	plan, err := embed.Plan(t.Context(), p, &store, each(append(texts, texts[5])), o)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Texts < 3000 || plan.Missing != 2000 || plan.Requests != 40 || !plan.Exact || plan.Seconds < 4 {
		t.Errorf("plan %+v", plan)
	}
	before := server.Counts()
	o.Rate = embed.Rate{}
	summary, err := embed.Run(t.Context(), p, &store, each(texts), o)
	if err != nil {
		t.Fatal(err)
	}
	after := server.Counts()
	if got := after.Requests - before.Requests; got != plan.Requests {
		t.Errorf("%d requests, the plan says %d", got, plan.Requests)
	}
	if summary.Tokens != plan.Tokens || summary.Cost != plan.Cost {
		t.Errorf("%d tokens for $%g, the plan says %d for $%g", summary.Tokens, summary.Cost, plan.Tokens, plan.Cost)
	}
}

// A limited is a provider that says what it takes, and fails where it gets more.
type limited struct {
	takes embed.Limits
	t     *testing.T
}

func (l limited) Space() embed.Space   { return embed.Space{Provider: "test", Model: "limited"} }
func (l limited) Limits() embed.Limits { return l.takes }

func (l limited) Embed(_ context.Context, texts []string) (embed.Answer, error) {
	var a embed.Answer
	for _, text := range texts {
		a.Tokens += len(text)
		if len(text) > l.takes.TextTokens {
			l.t.Errorf("a text of %d tokens is sent", len(text))
		}
		a.Vectors = append(a.Vectors, []float32{3, 4})
	}
	if len(texts) > l.takes.Texts || a.Tokens > l.takes.Tokens {
		l.t.Errorf("a request has %d texts and %d tokens", len(texts), a.Tokens)
	}
	return a, nil
}

// What a provider takes is kept to, whatever is asked for, and a text that is
// too long for it is not sent.
func TestLimits(t *testing.T) {
	p := limited{embed.Limits{Texts: 9, Tokens: 500, TextTokens: 100}, t}
	texts := sentences(300)
	long := strings.Repeat("x", 101)
	count := func(text string) int { return len(text) }
	var store embedtest.Store
	o := embed.Options{Texts: 50, Tokens: 10_000, CountTokens: count, SkipBad: true}
	summary, err := embed.Run(t.Context(), p, &store, each(append(texts, long)), o)
	if err != nil || summary.Embedded != 300 || summary.Normalized || summary.Dimensions != 2 {
		t.Errorf("%+v, %v", summary, err)
	}
	if len(summary.Bad) != 1 || summary.Bad[0].Why != "has 101 tokens, and the model takes at most 100" || len(summary.Bad[0].Start) > 70 {
		t.Errorf("bad texts: %v", summary.Bad)
	}
	o.SkipBad = false
	var bad *embed.BadTextError
	if _, err := embed.Run(t.Context(), p, &embedtest.Store{}, each([]string{long}), o); !errors.As(err, &bad) {
		t.Error(err)
	}
}

// A full is a store that can keep nothing more.
type full struct{ embedtest.Store }

func (*full) Append([]string, [][]float32) error { return errors.New("no space left") }

// What was paid for and could not be kept, or was cut off, is in the summary.
func TestLostIsCounted(t *testing.T) {
	server := embedtest.New(t, embedtest.Options{})
	summary, err := embed.Run(t.Context(), ask(t, server, nil), &full{}, each(sentences(50)), quick(embed.Options{Texts: 10, Concurrency: 2, Price: 1}))
	if err == nil || summary.LostTokens != int64(server.Counts().Tokens) || summary.Cost == 0 || summary.Tokens != 0 {
		t.Errorf("a full disk: %+v, %v, the server bills %d tokens", summary, err, server.Counts().Tokens)
	}

	hangs := embedtest.New(t, embedtest.Options{Faults: 1, Kinds: []embedtest.Fault{embedtest.Hang}})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	o := quick(embed.Options{Texts: 10, Concurrency: 2, Price: 1, Grace: time.Millisecond})
	summary, err = embed.Run(ctx, ask(t, hangs, func(o *embed.OpenAIOptions) { o.Timeout = 0 }), &embedtest.Store{}, each(sentences(50)), o)
	if !errors.Is(err, context.DeadlineExceeded) || summary.LostTokens == 0 || summary.Failed != 2 {
		t.Errorf("cut off: %+v, %v", summary, err)
	}
}

// A shared is a store of which others claim every third text, three times.
type shared struct {
	embedtest.Store
	mu       sync.Mutex
	asked    map[string]int
	released int
}

func (s *shared) Claim(ids []string) (ours []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		s.asked[id]++
		if s.asked[id] > 3 || id[0]%3 != 0 {
			ours = append(ours, id)
		}
	}
	return ours, nil
}

func (s *shared) Release(ids []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.released += len(ids)
	return nil
}

// What others claim is looked at again until they give it up, and counts once.
func TestClaimedElsewhere(t *testing.T) {
	server := embedtest.New(t, embedtest.Options{})
	texts := sentences(3000)
	store := &shared{asked: map[string]int{}}
	summary, err := embed.Run(t.Context(), ask(t, server, nil), store, each(texts), quick(embed.Options{Texts: 4, Concurrency: 3}))
	if err != nil {
		t.Fatal(err)
	}
	checkVectors(t, &store.Store, texts, 8)
	if summary.Texts != len(texts) || summary.Embedded != len(texts) || summary.Cached != 0 || server.Counts().Billed != len(texts) || store.released != len(texts) {
		t.Errorf("%+v, %d released", summary, store.released)
	}
}

// A provider that knows which texts are bad says so, and the others of the
// request are kept, however many are bad.
func TestBadTextsKnown(t *testing.T) {
	texts := sentences(3000)
	for i := range texts {
		if i%3 > 0 {
			texts[i] = strings.Repeat(" ", i)
		}
	}
	p := embed.NewHashing(8)
	var store embedtest.Store
	summary, err := embed.Run(t.Context(), p, &store, each(texts), embed.Options{Texts: 200, SkipBad: true})
	if err != nil || summary.Embedded != 1000 || len(summary.Bad) != 2000 || summary.Failed != 0 || summary.Requests != 15 {
		t.Errorf("%d embedded, %d bad, %d requests, %d failed, %v", summary.Embedded, len(summary.Bad), summary.Requests, summary.Failed, err)
	}
	if b := summary.Bad[0]; b.Why != "a text of white space alone has no vector" || store.Vector(b.ID) != nil {
		t.Errorf("%+v", b)
	}
	var bad *embed.BadTextError
	summary, err = embed.Run(t.Context(), p, new(embedtest.Store), each(texts), embed.Options{Texts: 200, Concurrency: 1})
	if !errors.As(err, &bad) || summary.Embedded == 0 || len(summary.Bad) != 1 {
		t.Errorf("%+v, %v", summary, err)
	}
}
