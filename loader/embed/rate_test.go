package embed_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cosfit/cosfit/loader/embed"
	"github.com/cosfit/cosfit/loader/embed/embedtest"
)

// The rate that the caller sets is kept to, and so is one that only the server
// knows.
func TestRate(t *testing.T) {
	const texts, perMinute = 700, 6000 // 100 a second
	for name, c := range map[string]struct {
		o       embed.Options
		headers map[string]string
	}{
		"requests of the caller": {embed.Options{Rate: embed.Rate{Requests: perMinute}}, nil},
		"tokens of the caller":   {embed.Options{Rate: embed.Rate{Tokens: 10 * perMinute}, CountTokens: func(string) int { return 10 }}, nil},
		"of the server": {embed.Options{}, map[string]string{
			"x-ratelimit-limit-requests": fmt.Sprint(perMinute), "x-ratelimit-remaining-requests": "900", "x-ratelimit-reset-requests": "30s"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := embedtest.New(t, embedtest.Options{Headers: c.headers})
			o := quick(c.o)
			o.Texts = 1
			start := time.Now()
			if _, err := embed.Run(t.Context(), ask(t, server, nil), &embedtest.Store{}, each(sentences(texts)), o); err != nil {
				t.Fatal(err)
			}
			// A tenth of a minute's may go at once.
			atOnce := perMinute / 10
			least := time.Duration(float64(texts-atOnce-4) / perMinute * float64(time.Minute))
			if took := time.Since(start); took < least || took > least+3*time.Second {
				t.Errorf("%d requests took %s, want about %s", texts, took, least)
			}
		})
	}
}

// When a server asks to wait, nobody asks it meanwhile, and then all goes on.
func TestRetryAfterIsKept(t *testing.T) {
	const wait = 300 * time.Millisecond
	for _, status := range []int{429, 503} {
		var mu sync.Mutex
		var refusedAt time.Time
		early := 0
		server := embedtest.New(t, embedtest.Options{Headers: map[string]string{"Retry-After": "0.3"}, Latency: 10 * time.Millisecond,
			Refuse: func(*http.Request) (int, string) {
				mu.Lock()
				defer mu.Unlock()
				switch since := time.Since(refusedAt); {
				case refusedAt.IsZero():
					refusedAt = time.Now()
					return status, `{"error":{"message":"slow down"}}`
				case since < wait:
					early++
				}
				return 0, ""
			}})
		var store embedtest.Store
		texts := sentences(100)
		if _, err := embed.Run(t.Context(), ask(t, server, nil), &store, each(texts), quick(embed.Options{Texts: 2, Concurrency: 4})); err != nil {
			t.Fatal(err)
		}
		checkVectors(t, &store, texts, 8)
		const underWay = 4
		if took := time.Since(refusedAt); early > underWay || took < wait {
			t.Errorf("HTTP %d: %d requests came within the %s that the server asked for; it took %s", status, early, wait, took)
		}
	}
}

// Where the server says that nothing is left of the minute, nobody asks before
// it begins again.
func TestServerSaysWait(t *testing.T) {
	server := embedtest.New(t, embedtest.Options{Headers: map[string]string{
		"x-ratelimit-limit-tokens": "100000", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "60s"}})
	// A request of 100 tokens has to wait for a thousandth of the minute.
	text := strings.Repeat("word ", 100)
	var texts []string
	for i := range 10 {
		texts = append(texts, fmt.Sprint(text, i))
	}
	start := time.Now()
	if _, err := embed.Run(t.Context(), ask(t, server, nil), &embedtest.Store{}, each(texts), quick(embed.Options{Texts: 1, Concurrency: 1})); err != nil {
		t.Fatal(err)
	}
	if took, want := time.Since(start), 9*60*time.Millisecond; took < want || took > 4*want {
		t.Errorf("10 requests took %s, want a little over %s", took, want)
	}
}
