package embed

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// OpenAIURL is where OpenAI's own API is.
const OpenAIURL = "https://api.openai.com/v1"

// azureVersion is the version of Azure's API that is asked for where none is
// named.
const azureVersion = "2024-10-21"

// An endpoint is a base URL, taken apart.
type endpoint struct {
	base       string // as go-openai wants it: with /v1, or for Azure's deployments with nothing
	host       string
	version    string // of Azure's API with deployments, else ""
	deployment string // of Azure, where the URL names one
}

// parseEndpoint reads a base URL as people copy it from the pages of their
// server: with /v1 or without, with /embeddings or without, and for Azure with
// or without the path to a deployment.
func parseEndpoint(base, version string) (endpoint, error) {
	if base == "" {
		base = OpenAIURL
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return endpoint{}, fmt.Errorf("the base URL %q is not one: want http:// or https:// and a host, such as http://localhost:11434/v1", withoutUser(base))
	}
	if u.User != nil {
		return endpoint{}, fmt.Errorf("the base URL of %s holds a name or password: take it out, and give a key by the environment or a file", u.Host)
	}
	e := endpoint{host: u.Hostname(), version: version}
	if e.version == "" {
		e.version = u.Query().Get("api-version")
	}
	u.RawQuery, u.Fragment = "", ""
	u.Path = strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/embeddings")
	v1 := strings.HasSuffix(u.Path, "/v1")
	if !v1 && (e.version != "" || isAzure(e.host)) {
		if e.version == "" {
			e.version = azureVersion
		}
		path, deployment, found := strings.Cut(u.Path, "/openai/deployments/")
		if found {
			e.deployment = deployment
		}
		u.Path = strings.TrimSuffix(path, "/openai")
	} else if u.Path == "" {
		u.Path = "/v1"
	}
	e.base = u.String()
	return e, nil
}

// withoutUser drops what may be a password from a text that may be a URL.
func withoutUser(text string) string {
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		return "…" + text[i:]
	}
	return text
}

func isAzure(host string) bool {
	for _, domain := range []string{".openai.azure.com", ".cognitiveservices.azure.com", ".api.cognitive.microsoft.com"} {
		if strings.HasSuffix(host, domain) {
			return true
		}
	}
	return false
}

// local tells whether what is sent to the host stays on this machine.
func (e endpoint) local() bool {
	if ip := net.ParseIP(e.host); ip != nil {
		return ip.IsLoopback()
	}
	return e.host == "localhost" || strings.HasSuffix(e.host, ".localhost")
}

// Exposes tells whether a key that is sent to a base URL can be read on its
// way: it is http:// to another machine.
func Exposes(base string) bool {
	e, err := parseEndpoint(base, "")
	return err == nil && strings.HasPrefix(e.base, "http://") && !e.local()
}

// Azure tells whether a base URL is that of a host of Azure's.
func Azure(base string) bool {
	e, err := parseEndpoint(base, "")
	return err == nil && isAzure(e.host)
}
