package embedtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// A request is what OpenAI's specification allows in the body of a POST to
// /v1/embeddings, as far as it concerns texts.
type request struct {
	Input          json.RawMessage `json:"input"`
	Model          string          `json:"model"`
	EncodingFormat *string         `json:"encoding_format"`
	Dimensions     *int            `json:"dimensions"`
	User           *string         `json:"user"`

	texts []string
}

// A failure is an answer that reports one.
type failure struct {
	status  int
	message string
	code    string
}

// read checks a request as strictly as the specification allows, and returns
// what is wrong with it.
func (s *Server) read(r *http.Request) (*request, *failure) {
	if f := s.checkHead(r); f != nil {
		return nil, f
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, &failure{400, "unreadable body", ""}
	}
	var q request
	if f := s.strict(body, &q); f != nil {
		return nil, f
	}
	return &q, s.checkBody(&q)
}

// strict reads an object that has no fields but those of to.
func (s *Server) strict(body []byte, to any) *failure {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return s.wrong("the body: %v", err)
	}
	if d.More() {
		return s.wrong("the body goes on after its object")
	}
	return nil
}

// checkKey wants the right one.
func (s *Server) checkKey(r *http.Request) *failure {
	if s.o.Key != "" && r.Header.Get("Authorization") != "Bearer "+s.o.Key {
		return &failure{401, "Incorrect API key provided: " + strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), "invalid_api_key"}
	}
	return nil
}

func (s *Server) checkHead(r *http.Request) *failure {
	switch {
	case r.URL.Path != "/v1/embeddings":
		return &failure{404, "Invalid URL (" + r.Method + " " + r.URL.Path + ")", ""}
	case r.Method != http.MethodPost:
		return &failure{405, "Not allowed to " + r.Method + " on /v1/embeddings.", ""}
	}
	if f := s.checkKey(r); f != nil {
		return f
	}
	switch {
	case r.Header.Get("Content-Type") != "application/json":
		return s.wrong("Content-Type is %q", r.Header.Get("Content-Type"))
	case r.URL.RawQuery != "":
		return s.wrong("a query %q", r.URL.RawQuery)
	}
	return nil
}

func (s *Server) checkBody(q *request) *failure {
	if f := s.checkForm(q); f != nil {
		return f
	}
	return s.checkTexts(q)
}

// checkForm wants a body as the specification has it.
func (s *Server) checkForm(q *request) *failure {
	if err := json.Unmarshal(q.Input, &q.texts); err != nil {
		var one string
		if json.Unmarshal(q.Input, &one) != nil {
			return s.wrong("input is neither a text nor a list of texts")
		}
		q.texts = []string{one}
	}
	switch {
	case q.Model == "":
		return s.wrong("no model")
	case len(q.texts) == 0:
		return s.wrong("input is empty")
	case q.EncodingFormat != nil && !slices.Contains([]string{"float", "base64"}, *q.EncodingFormat):
		return s.wrong("encoding_format is %q", *q.EncodingFormat)
	case q.Dimensions != nil && *q.Dimensions < 1:
		return s.wrong("dimensions is %d", *q.Dimensions)
	case s.o.OnlyFloats && q.EncodingFormat != nil && *q.EncodingFormat != "float":
		return &failure{400, "encoding_format must be 'float'", ""}
	case len(q.texts) > s.o.Texts:
		return &failure{400, fmt.Sprintf("Invalid 'input': array too long. Expected an array with maximum length %d, but got an array with length %d instead.", s.o.Texts, len(q.texts)), "array_above_max_length"}
	}
	if n := tokens(q.texts); n > s.o.Tokens {
		return &failure{400, fmt.Sprintf("Requested %d tokens, max %d tokens per request", n, s.o.Tokens), "max_tokens_per_request"}
	}
	return nil
}

// checkTexts wants texts that the server can embed.
func (s *Server) checkTexts(q *request) *failure {
	for _, text := range q.texts {
		if text == "" || slices.Contains(s.o.Poison, text) {
			return &failure{400, "'$.input' is invalid. Please check the API reference.", ""}
		}
	}
	return nil
}

// wrong notes a request that is wrong in form.
func (s *Server) wrong(format string, args ...any) *failure {
	text := fmt.Sprintf(format, args...)
	s.problemsMu.Lock()
	defer s.problemsMu.Unlock()
	s.problems = append(s.problems, text)
	return &failure{400, text, "invalid_request"}
}

// tokens counts a token for each word.
func tokens(texts []string) (n int) {
	for _, t := range texts {
		n += max(1, len(strings.Fields(t)))
	}
	return n
}
