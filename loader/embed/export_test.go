package embed

import (
	"fmt"
	"net/http"
	"time"
)

// Quick has a run wait little before it asks again.
func Quick(o Options) Options {
	o.firstWait = 5 * time.Millisecond
	return o
}

// Endpoint is a base URL as it is understood.
func Endpoint(base string) (string, error) {
	e, err := parseEndpoint(base, "")
	if err != nil {
		return "", err
	}
	return e.base + "|" + e.version + "|" + e.deployment, nil
}

// RetryAfter reads how long a server asks to wait.
func RetryAfter(h http.Header) time.Duration { return retryAfter(h) }

// MostBytes has files of batches hold no more.
func MostBytes(b BatchOptions, n int64) BatchOptions {
	b.bytes = n
	return b
}

// Serve has a provider believe that it asks the server of another.
func Serve(p, other *OpenAI) { p.endpoint.base = other.endpoint.base }

// DecodeOutputLine reads a line of a batch's output: id, status, code and message
// in one text, the vector, and its tokens.
func DecodeOutputLine(line []byte) (said string, vector []float32, tokens int, err error) {
	l, err := decodeOutputLine(line)
	return fmt.Sprintf("%s|%d|%s|%s", l.id, l.status, l.code, l.message), l.vector, l.tokens, err
}

// ReadState reads a state and returns what its batches are called.
func ReadState(raw []byte) (tokens []string, err error) {
	s, err := readState(raw)
	for _, j := range s.Jobs {
		if j != nil {
			tokens = append(tokens, j.Token)
		}
	}
	return tokens, err
}
