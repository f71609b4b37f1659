package embed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	openai "github.com/sashabaranov/go-openai"
)

// OpenAIOptions say whom to ask and for what.
type OpenAIOptions struct {
	BaseURL    string // "" means OpenAI's own; see docs/embed.md for other servers
	APIVersion string // of Azure's API with deployments; "" means the usual one
	Key        Key
	Model      string
	Dimensions int      // that the model is asked for; 0 means what it has by itself
	Prefix     string   // before each text, as E5 and BGE want: "query: "
	InputType  string   // sent as input_type, as Cohere and Voyage want: "search_query"
	Float      bool     // ask for lists of numbers rather than base64
	Encoding   Encoding // of a model that EncodingOf does not know

	Concurrency int           // connections that are kept open; 0 means 4
	Timeout     time.Duration // of one request; 0 means 2 minutes
}

// An OpenAI is a provider that speaks OpenAI's API: OpenAI, Azure, Ollama, vLLM,
// TEI, LocalAI, LM Studio and many others.
type OpenAI struct {
	o        OpenAIOptions
	endpoint endpoint
	client   *openai.Client
	float    atomic.Bool // the server does not know base64
	buffers  sync.Pool   // of *bytes.Buffer, for bodies
}

// NewOpenAI returns a provider. Nothing is sent yet.
func NewOpenAI(o OpenAIOptions) (*OpenAI, error) {
	if o.Model == "" {
		return nil, errors.New("the model is missing: name one, such as text-embedding-3-small")
	}
	if o.Concurrency == 0 {
		o.Concurrency = 4
	}
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Minute
	}
	e, err := parseEndpoint(o.BaseURL, o.APIVersion)
	if err != nil {
		return nil, err
	}
	p := &OpenAI{o: o, endpoint: e}
	p.float.Store(o.Float)
	config := openai.DefaultConfig(o.Key.secret)
	if e.version != "" {
		config = openai.DefaultAzureConfig(o.Key.secret, e.base)
		config.APIVersion = e.version
		config.AzureModelMapperFunc = func(model string) string {
			if e.deployment != "" {
				return e.deployment
			}
			return model
		}
	}
	config.BaseURL = e.base
	config.HTTPClient = &doer{client: newHTTPClient(o.Concurrency), provider: p}
	p.client = openai.NewClientWithConfig(config)
	return p, nil
}

// newHTTPClient keeps connections open, follows no redirect (a POST would become
// a GET), and does not ask for compression: base64 of floats hardly shrinks, and
// unpacking takes longer than all else that a client does.
func newHTTPClient(connections int) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, connections
	t.DisableCompression = true
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Space says whose vectors they are. The provider's name is openai whatever the
// server: the model decides the vectors.
func (p *OpenAI) Space() Space {
	s := Space{Provider: "openai", Model: p.o.Model, Dimensions: p.o.Dimensions, Prompt: p.o.Prefix}
	if p.o.InputType != "" {
		s.Prompt = "input_type=" + p.o.InputType
		if p.o.Prefix != "" {
			s.Prompt += " " + p.o.Prefix
		}
	}
	if s.Dimensions == 0 {
		s.Dimensions = knownModel(p.o.Model).Dimensions
	}
	return s
}

// Limits are those that OpenAI publishes, where it is OpenAI or Azure that is
// asked. Other servers say when something is too large.
func (p *OpenAI) Limits() Limits {
	if !p.official() {
		return Limits{}
	}
	return Limits{Texts: 2048, Tokens: 300_000, TextTokens: 8191}
}

// official tells whether OpenAI's own models are asked for.
func (p *OpenAI) official() bool {
	return p.endpoint.host == "api.openai.com" || isAzure(p.endpoint.host)
}

// Embed asks once. Where the server does not know base64 it asks again for
// numbers, now and from then on.
func (p *OpenAI) Embed(ctx context.Context, texts []string) (Answer, error) {
	float := p.float.Load() // another request may find out while this one is under way
	answer, err := p.ask(ctx, texts, float)
	if err != nil && !float && refusesEncoding(err) {
		p.float.Store(true)
		answer, err = p.ask(ctx, texts, true)
	}
	return answer, err
}

func (p *OpenAI) ask(ctx context.Context, texts []string, float bool) (Answer, error) {
	input := texts
	if p.o.Prefix != "" {
		input = make([]string, len(texts))
		for i, t := range texts {
			input[i] = p.o.Prefix + t
		}
	}
	request := openai.EmbeddingRequest{
		Input: input, Model: openai.EmbeddingModel(p.o.Model), Dimensions: p.o.Dimensions, EncodingFormat: encoding(float),
	}
	if p.o.InputType != "" {
		request.ExtraBody = map[string]any{"input_type": p.o.InputType}
	}
	limited, cancel := context.WithTimeout(ctx, p.o.Timeout)
	defer cancel()
	x := &exchange{texts: len(texts)}
	_, err := p.client.CreateEmbeddings(context.WithValue(limited, exchangeKey{}, x), request)
	if err != nil || x.err != nil {
		if ctx.Err() != nil {
			return Answer{}, ctx.Err()
		}
		return Answer{}, p.explain(x, err)
	}
	x.answer.Rate = rateOf(x.header, x.answer.Tokens)
	return x.answer, nil
}

// encoding is how vectors are asked for.
func encoding(float bool) openai.EmbeddingEncodingFormat {
	if float {
		return openai.EmbeddingEncodingFormatFloat
	}
	return openai.EmbeddingEncodingFormatBase64
}

// An exchange is a request and its answer. It travels in the request's context,
// since go-openai makes the request and we read the answer.
type exchange struct {
	texts  int     // 0 where the answer is not one of vectors: go-openai has it then
	upload *upload // takes the place of the body that go-openai made
	status int     // 0 where no answer began
	header http.Header
	answer Answer
	err    error // in an answer that reports success
}

type exchangeKey struct{}

// A doer sends what go-openai built. Failures go back to it, for their
// messages; answers are read here.
type doer struct {
	client   *http.Client
	provider *OpenAI
}

const (
	mostOfAnswer  = 1 << 30 // bytes
	mostOfFailure = 64 << 10
)

func (d *doer) Do(request *http.Request) (*http.Response, error) {
	x := request.Context().Value(exchangeKey{}).(*exchange)
	if x.upload != nil {
		x.upload.replace(request)
	}
	response, err := d.client.Do(request)
	if err != nil {
		return nil, err
	}
	x.status, x.header = response.StatusCode, response.Header
	if response.StatusCode >= http.StatusBadRequest {
		response.Body = limited(response.Body, mostOfFailure)
		return response, nil
	}
	if x.texts == 0 && response.StatusCode < http.StatusMultipleChoices {
		x.status = http.StatusOK // Azure says 201 to files
		return response, nil
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		x.err = d.provider.wrongStatus(response)
	} else {
		x.answer, x.err = d.provider.readAnswer(response, x.texts)
	}
	response.Body = io.NopCloser(strings.NewReader("{}")) // nothing is left for go-openai to read
	return response, nil
}

// wrongStatus explains a status that is neither success nor failure.
func (p *OpenAI) wrongStatus(r *http.Response) error {
	if to := r.Header.Get("Location"); to != "" {
		return fmt.Errorf("HTTP %d: the server redirects to %s: give that as the base URL", r.StatusCode, excerpt(p.o.Key.hide(to)))
	}
	return fmt.Errorf("HTTP %d, want 200", r.StatusCode)
}

func (p *OpenAI) readAnswer(r *http.Response, texts int) (Answer, error) {
	b, _ := p.buffers.Get().(*bytes.Buffer)
	if b == nil {
		b = new(bytes.Buffer)
	}
	defer p.buffers.Put(b)
	b.Reset()
	if n := r.ContentLength; n > 0 && n < mostOfAnswer {
		b.Grow(int(n) + bytes.MinRead)
	}
	n, err := b.ReadFrom(io.LimitReader(r.Body, mostOfAnswer))
	if err != nil {
		return Answer{}, fmt.Errorf("the answer breaks off after %d bytes: %w", n, err)
	}
	if n == mostOfAnswer {
		return Answer{}, fmt.Errorf("the answer has over %d bytes", n)
	}
	answer, err := decodeAnswer(b.Bytes(), texts)
	if err != nil && !p.o.Key.Empty() {
		// Once more without the key: an error quotes what it did not expect.
		if answer, second := decodeAnswer([]byte(p.o.Key.hide(b.String())), texts); second != nil {
			return answer, second
		}
	}
	return answer, err
}

// limited reads at most n bytes.
func limited(body io.ReadCloser, n int64) io.ReadCloser {
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(body, n), body}
}
