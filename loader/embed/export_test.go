package embed

import (
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
