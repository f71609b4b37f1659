// Package embedtest is a server for tests that speaks OpenAI's embeddings API,
// knows the right vector of every text, and fails in the ways that servers and
// networks do.
package embedtest

import (
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Options of a server. The zero value answers every right request at once, with
// vectors of 8 values.
type Options struct {
	Key        string        // that requests must carry; "" means none
	Dimensions int           // of the vectors, where a request does not ask for others
	Latency    time.Duration // from a request's arrival to its answer

	// Faults is the share of requests that one of Kinds happens to; no kinds
	// means all of them.
	Faults float64
	Kinds  []Fault
	Seed   uint64

	// Most a request may hold. Zero means what OpenAI allows.
	Texts, Tokens int
	// Poison are texts that the server cannot embed: the request is rejected.
	Poison []string
	// Sick are texts whose vectors are NaN, whenever they are asked for.
	Sick []string
	// Headers go with every answer.
	Headers map[string]string
	// OnlyFloats has the server refuse base64, as some do.
	OnlyFloats bool
	// Batches is the batch API; nil where the server has none.
	Batches *BatchAPI
	// Refuse, where it is not nil, is asked about every request that is right in
	// form. A status other than 0 is the answer, with this body.
	Refuse func(r *http.Request) (status int, body string)
}

// A Server is a running server. It ends with the test.
type Server struct {
	o    Options
	http *httptest.Server

	mu      sync.Mutex
	random  *rand.Rand
	counts  Counts
	billed  map[string]int // times that a text was embedded
	lost    map[string]int // of them, without an answer that a client could use
	active  int
	files   map[string]*file
	batches []*batch // in the order of their creation

	problemsMu sync.Mutex
	problems   []string
}

// Counts are what a server saw.
type Counts struct {
	Requests int
	Faults   map[Fault]int
	Billed   int // texts that were embedded, as often as they were
	Lost     int // of them, without an answer that a client could use
	AtOnce   int // requests, at most
	Largest  int // texts in a request that was answered
	Tokens   int // in the answers
	Batches  int // that were made
	Waiting  int // batches at once, at most
	Ends     map[End]int
}

// New starts a server.
func New(t testing.TB, o Options) *Server {
	s := Start(o)
	t.Cleanup(s.Close)
	return s
}

// Start is New outside of a test. The caller closes the server.
func Start(o Options) *Server {
	if o.Dimensions == 0 {
		o.Dimensions = 8
	}
	if o.Texts == 0 {
		o.Texts = 2048
	}
	if o.Tokens == 0 {
		o.Tokens = 300_000
	}
	if len(o.Kinds) == 0 {
		o.Kinds = Faults()
	}
	s := &Server{
		o: o, random: rand.New(rand.NewPCG(o.Seed, 1)), billed: map[string]int{}, lost: map[string]int{},
		counts: Counts{Faults: map[Fault]int{}}, files: map[string]*file{},
	}
	s.http = httptest.NewUnstartedServer(s)
	s.http.Config.ErrorLog = silent()
	s.http.Start()
	return s
}

// Close ends the server, and requests that hang.
func (s *Server) Close() {
	s.http.CloseClientConnections()
	s.http.Close()
}

// URL is the base URL.
func (s *Server) URL() string { return s.http.URL + "/v1" }

// Counts are what the server saw so far. It waits for the requests under way.
func (s *Server) Counts() Counts {
	defer s.quiet().Unlock()
	s.advance()
	c := s.counts
	c.Faults, c.Ends = maps.Clone(c.Faults), maps.Clone(c.Ends)
	return c
}

// Requests is how many came so far, those under way among them.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts.Requests
}

// quiet waits until no request is under way, or for five seconds, and holds the
// lock.
func (s *Server) quiet() *sync.Mutex {
	for range 1000 {
		s.mu.Lock()
		if s.active == 0 {
			return &s.mu
		}
		s.mu.Unlock()
		time.Sleep(5 * time.Millisecond)
	}
	s.mu.Lock()
	return &s.mu
}

// Problems are what was wrong in form with requests.
func (s *Server) Problems() []string {
	s.problemsMu.Lock()
	defer s.problemsMu.Unlock()
	return s.problems
}

// Overbilled are the texts that were embedded again although an answer with
// their vector had arrived.
func (s *Server) Overbilled() []string {
	defer s.quiet().Unlock()
	s.advance()
	var texts []string
	for text, n := range s.billed {
		if n > s.lost[text]+1 {
			texts = append(texts, fmt.Sprintf("%q: embedded %d times, %d answers lost", text, n, s.lost[text]))
		}
	}
	return texts
}

// Vector is what the server means for a text: d numbers that are as good as
// random, of length 1.
func Vector(text string, d int) []float32 {
	h := fnv.New64a()
	h.Write([]byte(text))
	state := h.Sum64()
	v := make([]float32, d)
	var square float64
	for i := range v {
		state += 0x9e3779b97f4a7c15 // a Weyl sequence, mixed by two multiplications
		z := (state ^ state>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		v[i] = float32(int64(z)>>40) / (1 << 23)
		square += float64(v[i]) * float64(v[i])
	}
	scale := float32(1 / math.Sqrt(square))
	for i := range v {
		v[i] *= scale
	}
	return v
}
