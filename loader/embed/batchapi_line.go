package embed

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"

	openai "github.com/sashabaranov/go-openai"
)

// A request of a batch is a line of JSON. Each has one text and is called after
// it, so an answer says by itself whose it is, and a text that cannot be embedded
// spoils no other.

// A requestLine is a line of a batch's input.
type requestLine struct {
	CustomID string               `json:"custom_id"` // the text's id
	Method   string               `json:"method"`
	URL      openai.BatchEndpoint `json:"url"`
	Body     requestBody          `json:"body"`
}

type requestBody struct {
	Model          string                         `json:"model"`
	Input          string                         `json:"input"`
	EncodingFormat openai.EmbeddingEncodingFormat `json:"encoding_format"`
	Dimensions     int                            `json:"dimensions,omitempty"`
	InputType      string                         `json:"input_type,omitempty"`
}

// requestLine returns the line that asks for a text, with its end.
func (p *OpenAI) requestLine(t Text) ([]byte, error) {
	model := p.o.Model
	if p.endpoint.deployment != "" {
		model = p.endpoint.deployment // Azure's path is not there to say it
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(requestLine{
		CustomID: t.ID, Method: http.MethodPost, URL: batchEndpoint,
		Body: requestBody{
			Model: model, Input: p.o.Prefix + t.Text, EncodingFormat: encoding(p.float.Load()),
			Dimensions: p.o.Dimensions, InputType: p.o.InputType,
		},
	})
	return b.Bytes(), err
}

// readRequestLine returns the text that a line asks for, the prefix taken off.
func (p *OpenAI) readRequestLine(line []byte) (Text, error) {
	var l requestLine
	if err := json.Unmarshal(line, &l); err != nil {
		return Text{}, err
	}
	if len(l.Body.Input) < len(p.o.Prefix) || l.CustomID == "" {
		return Text{}, fmt.Errorf("a line is not a request for a text")
	}
	return Text{ID: l.CustomID, Text: l.Body.Input[len(p.o.Prefix):]}, nil
}

// An outputLine is a line of a batch's output or of its errors.
type outputLine struct {
	id      string    // of the text
	vector  []float32 // nil where there is none
	tokens  int       // that are billed for it; 0 where that is not said
	status  int       // of the answer to this request, 0 where it was not made
	code    string    // of an error
	message string    // of an error; "" where there is a vector
}

// decodeOutputLine reads a line. An error means that nobody can say what it was.
func decodeOutputLine(line []byte) (outputLine, error) {
	d := decoder{what: "a line of the output", body: line, want: 1, placed: make([]bool, 1)}
	d.answer.Vectors = make([][]float32, 1)
	var l outputLine
	var failure struct{ Code, Message string }
	err := d.object(func(name []byte) (err error) {
		switch string(name) {
		case "custom_id":
			var id []byte
			d.space()
			id, err = d.text()
			l.id = string(id)
		case "response":
			err = d.nullOr(func() error { return d.object(d.response(&l, &failure)) })
		case "error":
			err = d.raw(&failure)
		default:
			err = d.skip(0)
		}
		return err
	})
	if err != nil {
		return l, err
	}
	if d.space(); d.at < len(d.body) {
		return l, d.unexpected("the end")
	}
	if l.id == "" {
		return l, fmt.Errorf("a line of the output has no custom_id")
	}
	if l.code, l.message = failure.Code, failure.Message; l.message == "" {
		l.message = failure.Code
	}
	if l.message != "" || l.status >= http.StatusMultipleChoices {
		if l.message == "" {
			l.message = "without a message"
		}
		return l, nil
	}
	a, err := d.complete()
	if err != nil {
		return l, err
	}
	l.vector, l.tokens = a.Vectors[0], a.Tokens
	return l, nil
}

// response reads the answer to a request: its body is one of /embeddings, or has
// an error.
func (d *decoder) response(l *outputLine, failure any) func(name []byte) error {
	body := func(name []byte) error {
		if string(name) == "error" {
			return d.raw(failure)
		}
		return d.field(name)
	}
	return func(name []byte) error {
		switch string(name) {
		case "status_code":
			n, err := d.number()
			if err == nil && n >= 0 && n < math.MaxInt16 {
				l.status = int(n)
			}
			return err
		case "body":
			return d.nullOr(func() error { return d.object(body) })
		}
		return d.skip(0)
	}
}

// nullOr reads null, or what read reads.
func (d *decoder) nullOr(read func() error) error {
	if d.space(); d.next() == 'n' {
		return d.word("null")
	}
	return read()
}

// raw reads an object with fields that are texts or null, as far as it has them.
// Anything else in its place is its message.
func (d *decoder) raw(to any) error {
	start := d.at
	if err := d.skip(0); err != nil {
		return err
	}
	raw := bytes.TrimSpace(d.body[start:d.at])
	if json.Unmarshal(raw, to) == nil {
		return nil
	}
	message, err := json.Marshal(map[string]string{"message": string(raw)})
	if err != nil {
		return err
	}
	return json.Unmarshal(message, to)
}
