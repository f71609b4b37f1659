package embed

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	openai "github.com/sashabaranov/go-openai"
)

func TestDecodeAnswer(t *testing.T) {
	// 1.0, 2.0 in little-endian base64
	const one, two = `"AACAPw=="`, `"AAAAQA=="`
	item := func(index int, vector string) string {
		return fmt.Sprintf(`{"object":"embedding","index":%d,"embedding":%s}`, index, vector)
	}
	list := func(items ...string) string { return `{"data":[` + strings.Join(items, ",") + `]}` }
	for name, c := range map[string]struct {
		body string
		n    int
		want string // as fmt prints the vectors, or a part of the error
	}{
		"base64":           {list(item(0, one), item(1, two)), 2, "[[1] [2]]"},
		"another order":    {list(item(1, two), item(0, one)), 2, "[[1] [2]]"},
		"floats":           {list(item(0, "[1, -2.5e-1,\n3E2]")), 1, "[[1 -0.25 300]]"},
		"mixed":            {list(item(0, one), item(1, "[2]")), 2, "[[1] [2]]"},
		"no index":         {`{"data":[{"embedding":[1]},{"embedding":[2]}]}`, 2, "[[1] [2]]"},
		"null vector":      {list(item(0, "null"), item(1, one)), 2, "[[] [1]]"},
		"null value":       {list(item(0, "[1, null]")), 1, "[[1 NaN]]"},
		"NaN":              {list(item(0, "[NaN, Infinity, -Infinity]")), 1, "[[NaN +Inf +Inf]]"},
		"too large":        {list(item(0, "[1e999]")), 1, "[[+Inf]]"},
		"escaped base64":   {list(item(0, `"AACAPw\u003d="`)), 1, "[[1]]"},
		"unknown fields":   {`{"id":"x\"y\\","ok":true,"no":false,"nil":null,"deep":[{"a":[1,{}]},[]],"data":[{"embedding":[1],"index":0,"extra":{"a":"]}"}}]}`, 1, "[[1]]"},
		"space":            {" \r\n\t{ \"data\" : [ { \"index\" : 0 , \"embedding\" : [ 1 , 2 ] } ] } \n", 1, "[[1 2]]"},
		"too few":          {list(item(0, one)), 2, "the answer has 1 vectors for 2 texts"},
		"too many":         {list(item(0, one), item(1, one), item(2, one)), 2, "index 2, want 0 to 1"},
		"too many unnamed": {`{"data":[{"embedding":[1]},{"embedding":[2]}]}`, 1, "2 vectors for 1 texts"},
		"twice":            {list(item(0, one), item(0, two)), 2, "has index 0 twice"},
		"some unnamed":     {`{"data":[{"embedding":[1]},{"embedding":[2],"index":1}]}`, 2, "an index for 1 of 2 vectors"},
		"negative index":   {list(item(-1, one)), 1, "index -1"},
		"huge index":       {`{"data":[{"index":1e300,"embedding":[1]}]}`, 1, "index 1e+300, want 0 to 0"},
		"infinite index":   {`{"data":[{"index":Infinity,"embedding":[1]}]}`, 1, "index +Inf, want 0 to 0"},
		"index of text":    {`{"data":[{"index":"0","embedding":[1]}]}`, 1, "want a number"},
		"index null":       {`{"data":[{"index":null,"embedding":[1]}]}`, 1, "index NaN"},
		"empty":            {"", 1, "breaks off after 0 bytes"},
		"no data":          {"{}", 1, "0 vectors for 1 texts"},
		"cut":              {list(item(0, one))[:40], 1, "breaks off after 40 bytes"},
		"cut in a string":  {`{"da`, 1, "breaks off"},
		"HTML":             {"<html><body>Bad gateway</body></html>", 1, `found "Bad gateway"`},
		"error":            {`{"error":{"message":"overloaded","code":503}}`, 1, "the answer is an error: overloaded"},
		"error as text":    {`{"error":"overloaded"}`, 1, "the answer is an error: overloaded"},
		"error null":       {`{"error":null,"data":[` + item(0, one) + `]}`, 1, "[[1]]"},
		"not base64":       {list(item(0, `"*"`)), 1, "not base64"},
		"odd bytes":        {list(item(0, `"AAAA"`)), 1, "3 bytes, want a multiple of 4"},
		"more after":       {list(item(0, one)) + "{}", 1, "want the end"},
		"trailing comma":   {`{"data":[` + item(0, one) + `,]}`, 1, "want '{'"},
		"number in words":  {list(item(0, "[one]")), 1, "want a number"},
		"deep":             {`{"x":` + strings.Repeat("[", 10_000), 1, "nested deeper"},
	} {
		t.Run(name, func(t *testing.T) {
			answer, err := decodeAnswer([]byte(c.body), c.n)
			got := fmt.Sprint(answer.Vectors)
			if err != nil {
				got = err.Error()
			}
			if got != c.want && !(err != nil && strings.Contains(got, c.want)) {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// Whatever comes, the decoder returns, and agrees with encoding/json on what an
// answer holds.
func FuzzDecodeAnswer(f *testing.F) {
	for _, body := range []string{
		`{"data":[{"index":0,"embedding":[1,2.5]},{"index":1,"embedding":"AACAPw=="}],"usage":{"prompt_tokens":3,"total_tokens":3}}`,
		`{"data":[{"embedding":null}],"error":{"message":"a\"b"}}`, `{"a":"\\","data":[]}`, `[`, `{"data":[{"embedding":[NaN]}]}`,
	} {
		f.Add([]byte(body), 2)
	}
	f.Fuzz(func(t *testing.T, body []byte, n int) {
		if n < 0 || n > 100 {
			return
		}
		answer, err := decodeAnswer(body, n)
		var reference struct {
			Data []struct {
				Index     *int      `json:"index"`
				Embedding []float64 `json:"embedding"`
			} `json:"data"`
		}
		if err != nil || json.Unmarshal(body, &reference) != nil || len(reference.Data) != n {
			return
		}
		for i, item := range reference.Data {
			if item.Index != nil {
				i = *item.Index
			}
			got := answer.Vectors[i]
			if len(got) != len(item.Embedding) {
				return // a field that stands twice, which the two read differently
			}
			for j, x := range item.Embedding {
				if y := got[j]; y != float32(x) && !math.IsNaN(float64(y)) {
					t.Errorf("vector %d of %q has %g at %d, encoding/json reads %g", i, body, y, j, x)
				}
			}
		}
	})
}

func BenchmarkDecodeAnswer(b *testing.B) {
	const n, d = 64, 1536
	vector := slices.Repeat([]string{"0.012345678"}, d)
	for name, embedding := range map[string]string{
		"base64": `"` + strings.Repeat("AACAPwAA", 4*d/6) + `"`,
		"float":  "[" + strings.Join(vector, ",") + "]",
	} {
		var items []string
		for i := range n {
			items = append(items, fmt.Sprintf(`{"object":"embedding","index":%d,"embedding":%s}`, i, embedding))
		}
		body := []byte(`{"object":"list","data":[` + strings.Join(items, ",") + `]}`)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := decodeAnswer(body, n); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/vector")
		})
	}
}

// BenchmarkGoOpenAI is what go-openai's own reading of an answer would take.
func BenchmarkGoOpenAI(b *testing.B) {
	const n, d = 64, 1536
	var items []string
	for i := range n {
		items = append(items, fmt.Sprintf(`{"object":"embedding","index":%d,"embedding":"%s"}`, i, strings.Repeat("AACAPwAA", 4*d/6)))
	}
	body := `{"object":"list","data":[` + strings.Join(items, ",") + `]}`
	for b.Loop() {
		var r openai.EmbeddingResponseBase64
		if err := json.NewDecoder(strings.NewReader(body)).Decode(&r); err != nil {
			b.Fatal(err)
		}
		if _, err := r.ToEmbeddingResponse(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/vector")
}
