package embed

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What servers answer when something is wrong, as their sources say, and what
// can be done about it.
func TestClass(t *testing.T) {
	for name, c := range map[string]struct {
		status        int
		code, message string
		want          meaning
	}{
		"OpenAI: rate":          {429, "rate_limit_exceeded", "Rate limit reached for text-embedding-3-small", tooFast},
		"OpenAI: quota":         {429, "insufficient_quota", "You exceeded your current quota, please check your plan and billing details.", lasting},
		"OpenAI: too many":      {400, "", "'input': array too long. Expected an array with maximum length 2048", tooLarge},
		"OpenAI: all too long":  {400, "max_tokens_per_request", "Requested 400000 tokens, max 300000 tokens per request", tooLarge},
		"OpenAI: one too long":  {400, "", "This model's maximum context length is 8192 tokens, however you requested 9000 tokens", badInput},
		"OpenAI: empty":         {400, "", "'$.input' is invalid. Please check the API reference", badInput},
		"OpenAI: dimensions":    {400, "", "This model does not support specifying dimensions.", lasting},
		"TEI: overloaded":       {429, "", "Model is overloaded", tooFast},
		"TEI: many":             {413, "", "batch size 64 > maximum allowed batch size 32", tooLarge},
		"TEI: one too long":     {413, "", "`inputs` must have less than 512 tokens. Given: 700", tooLarge},
		"TEI: tokenizer":        {422, "", "Tokenizer error: invalid utf-8", badInput},
		"TEI: backend":          {424, "", "Backend error: CUDA out of memory", passing},
		"TEI: unhealthy":        {503, "", "unhealthy", passing},
		"Ollama: unknown model": {404, "not_found_error", `model "all-minilm" not found, try pulling it first`, lasting},
		"Ollama: long":          {400, "", "the input length exceeds the context length", badInput},
		"Ollama: NaN":           {500, "api_error", "failed to encode response: json: unsupported value: NaN", passing},
		"vLLM: matryoshka":      {400, "400", `Model "x" does not support matryoshka representation, changing output dimensions will lead to poor results.`, lasting},
		"a gateway":             {524, "", "A timeout occurred", passing},
	} {
		if got := class(c.status, c.code, c.message); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// A server that cannot prove who it is, or does not speak TLS, is not asked
// again: it will not do so later.
func TestConnectionThatCannotBe(t *testing.T) {
	secure, plain := httptest.NewTLSServer(nil), httptest.NewServer(nil)
	defer secure.Close()
	defer plain.Close()
	for url, want := range map[string]string{
		secure.URL: "certificate",
		"https://" + strings.TrimPrefix(plain.URL, "http://"): "HTTP response to HTTPS client",
	} {
		p, err := NewOpenAI(OpenAIOptions{BaseURL: url, Model: "m"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Embed(t.Context(), []string{"a"})
		if _, again := err.(*RetryError); again || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %T %v, want a lasting error about %q", url, err, err, want)
		}
	}
}

// What a server says is passed on, in whatever shape it says it.
func TestFailureMessages(t *testing.T) {
	for body, want := range map[string]string{
		`{"error":{"message":"no","type":"invalid_request_error","param":null,"code":null}}`: "no",
		`{"error":"no"}`: "no",
		`{"message":"no","code":400,"type":"validation"}`:             "no",
		`{"object":"error","message":"no","code":400}`:                "no",
		`{"error":{"message":"no","type":7}}`:                         "no",
		`{"detail":"no"}`:                                             "no",
		`{"detail":[{"loc":["body","input"],"msg":"no"}]}`:            `{"detail":[{"loc":["body","input"],"msg":"no"}]}`,
		"<html><head><title>400</title></head><body>no</body></html>": "400 no",
		"no": "no", "": "without a message",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			io.WriteString(w, body)
		}))
		p, err := NewOpenAI(OpenAIOptions{BaseURL: server.URL, Model: "m"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = p.Embed(t.Context(), []string{"a"}); err == nil || err.Error() != "127.0.0.1: HTTP 400: "+want {
			t.Errorf("%s: %v", body, err)
		}
		server.Close()
	}
}
