package embedtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A BatchAPI is how a server's batch API behaves. Faults of requests happen to
// its requests as well: those that refuse one before it has an effect, the others
// to the answer after it.
type BatchAPI struct {
	Delay    time.Duration // from a request's arrival to its effect, and again to its answer
	Time     time.Duration // from a batch's creation to its end
	Unlisted time.Duration // from a batch's creation until the list has it

	// Odd is the share of batches that end in one of Ends. Of two in a row, only
	// the first does, unless all do.
	Odd  float64
	Ends []End
	// OddLines is the share of lines that one of LineFaults happens to: Internal
	// or NoModel for an error of the server, or a fault of vectors.
	OddLines   float64
	LineFaults []Fault

	// Invalid are texts whose line fails the validation of the file.
	Invalid []string

	Texts, Bytes int // most in a batch; zero means what OpenAI allows
	Queue        int // most tokens in all batches that are not done; zero means any
}

// An End is how a batch ends that does not complete.
type End string

const (
	ExpiredHalf End = "expired half way"
	ExpiredAll  End = "expired without an answer"
	Cancelled   End = "cancelled half way"
	Partly      End = "partly failed" // by errors of the server
	Broken      End = "failed as a whole"
)

// A file is one that was uploaded, or that a batch made.
type file struct {
	id    string
	body  []byte       // of an upload
	lines []outputLine // of a batch's output
	d     int          // dimensions of its vectors
}

// A batch is one that was asked for.
type batch struct {
	ID       string            `json:"id"`
	Object   string            `json:"object"`
	Endpoint string            `json:"endpoint"`
	Errors   *batchErrors      `json:"errors"`
	Input    string            `json:"input_file_id"`
	Window   string            `json:"completion_window"`
	Status   string            `json:"status"`
	Output   *string           `json:"output_file_id"`
	Error    *string           `json:"error_file_id"`
	Created  int64             `json:"created_at"`
	Counts   batchCounts       `json:"request_counts"`
	Metadata map[string]string `json:"metadata"`

	end      End
	made     time.Time
	done     bool
	requests []batchRequest
	failed   []validation
}

type batchCounts struct {
	Total     int `json:"total"`
	Completed int `json:"completed"`
	Failed    int `json:"failed"`
}

type batchErrors struct {
	Object string       `json:"object"`
	Data   []validation `json:"data"`
}

type validation struct {
	Code    string  `json:"code"`
	Message string  `json:"message"`
	Param   *string `json:"param"`
	Line    *int    `json:"line"`
}

// A batchRequest is a line of a batch's input.
type batchRequest struct {
	CustomID string          `json:"custom_id"`
	Method   string          `json:"method"`
	URL      string          `json:"url"`
	Body     json.RawMessage `json:"body"`

	q request
}

// An outputLine is a line of a batch's output, or of its errors.
type outputLine struct {
	id     string
	text   string
	fault  Fault
	status int    // of a failure; 0 where there is none
	code   string // of a request that was not made
}

// serveBatches answers a request about files or batches.
func (s *Server) serveBatches(w http.ResponseWriter, r *http.Request, fault Fault) {
	if wrong := s.checkKey(r); wrong != nil {
		fail(w, *wrong)
		return
	}
	if s.turnsAway(w, r, fault) {
		return
	}
	time.Sleep(s.o.Batches.Delay)
	path := strings.Split(strings.TrimPrefix(r.URL.Path, "/v1/"), "/")
	var answer any
	var wrong *failure
	switch at := r.Method + " " + path[0] + "/" + strconv.Itoa(len(path)); {
	case at == "POST files/1":
		answer, wrong = s.takeFile(r)
	case at == "DELETE files/2":
		s.mu.Lock()
		delete(s.files, path[1])
		s.mu.Unlock()
		answer = map[string]any{"id": path[1], "object": "file", "deleted": true}
	case at == "GET files/3" && path[2] == "content":
		s.sendFile(w, r, path[1], fault)
		return
	case at == "POST batches/1":
		answer, wrong = s.makeBatch(r)
	case at == "GET batches/1":
		answer = s.list(r)
	case at == "GET batches/2":
		answer, wrong = s.batch(path[1], false)
	case at == "POST batches/3" && path[2] == "cancel":
		answer, wrong = s.batch(path[1], true)
	default:
		wrong = &failure{404, "Invalid URL (" + r.Method + " " + r.URL.Path + ")", ""}
	}
	if wrong != nil {
		fail(w, *wrong)
		return
	}
	time.Sleep(s.o.Batches.Delay)
	s.mu.Lock()
	body, err := json.Marshal(answer)
	s.mu.Unlock()
	if err != nil {
		panic(err)
	}
	send(w, r, body, fault)
}

// takeFile keeps a file that is uploaded.
func (s *Server) takeFile(r *http.Request) (any, *failure) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || r.ContentLength <= 0 {
		return nil, s.wrong("an upload with Content-Type %q and Content-Length %d", r.Header.Get("Content-Type"), r.ContentLength)
	}
	form, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, &failure{400, "unreadable body", ""}
	}
	r.Body = io.NopCloser(bytes.NewReader(form))
	if err := r.ParseMultipartForm(1 << 30); err != nil {
		return nil, s.wrong("an upload: %v", err)
	}
	if p := r.MultipartForm.Value["purpose"]; len(p) != 1 || p[0] != "batch" || len(r.MultipartForm.Value) != 1 {
		return nil, s.wrong("an upload with the fields %v", r.MultipartForm.Value)
	}
	parts := r.MultipartForm.File["file"]
	if len(parts) != 1 || len(r.MultipartForm.File) != 1 || !strings.HasSuffix(parts[0].Filename, ".jsonl") {
		return nil, s.wrong("an upload with %d files", len(parts))
	}
	part, err := parts[0].Open()
	if err != nil {
		return nil, s.wrong("an upload: %v", err)
	}
	defer part.Close()
	body, err := io.ReadAll(part)
	if err != nil {
		return nil, s.wrong("an upload: %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.newFile()
	f.body = body
	return map[string]any{"id": f.id, "object": "file", "bytes": len(body), "created_at": time.Now().Unix(), "filename": parts[0].Filename, "purpose": "batch", "status": "processed"}, nil
}

func (s *Server) newFile() *file {
	f := &file{id: fmt.Sprintf("file-%08x", s.random.Uint32())}
	s.files[f.id] = f
	return f
}

// makeBatch takes a batch in.
func (s *Server) makeBatch(r *http.Request) (any, *failure) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, &failure{400, "unreadable body", ""}
	}
	var q struct {
		Input    string            `json:"input_file_id"`
		Endpoint string            `json:"endpoint"`
		Window   string            `json:"completion_window"`
		Metadata map[string]string `json:"metadata"`
	}
	if f := s.strict(body, &q); f != nil {
		return nil, f
	}
	switch {
	case r.Header.Get("Content-Type") != "application/json":
		return nil, s.wrong("Content-Type is %q", r.Header.Get("Content-Type"))
	case q.Endpoint != "/v1/embeddings" || q.Window != "24h" || len(q.Metadata) > 16:
		return nil, s.wrong("a batch of %+v", q)
	}
	for name, value := range q.Metadata {
		if len(name) > 64 || len(value) > 512 {
			return nil, s.wrong("metadata %q: %q", name, value)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	f := s.files[q.Input]
	if f == nil {
		return nil, &failure{400, "Invalid input_file_id: no such file", "invalid_request"}
	}
	b := &batch{
		ID: fmt.Sprintf("batch_%08x", s.random.Uint32()), Object: "batch", Endpoint: q.Endpoint, Input: q.Input, Window: q.Window,
		Status: "validating", Created: time.Now().Unix(), Metadata: q.Metadata, made: time.Now(),
	}
	s.validate(b, f)
	calm := len(s.batches) > 0 && s.batches[len(s.batches)-1].end != "" && s.o.Batches.Odd < 1
	if s.random.Float64() < s.o.Batches.Odd && !calm {
		b.end = s.o.Batches.Ends[s.random.IntN(len(s.o.Batches.Ends))]
	}
	s.batches = append(s.batches, b)
	s.counts.Batches++
	waiting := 0
	for _, other := range s.batches {
		if !other.done {
			waiting++
		}
	}
	s.counts.Waiting = max(s.counts.Waiting, waiting)
	return b, nil
}

// validate reads the file of a batch as strictly as the specification allows.
func (s *Server) validate(b *batch, f *file) {
	most, bytesMost := s.o.Batches.Texts, s.o.Batches.Bytes
	if most == 0 {
		most = 50_000
	}
	if bytesMost == 0 {
		bytesMost = 200_000_000
	}
	ids := map[string]bool{}
	models := map[string]bool{}
	texts, queued := 0, 0
	for line := range bytes.Lines(f.body) {
		var q batchRequest
		wrong := s.strict(line, &q)
		if wrong == nil {
			wrong = s.strict(q.Body, &q.q)
		}
		if wrong == nil {
			wrong = s.checkForm(&q.q)
		}
		if wrong == nil && (q.CustomID == "" || ids[q.CustomID] || q.Method != "POST" || q.URL != b.Endpoint) {
			wrong = s.wrong("a line with custom_id %q, method %q and url %q", q.CustomID, q.Method, q.URL)
		}
		b.requests = append(b.requests, q)
		if wrong == nil && slices.ContainsFunc(q.q.texts, func(t string) bool { return slices.Contains(s.o.Batches.Invalid, t) }) {
			wrong = &failure{message: "Invalid input", code: "invalid_request"}
		}
		if wrong != nil {
			n := len(b.requests)
			b.failed = append(b.failed, validation{Code: "invalid_request", Message: wrong.message, Line: &n})
		}
		ids[q.CustomID], models[q.q.Model] = true, true
		texts += len(q.q.texts)
		queued += tokens(q.q.texts)
	}
	if len(models) != 1 || texts > most || len(b.requests) > most || len(f.body) > bytesMost {
		wrong := s.wrong("a batch of %d models, %d texts, %d lines and %d bytes", len(models), texts, len(b.requests), len(f.body))
		b.failed = append(b.failed, validation{Code: "invalid_file", Message: wrong.message})
	}
	for _, other := range s.batches {
		if !other.done && other.Status != "failed" {
			for _, q := range other.requests {
				queued += tokens(q.q.texts)
			}
		}
	}
	if most := s.o.Batches.Queue; most > 0 && queued > most {
		b.failed = append(b.failed, validation{Code: "token_limit_exceeded", Message: fmt.Sprintf("Enqueued token limit reached for test-model in organization org-x. Limit: %d enqueued tokens. Please try again once some in_progress batches have been completed.", most)})
	}
	b.Counts.Total = len(b.requests)
}

// advance brings all batches to where they are by now.
func (s *Server) advance() {
	for _, b := range s.batches {
		passed := time.Since(b.made)
		switch {
		case b.done:
		case len(b.failed) > 0 && passed >= s.o.Batches.Time/4:
			b.Status, b.done, b.Errors = "failed", true, &batchErrors{"list", b.failed}
		case passed >= s.o.Batches.Time:
			s.finish(b)
		case passed >= s.o.Batches.Time/4:
			b.Status = "in_progress"
		}
	}
}

// finish answers the requests of a batch, as far as its end lets it, and bills
// them.
func (s *Server) finish(b *batch) {
	b.done, b.Status = true, "completed"
	answer := len(b.requests)
	code := ""
	switch b.end {
	case ExpiredHalf, ExpiredAll:
		b.Status, code = "expired", "batch_expired"
	case Cancelled:
		b.Status, code = "cancelled", "batch_cancelled"
	case Broken:
		b.Status, b.Errors = "failed", &batchErrors{"list", []validation{{Code: "internal_error", Message: "The server had an error while processing your batch"}}}
		return
	}
	switch b.end {
	case ExpiredHalf, Cancelled:
		answer /= 2
	case ExpiredAll:
		answer = 0
	}
	if b.end != "" {
		if s.counts.Ends == nil {
			s.counts.Ends = map[End]int{}
		}
		s.counts.Ends[b.end]++
	}
	output, errors := s.newFile(), s.newFile()
	for n, i := range s.random.Perm(len(b.requests)) {
		q := &b.requests[i]
		line := outputLine{id: q.CustomID, text: q.q.texts[0]}
		output.d = s.dimensions(&q.q)
		if s.random.Float64() < s.o.Batches.OddLines {
			line.fault = s.o.Batches.LineFaults[s.random.IntN(len(s.o.Batches.LineFaults))]
		}
		switch wrong := s.checkTexts(&q.q); {
		case n >= answer:
			line.code = code
		case wrong != nil:
			line.status = wrong.status
		case line.fault == Internal || b.end == Partly && n%3 == 0:
			line.status = 500
		case line.fault == NoModel:
			line.status = 404
		default:
			if slices.Contains(s.o.Sick, line.text) {
				line.fault = NullValue
			}
			output.lines = append(output.lines, line)
			s.billLocked(q.q.texts, map[int]bool{0: line.fault != ""}, true)
			continue
		}
		errors.lines = append(errors.lines, line)
	}
	b.Counts.Completed, b.Counts.Failed = len(output.lines), len(errors.lines)
	if len(output.lines) > 0 {
		b.Output = &output.id
	}
	if len(errors.lines) > 0 {
		b.Error = &errors.id
	}
}

// list shows the batches, the newest first.
func (s *Server) list(r *http.Request) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil {
		limit = 20
	}
	after := r.URL.Query().Get("after")
	var page []*batch
	more := false
	for _, b := range slices.Backward(s.batches) {
		switch {
		case after != "":
			if b.ID == after {
				after = ""
			}
		case time.Since(b.made) < s.o.Batches.Unlisted:
		case len(page) == limit:
			more = true
		default:
			page = append(page, b)
		}
	}
	return map[string]any{"object": "list", "data": page, "has_more": more}
}

// batch shows a batch, or ends it.
func (s *Server) batch(id string, cancel bool) (any, *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	i := slices.IndexFunc(s.batches, func(b *batch) bool { return b.ID == id })
	if i < 0 {
		return nil, &failure{404, "No batch found with id '" + id + "'.", ""}
	}
	b := s.batches[i]
	if cancel && !b.done {
		b.Status, b.done = "cancelled", true
	}
	return b, nil
}

// sendFile sends the output of a batch line by line.
func (s *Server) sendFile(w http.ResponseWriter, r *http.Request, id string, fault Fault) {
	s.mu.Lock()
	f := s.files[id]
	s.mu.Unlock()
	if f == nil || f.body != nil {
		fail(w, failure{404, "No such File object: " + id, ""})
		return
	}
	switch fault {
	case Hang, Reset, Page:
		send(w, r, nil, fault)
		return
	}
	for i, line := range f.lines {
		text := f.encode(i, line)
		if i == len(f.lines)/2 {
			switch fault {
			case Cut:
				w.Write(text[:len(text)/2])
				w.(http.Flusher).Flush()
				reset(w)
				return
			case Short:
				return
			}
		}
		if _, err := w.Write(text); err != nil {
			return
		}
	}
}

// encode writes a line as OpenAI does.
func (f *file) encode(n int, l outputLine) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"id": "batch_req_%d", "custom_id": %q, `, n, l.id)
	switch {
	case l.code != "":
		fmt.Fprintf(&b, `"response": null, "error": {"code": %q, "message": "This request could not be executed."}}`, l.code)
	case l.status > 0:
		fmt.Fprintf(&b, `"response": {"status_code": %d, "request_id": "x", "body": {"error": {"message": "the server says %d", "type": "invalid_request_error", "param": null, "code": null}}}, "error": null}`, l.status, l.status)
	default:
		a := answer{model: "test-model", tokens: tokens([]string{l.text}), base64: true, index: []int{0}, vectors: [][]float32{Vector(l.text, f.d)}}
		spoil(&a, l.fault)
		b.WriteString(`"response": {"status_code": 200, "request_id": "x", "body": `)
		b.Write(bytes.ReplaceAll(a.encode(), []byte("\n"), nil))
		b.WriteString(`}, "error": null}`)
	}
	b.WriteByte('\n')
	return b.Bytes()
}
