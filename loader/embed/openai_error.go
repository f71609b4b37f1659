package embed

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	openai "github.com/sashabaranov/go-openai"
)

// explain turns what went wrong into an error that says what can be done. None
// holds the key.
func (p *OpenAI) explain(x *exchange, err error) error {
	switch {
	case x.status == 0:
		return p.explainConnection(err)
	case x.status == http.StatusOK:
		return &RetryError{Billed: true, Err: p.hidden(fmt.Errorf("%s: %w", p.endpoint.host, x.err))}
	case x.err != nil:
		return fmt.Errorf("%s: %w", p.endpoint.host, p.hidden(x.err))
	}
	message, code := p.failureOf(err)
	text := fmt.Errorf("%s: HTTP %d: %s", p.endpoint.host, x.status, message)
	switch class(x.status, code, message) {
	case passing:
		return &RetryError{After: retryAfter(x.header), Err: text}
	case tooFast:
		rate := rateOf(x.header, 0)
		return &LimitError{Rate: rate, After: max(rate.Wait, retryAfter(x.header)), Err: text}
	case tooLarge:
		return &TooLargeError{Err: text}
	case badInput:
		return &RejectedError{Err: text}
	}
	return fmt.Errorf("%w%s", text, p.advice(x.status))
}

// explainConnection explains a request that no answer came to.
func (p *OpenAI) explainConnection(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the method and the address
	}
	var dial *net.OpError
	refused := errors.As(err, &dial) && dial.Op == "dial"
	switch {
	case errors.As(err, new(*tls.CertificateVerificationError)), errors.Is(err, http.ErrSchemeMismatch):
		return fmt.Errorf("%s: %w", p.endpoint.host, p.hidden(err))
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("no whole answer within %s", p.o.Timeout)
	case refused:
		err = fmt.Errorf("%w: is the server running, and is its address right?", err)
	}
	return &RetryError{Billed: !refused, Err: p.hidden(fmt.Errorf("%s: %w", p.endpoint.host, err))}
}

// hidden is an error without the key. What it wraps is lost where it held one.
func (p *OpenAI) hidden(err error) error {
	if text := err.Error(); p.o.Key.hide(text) != text {
		return errors.New(p.o.Key.hide(text))
	}
	return err
}

// failureOf reads the message and the code of a failure.
func (p *OpenAI) failureOf(err error) (message, code string) {
	var api *openai.APIError
	var request *openai.RequestError
	switch {
	case errors.As(err, &request): // first: it may wrap an empty APIError
		message = messageOf(request.Body)
	case errors.As(err, &api):
		code = fmt.Sprint(api.Code)
		if api.Code == nil {
			code = api.Type
		}
		message = api.Message
	default:
		message = err.Error()
	}
	// Hidden first: half a key at the end of an excerpt would be missed.
	if message = excerpt(p.o.Key.hide(message)); message == "" {
		message = "without a message"
	}
	return message, code
}

// messageOf finds the message in the body of a failure that is not shaped like
// OpenAI's: some servers have a text as error, TEI and older vLLM a message,
// FastAPI a detail.
func messageOf(body []byte) string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) == nil {
		for _, name := range []string{"error", "message", "detail"} {
			if text := messageIn(fields[name]); text != "" {
				return text
			}
		}
	}
	return string(body)
}

// messageIn is a message, or that of an object; "" where there is none.
func messageIn(raw []byte) (message string) {
	if json.Unmarshal(raw, &message) == nil {
		return message
	}
	var object struct{ Message string }
	_ = json.Unmarshal(raw, &object) // what it is not stays empty
	return object.Message
}

// What a failure means.
type meaning int

const (
	lasting  meaning = iota // asking again will not help
	passing                 // the server has trouble
	tooFast                 // a limit of requests or tokens in a minute
	tooLarge                // the request holds too much
	badInput                // the server cannot embed a text of it
)

// class tells what a failure means by its status, and where that is not enough
// by its code and message.
func class(status int, code, message string) meaning {
	lower := strings.ToLower(message)
	says := func(parts ...string) bool {
		for _, part := range parts {
			if strings.Contains(lower, part) {
				return true
			}
		}
		return false
	}
	switch status {
	case http.StatusTooManyRequests:
		if code == "insufficient_quota" || says("exceeded your current quota", "insufficient balance", "billing") {
			return lasting
		}
		return tooFast
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly,
		http.StatusFailedDependency: // TEI: its model failed
		return passing
	case http.StatusRequestEntityTooLarge:
		return tooLarge
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		switch {
		case says("batch size", "too many inputs", "array too long", "tokens per request", "too large"):
			return tooLarge
		case says("encoding_format", "dimensions", "api-version", "api version", "api key", "unknown field", "extra inputs",
			"unknown model", "invalid model", "model not found", "does not exist", "does not support", "is not supported"):
			return lasting
		}
		return badInput
	}
	if status >= 500 && status != http.StatusNotImplemented && status != http.StatusHTTPVersionNotSupported {
		return passing
	}
	return lasting
}

// refusesEncoding tells whether a server does not know base64.
func refusesEncoding(err error) bool {
	text := strings.ToLower(err.Error())
	return (strings.Contains(text, "http 400") || strings.Contains(text, "http 422")) &&
		(strings.Contains(text, "encoding_format") || strings.Contains(text, "encoding format") || strings.Contains(text, "base64"))
}

// advice says what a person can do about a lasting failure.
func (p *OpenAI) advice(status int) string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		if p.o.Key.Empty() {
			return ": there is no key"
		}
		return ": is the key right, and for this server?"
	case http.StatusNotFound:
		return fmt.Sprintf(": does %s serve the model %s?", p.endpoint.base, p.o.Model)
	case http.StatusTooManyRequests:
		return ": the account has nothing left"
	}
	return ""
}

// longestWait is what we let a server ask for.
const longestWait = 10 * time.Minute

// retryAfter reads how long a server asks to wait.
func retryAfter(h http.Header) time.Duration {
	if d := duration(h.Get("Retry-After-Ms"), time.Millisecond); d > 0 {
		return d
	}
	text := h.Get("Retry-After")
	if at, err := http.ParseTime(text); err == nil {
		return min(longestWait, max(0, time.Until(at)))
	}
	return duration(text, time.Second)
}

// duration reads a number of units; 0 where it is none, or negative.
func duration(text string, unit time.Duration) time.Duration {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n > 0) {
		return 0
	}
	return time.Duration(min(n*float64(unit), float64(longestWait)))
}

// rateOf reads what a server allows, from the headers that OpenAI began with.
// Where less is left of the minute than a request takes, it says how long to
// wait until there is enough.
func rateOf(h http.Header, tokens int) Rate {
	var r Rate
	for _, kind := range []struct {
		name string
		to   *int
		need int
	}{{"requests", &r.Requests, 1}, {"tokens", &r.Tokens, max(1, tokens)}} {
		limit, err := strconv.Atoi(h.Get("x-ratelimit-limit-" + kind.name))
		if err != nil || limit <= 0 {
			continue
		}
		*kind.to = limit
		left, err := strconv.Atoi(h.Get("x-ratelimit-remaining-" + kind.name))
		if err != nil || left >= kind.need || left < 0 {
			continue
		}
		// reset is when all of the limit is there again.
		reset, err := time.ParseDuration(h.Get("x-ratelimit-reset-" + kind.name))
		if err == nil && reset > 0 && limit > left {
			share := min(1, float64(kind.need-left)/float64(limit-left))
			r.Wait = max(r.Wait, min(time.Minute, time.Duration(share*float64(reset))))
		}
	}
	return r
}

// excerpt is the beginning of a message on one line, without the tags of an HTML
// page.
func excerpt(text string) string {
	const most = 300
	var out strings.Builder
	tag, blank := false, false
	html := strings.HasPrefix(strings.TrimSpace(text), "<")
	for _, r := range text {
		switch {
		case html && r == '<':
			tag, blank = true, true
		case html && tag:
			tag = r != '>'
		case unicode.IsSpace(r) || unicode.IsControl(r):
			blank = true
		default:
			if blank && out.Len() > 0 {
				out.WriteByte(' ')
			}
			blank = false
			out.WriteRune(r)
		}
		if out.Len() > most {
			return out.String() + "…"
		}
	}
	return out.String()
}
