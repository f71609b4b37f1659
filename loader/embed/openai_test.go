package embed_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cosfit/cosfit/loader/embed"
	"github.com/cosfit/cosfit/loader/embed/embedtest"
)

// The servers that people run differ in paths, headers and the shape of
// answers. Their answers stand in testdata, in the shape that each documents.
func TestDialects(t *testing.T) {
	for name, c := range map[string]struct {
		base    string // after the server's address
		version string
		file    string
		model   string
		path    string // that is asked for
		header  string
	}{
		"openai":              {"/v1", "", "openai.json", "text-embedding-3-small", "/v1/embeddings", "Authorization: Bearer secret"},
		"azure":               {"", "2024-10-21", "azure.json", "my-deployment", "/openai/deployments/my-deployment/embeddings?api-version=2024-10-21", "Api-Key: secret"},
		"azure, full URL":     {"/openai/deployments/mine/embeddings?api-version=2023-05-15", "", "azure.json", "ada", "/openai/deployments/mine/embeddings?api-version=2023-05-15", "Api-Key: secret"},
		"azure's v1":          {"/openai/v1/", "", "azure.json", "my-deployment", "/openai/v1/embeddings", "Authorization: Bearer secret"},
		"ollama, only host":   {"", "", "ollama.json", "all-minilm", "/v1/embeddings", "Authorization: Bearer secret"},
		"tei":                 {"/v1/", "", "tei.json", "tei", "/v1/embeddings", "Authorization: Bearer secret"},
		"vllm":                {"/v1", "", "vllm.json", "intfloat/e5-mistral-7b-instruct", "/v1/embeddings", "Authorization: Bearer secret"},
		"localai, other path": {"/api/embeddings", "", "localai.json", "bert-embeddings", "/api/embeddings", "Authorization: Bearer secret"},
		"lm studio":           {"/v1", "", "lmstudio.json", "text-embedding-nomic-embed-text-v1.5", "/v1/embeddings", "Authorization: Bearer secret"},
	} {
		t.Run(name, func(t *testing.T) {
			body, err := os.ReadFile(filepath.Join("testdata", c.file))
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if got := r.URL.RequestURI(); got != c.path {
					t.Errorf("asks for %s, want %s", got, c.path)
				}
				name, value, _ := strings.Cut(c.header, ": ")
				if r.Header.Get(name) != value {
					t.Errorf("header %s is %q, want %q", name, r.Header.Get(name), value)
				}
				var q map[string]any
				if err := json.NewDecoder(r.Body).Decode(&q); err != nil || q["model"] != c.model {
					t.Errorf("body %v, %v", q, err)
				}
				w.Write(body)
			}))
			defer server.Close()
			p, err := embed.NewOpenAI(embed.OpenAIOptions{BaseURL: server.URL + c.base, APIVersion: c.version, Key: embed.NewKey("secret"), Model: c.model})
			if err != nil {
				t.Fatal(err)
			}
			answer, err := p.Embed(t.Context(), []string{"one", "two"})
			if err != nil {
				t.Fatal(err)
			}
			want := [][]float32{{0.25, -0.5, 0.125}, {-1, 0.0625, 2}}
			if !slices.EqualFunc(answer.Vectors, want, slices.Equal) {
				t.Errorf("vectors %v, want %v", answer.Vectors, want)
			}
			if answer.Tokens != 8 {
				t.Errorf("%d tokens, want 8", answer.Tokens)
			}
		})
	}
}

// Azure's own hosts are known by their names.
func TestAzureByHost(t *testing.T) {
	for base, want := range map[string]string{
		"https://x.openai.azure.com":                                    "https://x.openai.azure.com|2024-10-21|",
		"https://x.openai.azure.com/openai":                             "https://x.openai.azure.com|2024-10-21|",
		"https://x.openai.azure.com/openai/deployments/d":               "https://x.openai.azure.com|2024-10-21|d",
		"https://x.openai.azure.com/openai/v1":                          "https://x.openai.azure.com/openai/v1||",
		"https://x.cognitiveservices.azure.com/?api-version=2025-01-01": "https://x.cognitiveservices.azure.com|2025-01-01|",
		"":                                    "https://api.openai.com/v1||",
		"https://api.openai.com":              "https://api.openai.com/v1||",
		"http://localhost:11434":              "http://localhost:11434/v1||",
		"http://gpu:8080/proxy/v1/embeddings": "http://gpu:8080/proxy/v1||",
	} {
		if got, err := embed.Endpoint(base); got != want {
			t.Errorf("%q: %s, want %s (%v)", base, got, want, err)
		}
	}
	for _, base := range []string{"localhost:11434", "ftp://x/v1", "https://", "http://user:password@host/v1", "user:password@host"} {
		_, err := embed.Endpoint(base)
		if err == nil || strings.Contains(err.Error(), "password") && !strings.Contains(err.Error(), "name or password") {
			t.Errorf("%q: %v", base, err)
		}
	}
}

func TestExposes(t *testing.T) {
	for base, want := range map[string]bool{
		"": false, "http://localhost:1": false, "http://127.0.0.1:1/v1": false, "http://[::1]:8080": false,
		"https://gpu.example": false, "http://gpu.example": true, "http://10.0.0.7:8000/v1": true, "http://localhost.example": true,
	} {
		if got := embed.Exposes(base); got != want {
			t.Errorf("%q: %t, want %t", base, got, want)
		}
	}
}

// A server that does not know base64 is asked for numbers, and is not asked for
// base64 again.
func TestFloatFallback(t *testing.T) {
	server := embedtest.New(t, embedtest.Options{OnlyFloats: true, Dimensions: 100})
	texts := sentences(60)
	var store embedtest.Store
	summary, err := embed.Run(t.Context(), ask(t, server, nil), &store, each(texts), quick(embed.Options{Texts: 10, Concurrency: 1}))
	if err != nil || summary.Failed != 0 {
		t.Fatalf("%+v, %v", summary, err)
	}
	checkVectors(t, &store, texts, 100)
	if n := server.Counts().Requests; n != 7 {
		t.Errorf("%d requests, want 7", n)
	}
}

// Requests that were under way when the first one was refused for base64 are
// refused for it as well, and are sent again like it.
func TestFloatFallbackAtOnce(t *testing.T) {
	server := embedtest.New(t, embedtest.Options{OnlyFloats: true, Latency: 20 * time.Millisecond})
	texts := sentences(80)
	var store embedtest.Store
	summary, err := embed.Run(t.Context(), ask(t, server, nil), &store, each(texts), quick(embed.Options{Texts: 10, Concurrency: 8}))
	if err != nil || summary.Failed != 0 {
		t.Fatalf("%+v, %v", summary, err)
	}
	checkVectors(t, &store, texts, 8)
}

// What a model is told beside the text is sent, and makes another space.
func TestPrompts(t *testing.T) {
	var bodies []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies = append(bodies, string(body))
		io.WriteString(w, `{"data":[{"embedding":[1],"index":0}]}`)
	}))
	defer server.Close()
	spaces := map[embed.Space]bool{}
	for _, o := range []embed.OpenAIOptions{{}, {Prefix: "query: "}, {InputType: "search_query"}, {InputType: "query", Prefix: "x "}, {Dimensions: 1}} {
		o.BaseURL, o.Model = server.URL, "m"
		p, err := embed.NewOpenAI(o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Embed(t.Context(), []string{"a<b"}); err != nil {
			t.Fatal(err)
		}
		spaces[p.Space()] = true
	}
	if len(spaces) != 5 {
		t.Errorf("%d spaces, want 5: %v", len(spaces), spaces)
	}
	for i, want := range []string{`"input":["a\u003cb"]`, `"input":["query: a\u003cb"]`, `"input_type":"search_query"`, `"input":["x a\u003cb"]`, `"dimensions":1`} {
		if !strings.Contains(bodies[i], want) {
			t.Errorf("body %s lacks %s", bodies[i], want)
		}
	}
}

// The key is in no error, no log and no dump, even where a server repeats it.
func TestKeyStaysSecret(t *testing.T) {
	const secret = "sk-proj-0123456789abcdef"
	key := embed.NewKey(secret + "\n")
	var seen strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&seen, verb+verb, key, struct{ K embed.Key }{key})
	}
	fmt.Fprintf(&seen, "%+v %#v", embed.OpenAIOptions{Key: key}, &embed.OpenAIOptions{Key: key})
	encoded, err := json.Marshal(embed.OpenAIOptions{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	seen.Write(encoded)
	slog.New(slog.NewTextHandler(&seen, nil)).Info("x", "key", key, "options", embed.OpenAIOptions{Key: key})
	slog.New(slog.NewJSONHandler(&seen, nil)).Info("x", "key", key, "options", embed.OpenAIOptions{Key: key})

	long := strings.Repeat("x", 280) // so that the key lies across the end of an excerpt
	for _, body := range []string{
		`{"error":{"message":"Incorrect API key provided: ` + secret + `"}}`,
		`{"error":"` + long + secret + `"}`,
		"<html>your header was Bearer " + secret + "</html>",
		`{"data":[{"index":0,"embedding":"` + secret + `!!"}]}`,
		`{"data":[{"index":"` + secret + `"}]}`,
		`{"error":{"message":"` + secret + `"}}`,
		secret, `{"` + secret, `{"data": ` + strings.Repeat(" ", 3) + secret,
	} {
		for _, status := range []int{200, 302, 400, 401, 404, 413, 429, 500} {
			server := embedtest.New(t, embedtest.Options{Key: secret, Refuse: always(status, body), Headers: map[string]string{"Location": "https://x/?" + secret}})
			p := ask(t, server, func(o *embed.OpenAIOptions) { o.Key = key })
			_, err := p.Embed(t.Context(), []string{"a"})
			if err == nil {
				t.Fatalf("HTTP %d with %s is no error", status, body)
			}
			for err := err; err != nil; {
				fmt.Fprintf(&seen, "%v %+v", err, err)
				u, ok := err.(interface{ Unwrap() error })
				if !ok {
					break
				}
				err = u.Unwrap()
			}
		}
	}
	if i := strings.Index(seen.String(), secret[:12]); i >= 0 {
		t.Errorf("the key shows in …%s", seen.String()[max(0, i-200):min(seen.Len(), i+60)])
	}
}

func TestReadKey(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{"a line": {"sk-1\n", true}, "empty": {" \n", false}, "two lines": {"sk-1\nsk-2\n", false}, "an assignment": {"KEY = sk-1", false}} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if key, err := embed.ReadKey(path); (err == nil) != c.ok || c.ok == key.Empty() {
			t.Errorf("%s: %v, %v", name, key, err)
		} else if err != nil && strings.Contains(err.Error(), "sk-") {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		name, value string
		want        time.Duration
	}{
		{"Retry-After", "2", 2 * time.Second}, {"Retry-After", "0.5", 500 * time.Millisecond},
		{"Retry-After-Ms", "70", 70 * time.Millisecond}, {"Retry-After", "99999999", 10 * time.Minute},
		{"Retry-After", "-3", 0}, {"Retry-After", "soon", 0}, {"Retry-After", "NaN", 0}, {"Other", "2", 0},
		{"Retry-After", time.Now().Add(5 * time.Second).UTC().Format(http.TimeFormat), 5 * time.Second},
	} {
		got := embed.RetryAfter(http.Header{c.name: {c.value}})
		if diff := got - c.want; diff > 10*time.Millisecond || diff < -1100*time.Millisecond || got < 0 {
			t.Errorf("%s: %s is %s, want %s", c.name, c.value, got, c.want)
		}
	}
}
