package embed_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/loader/embed"
)

// Lines of outputs and of errors, in the shapes that OpenAI's guide and Azure's
// show.
func TestDecodeOutputLine(t *testing.T) {
	for name, c := range map[string]struct {
		line   string
		want   string // id, status, code and message
		vector []float32
		tokens int
	}{
		"base64": {line: `{"id":"batch_req_1","custom_id":"a","response":{"status_code":200,"request_id":"r","body":{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AACAPwAAAMA="}],"model":"m","usage":{"prompt_tokens":7,"total_tokens":7}}},"error":null}`,
			want: "a|200||", vector: []float32{1, -2}, tokens: 7},
		"numbers, another order": {line: `{"error": null, "response": {"body": {"usage": {"total_tokens": 3}, "data": [{"embedding": [0.5, 4]}]}, "status_code": 200}, "custom_id": "b"}`,
			want: "b|200||", vector: []float32{0.5, 4}, tokens: 3},
		"a null vector": {line: `{"custom_id":"c","response":{"status_code":200,"body":{"data":[{"index":0,"embedding":null}]}},"error":null}`, want: "c|200||"},
		"refused": {line: `{"id":"x","custom_id":"d","response":{"status_code":400,"body":{"error":{"message":"too long","type":"invalid_request_error","param":null,"code":"context_length_exceeded"}}},"error":null}`,
			want: "d|400|context_length_exceeded|too long"},
		"expired":        {line: `{"id":"x","custom_id":"e","response":null,"error":{"code":"batch_expired","message":"could not be executed"}}`, want: "e|0|batch_expired|could not be executed"},
		"a text":         {line: `{"custom_id":"f","response":{"status_code":500,"body":null},"error":"boom"}`, want: `f|500||"boom"`},
		"only a status":  {line: `{"custom_id":"g","response":{"status_code":503,"body":{}}}`, want: "g|503||without a message"},
		"only a code":    {line: `{"custom_id":"h","response":null,"error":{"code":"server_error","message":null}}`, want: "h|0|server_error|server_error"},
		"a number, code": {line: `{"custom_id":"i","response":{"status_code":429,"body":{"error":{"code":429,"message":"slow"}}}}`, want: `i|429||{"code":429,"message":"slow"}`},
	} {
		got, vector, tokens, err := embed.DecodeOutputLine([]byte(c.line))
		if err != nil || got != c.want || !slices.Equal(vector, c.vector) || tokens != c.tokens {
			t.Errorf("%s: %s, %v, %d tokens, %v; want %s, %v, %d", name, got, vector, tokens, err, c.want, c.vector, c.tokens)
		}
	}
	for name, line := range map[string]string{
		"cut":            `{"custom_id":"a","response":{"status_code":200,"body":{"data":[{"embedding":"AAC`,
		"no id":          `{"response":{"status_code":200,"body":{"data":[{"embedding":[1]}]}}}`,
		"no vector":      `{"custom_id":"a","response":{"status_code":200,"body":{"data":[]}}}`,
		"two vectors":    `{"custom_id":"a","response":{"status_code":200,"body":{"data":[{"embedding":[1]},{"embedding":[2]}]}}}`,
		"neither":        `{"custom_id":"a","response":null,"error":null}`,
		"more behind it": `{"custom_id":"a","error":{"code":"x"}}{}`,
		"a page":         `<html>`,
	} {
		if got, _, _, err := embed.DecodeOutputLine([]byte(line)); err == nil {
			t.Errorf("%s is read as %s", name, got)
		}
	}
}

// Whatever a server sends, a line is an error, a failure with a message, or one
// vector.
func FuzzOutputLine(f *testing.F) {
	f.Add(`{"custom_id":"a","response":{"status_code":200,"body":{"data":[{"index":0,"embedding":"AACAPwAAAMA="}],"usage":{"total_tokens":7}}},"error":null}`)
	f.Add(`{"custom_id":"a","response":{"status_code":400,"body":{"error":{"message":"m","code":null}}},"error":null}`)
	f.Add(`{"custom_id":"a","response":null,"error":{"code":"batch_expired","message":"m"}}`)
	f.Fuzz(func(t *testing.T, line string) {
		got, vector, tokens, err := embed.DecodeOutputLine([]byte(line))
		if err != nil {
			return
		}
		if parts := strings.SplitN(got, "|", 2); parts[0] == "" && !strings.Contains(line, "|") {
			t.Errorf("a line without an id: %q", line)
		}
		if tokens < 0 || tokens > math.MaxInt32 || len(vector) > len(line) {
			t.Errorf("%d tokens, %d values: %q", tokens, len(vector), line)
		}
	})
}

// Whatever stands in state.json, no batch of it reaches a file elsewhere.
func FuzzBatchState(f *testing.F) {
	f.Add(`{"schema_version":1,"space":{"model":"m"},"batches":[{"token":"abc","texts":1}]}`)
	f.Add(`{"schema_version":2}`)
	f.Add(`{"schema_version":1,"batches":[null,{"token":"../x"}]}`)
	f.Fuzz(func(t *testing.T, raw string) {
		tokens, err := embed.ReadState([]byte(raw))
		for _, token := range tokens {
			if err == nil && (token == "" || strings.ContainsAny(token, `/\.`)) {
				t.Errorf("token %q", token)
			}
		}
	})
}
