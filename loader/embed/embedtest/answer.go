package embedtest

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

func silent() *log.Logger { return log.New(io.Discard, "", 0) }

// A Fault is a way in which a request goes wrong.
type Fault string

// The faults. The first four refuse the request before a text is embedded; with
// the others the texts are embedded, and billed.
const (
	LimitWithWait  Fault = "429 with Retry-After"
	Limit          Fault = "429"
	Internal       Fault = "500"
	Unavailable    Fault = "503, an HTML page"
	Cut            Fault = "body cut short"
	Reset          Fault = "connection reset"
	Hang           Fault = "hang"
	Page           Fault = "an HTML page with status 200"
	FewVectors     Fault = "a vector less"
	WrongDimension Fault = "a vector too short"
	NullValue      Fault = "a vector with null"
	ZeroVector     Fault = "a vector of zeros"
	TwiceOneIndex  Fault = "an index twice"
	Shuffled       Fault = "another order" // which is allowed: index says whose they are
	Drip           Fault = "slow drip"     // which arrives
)

// Short is a fault of files alone: the first half comes, and nothing says that
// there is more.
const Short Fault = "half a file"

// NoModel is a fault of lines of a batch alone.
const NoModel Fault = "404"

// Faults are all that requests for vectors have.
func Faults() []Fault {
	return []Fault{LimitWithWait, Limit, Internal, Unavailable, Cut, Reset, Hang, Page, FewVectors,
		WrongDimension, NullValue, ZeroVector, TwiceOneIndex, Shuffled, Drip}
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	due := time.Now().Add(s.o.Latency)
	fault := s.arrive()
	defer s.leave()
	if s.o.Batches != nil && (strings.HasPrefix(r.URL.Path, "/v1/files") || strings.HasPrefix(r.URL.Path, "/v1/batches")) {
		s.serveBatches(w, r, fault)
		return
	}
	q, wrong := s.read(r)
	for name, value := range s.o.Headers {
		w.Header().Set(name, value)
	}
	if wrong != nil {
		time.Sleep(time.Until(due))
		fail(w, *wrong)
		return
	}
	if s.turnsAway(w, r, fault) {
		return
	}
	s.embed(w, r, q, fault, due)
}

// arrive counts a request and draws its fault.
func (s *Server) arrive() Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Requests++
	s.active++
	s.counts.AtOnce = max(s.counts.AtOnce, s.active)
	if s.random.Float64() >= s.o.Faults {
		return ""
	}
	fault := s.o.Kinds[s.random.IntN(len(s.o.Kinds))]
	s.counts.Faults[fault]++
	return fault
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active--
}

func fail(w http.ResponseWriter, f failure) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.status)
	var code any
	if f.code != "" {
		code = f.code
	}
	json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{
		"message": f.message, "type": "invalid_request_error", "param": nil, "code": code}})
}

// refuse is a fault before any work.
func (s *Server) refuse(w http.ResponseWriter, fault Fault) bool {
	switch fault {
	case LimitWithWait:
		w.Header().Set("Retry-After", "0.05")
		fail(w, failure{429, "Rate limit reached for requests", "rate_limit_exceeded"})
	case Limit:
		fail(w, failure{429, "Rate limit reached for requests", "rate_limit_exceeded"})
	case Internal:
		fail(w, failure{500, "The server had an error while processing your request", ""})
	case Unavailable:
		w.WriteHeader(503)
		io.WriteString(w, "<html><head><title>503</title></head><body><h1>Service Temporarily Unavailable</h1></body></html>")
	default:
		return false
	}
	return true
}

// embed does the work, waits until the answer is due, and sends what the fault
// makes of it.
func (s *Server) embed(w http.ResponseWriter, r *http.Request, q *request, fault Fault, due time.Time) {
	a := s.answer(q)
	spoilt := spoil(&a, fault)
	for i, text := range q.texts {
		if at := slices.Index(a.index, i); at >= 0 && slices.Contains(s.o.Sick, text) {
			a.vectors[at] = nil
			spoilt[i] = true
		}
	}
	body := a.encode()
	time.Sleep(time.Until(due))
	s.bill(q.texts, spoilt, send(w, r, body, fault))
}

// send sends a body, or what a fault makes of it, and says whether it arrived.
func send(w http.ResponseWriter, r *http.Request, body []byte, fault Fault) (arrived bool) {
	switch fault {
	case Hang:
		<-r.Context().Done()
	case Reset:
		reset(w)
	case Page:
		io.WriteString(w, "<!DOCTYPE html><html><body><h1>Maintenance</h1></body></html>")
	case Cut:
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body[:len(body)/2])
		w.(http.Flusher).Flush()
		reset(w)
	case Drip:
		return drip(w, body)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, err := w.Write(body)
		return err == nil && r.Context().Err() == nil
	}
	return false
}

// bill counts what was embedded, and what was so in vain.
func (s *Server) bill(texts []string, spoilt map[int]bool, arrived bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.billLocked(texts, spoilt, arrived)
}

func (s *Server) billLocked(texts []string, spoilt map[int]bool, arrived bool) {
	s.counts.Billed += len(texts)
	s.counts.Tokens += tokens(texts)
	s.counts.Largest = max(s.counts.Largest, len(texts))
	for i, text := range texts {
		s.billed[text]++
		if !arrived || spoilt[i] {
			s.lost[text]++
			s.counts.Lost++
		}
	}
}

// reset ends a connection without an orderly close.
func reset(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := connection.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	connection.Close()
}

// drip sends a body in small pieces.
func drip(w http.ResponseWriter, body []byte) bool {
	const pieces = 20
	for i := range pieces {
		if _, err := w.Write(body[i*len(body)/pieces : (i+1)*len(body)/pieces]); err != nil {
			return false
		}
		w.(http.Flusher).Flush()
		time.Sleep(2 * time.Millisecond)
	}
	return true
}

// An answer is a list of vectors before it is written.
type answer struct {
	model   string
	tokens  int
	base64  bool
	index   []int
	vectors [][]float32 // nil is null; a NaN makes the vector a list with null
}

func (s *Server) answer(q *request) answer {
	d := s.dimensions(q)
	a := answer{model: q.Model, tokens: tokens(q.texts), base64: q.EncodingFormat != nil && *q.EncodingFormat == "base64"}
	for i, text := range q.texts {
		a.index = append(a.index, i)
		a.vectors = append(a.vectors, Vector(text, d))
	}
	return a
}

// dimensions are those of the vectors that a request asks for.
func (s *Server) dimensions(q *request) int {
	if q.Dimensions != nil {
		return *q.Dimensions
	}
	return s.o.Dimensions
}

// spoil applies a fault to an answer and returns the texts that nobody can
// rightly take a vector for.
func spoil(a *answer, fault Fault) map[int]bool {
	spoilt := map[int]bool{}
	all := func() {
		for i := range a.index {
			spoilt[i] = true
		}
	}
	last := len(a.vectors) - 1
	switch fault {
	case FewVectors:
		all()
		a.index, a.vectors = a.index[:last], a.vectors[:last]
	case TwiceOneIndex:
		if last > 0 {
			all()
			a.index[last] = 0
		}
	case WrongDimension:
		spoilt[last] = true
		a.vectors[last] = a.vectors[last][1:]
	case NullValue:
		spoilt[last] = true
		a.vectors[last][0] = float32(math.NaN())
	case ZeroVector:
		spoilt[last] = true
		clear(a.vectors[last])
	case Shuffled:
		slices.Reverse(a.index)
		slices.Reverse(a.vectors)
	}
	return spoilt
}

// encode writes an answer as OpenAI does.
func (a answer) encode() []byte {
	var b bytes.Buffer
	if a.base64 && len(a.vectors) > 0 { // a test of speed shares its machine with the client
		const around = 128
		b.Grow(len(a.vectors) * (base64.StdEncoding.EncodedLen(4*len(a.vectors[0])) + around))
	}
	b.WriteString("{\n  \"object\": \"list\",\n  \"data\": [")
	for i, v := range a.vectors {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "\n    {\n      \"object\": \"embedding\",\n      \"index\": %d,\n      \"embedding\": ", a.index[i])
		a.write(&b, v)
		b.WriteString("\n    }")
	}
	fmt.Fprintf(&b, "\n  ],\n  \"model\": %q,\n  \"usage\": {\n    \"prompt_tokens\": %d,\n    \"total_tokens\": %d\n  }\n}\n", a.model, a.tokens, a.tokens)
	return b.Bytes()
}

func (a answer) write(b *bytes.Buffer, v []float32) {
	switch {
	case v == nil:
		b.WriteString("null")
	case a.base64 && !slices.ContainsFunc(v, isNaN):
		raw := make([]byte, 4*len(v))
		for i, x := range v {
			binary.LittleEndian.PutUint32(raw[4*i:], math.Float32bits(x))
		}
		b.WriteByte('"')
		b.Write(base64.StdEncoding.AppendEncode(b.AvailableBuffer(), raw))
		b.WriteByte('"')
	default:
		values := make([]string, len(v))
		for i, x := range v {
			if values[i] = strconv.FormatFloat(float64(x), 'g', -1, 32); isNaN(x) {
				values[i] = "null"
			}
		}
		b.WriteString("[" + strings.Join(values, ", ") + "]")
	}
}

func isNaN(x float32) bool { return x != x }

// turnsAway answers a request that is refused, by the test's own rule or by a
// fault, and reports whether it was.
func (s *Server) turnsAway(w http.ResponseWriter, r *http.Request, fault Fault) bool {
	if s.o.Refuse != nil {
		if status, body := s.o.Refuse(r); status != 0 {
			w.WriteHeader(status)
			io.WriteString(w, body)
			return true
		}
	}
	return s.refuse(w, fault)
}
