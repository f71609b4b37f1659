package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/loader/embed"
)

// An embedder is a provider with what a run of it starts from.
type embedder struct {
	embed.Provider
	price  float64               // US dollars for a million tokens; 0 where it is free or unknown
	free   bool                  // nobody bills anything
	count  func(text string) int // of tokens; nil where they are estimated
	batch  int                   // texts in a request; 0 means the usual number
	atOnce int                   // requests; 0 means the usual number
	able   func() error          // what is missing to embed anything; nil for nothing
}

// A prompt is what a model is told about the texts of a side.
type prompt struct {
	role      string // of the texts; "" means all
	prefix    string
	inputType string
}

// Keys stand in the environment or in a file. A flag would show them in lists of
// processes and in histories.
const (
	keyVariable      = "OPENAI_API_KEY"
	azureKeyVariable = "AZURE_OPENAI_API_KEY"
	baseURLVariable  = "OPENAI_BASE_URL"
)

func serverFlags() []cli.Flag {
	const category = "SERVER (provider openai)"
	text := func(name, usage, standard string) cli.Flag {
		return &cli.StringFlag{Name: name, Usage: usage, DefaultText: standard, Category: category}
	}
	return []cli.Flag{
		text("base-url", "where the server is, such as http://localhost:11434", baseURLVariable+", else "+embed.OpenAIURL),
		text("api-version", "of Azure's API with deployments", "2024-10-21 for Azure's own hosts"),
		text("key-env", "environment variable that holds the key", keyVariable),
		text("key-file", "file that holds the key", ""),
		text("encoding", encodings().list()+": how tokens are counted for a model that we do not know", "they are estimated"),
		text("encoding-format", "base64|float: how vectors come", "base64, or float where the server knows no other"),
		&cli.DurationFlag{Name: "timeout", Usage: "of one request", DefaultText: "2m", Category: category},
	}
}

func promptFlags() []cli.Flag {
	const category = "PROMPT"
	text := func(name, usage string) cli.Flag {
		return &cli.StringFlag{Name: name, Usage: usage, Category: category}
	}
	return []cli.Flag{
		text("query-prefix", "before each query, such as \"query: \""),
		text("passage-prefix", "before each passage, such as \"passage: \""),
		text("query-input-type", "input_type of queries, such as search_query"),
		text("passage-input-type", "input_type of passages, such as search_document"),
	}
}

// promptsFrom reads the flags of both sides. Where they are told the same there
// is one prompt, for all texts.
func promptsFrom(c *cli.Context) ([]prompt, error) {
	query := prompt{"query", c.String("query-prefix"), c.String("query-input-type")}
	passage := prompt{"passage", c.String("passage-prefix"), c.String("passage-input-type")}
	if name := c.String("provider"); name != "openai" {
		if query.inputType+passage.inputType != "" {
			return nil, usage("--query-input-type and --passage-input-type go with --provider openai, not %s", name)
		}
		if name == "hashing" && query.prefix+passage.prefix != "" {
			return nil, usage("--query-prefix and --passage-prefix do not go with --provider hashing: it knows no sides")
		}
	}
	if query.prefix == passage.prefix && query.inputType == passage.inputType {
		return []prompt{{"", query.prefix, query.inputType}}, nil
	}
	return []prompt{query, passage}, nil
}

func openAIFrom(c *cli.Context, p prompt) (embedder, error) {
	if c.String("command") != "" {
		return embedder{}, usage("--command goes with --provider exec")
	}
	if c.String("model-dir") != "" {
		return embedder{}, usage("--model-dir goes with --provider static")
	}
	if c.String("model") == "" {
		return embedder{}, usage("--model is missing: name one, such as --model text-embedding-3-small, or try --provider hashing, which needs no server")
	}
	dimensions, err := dimensionsFrom(c)
	if err != nil {
		return embedder{}, err
	}
	o := embed.OpenAIOptions{
		BaseURL: c.String("base-url"), APIVersion: c.String("api-version"), Model: c.String("model"), Dimensions: dimensions,
		Prefix: p.prefix, InputType: p.inputType, Concurrency: c.Int("concurrency"), Timeout: c.Duration("timeout"),
	}
	switch format := c.String("encoding-format"); format {
	case "", "base64":
	case "float":
		o.Float = true
	default:
		return embedder{}, usage("--encoding-format %q is unknown; there are: base64, float", format)
	}
	if o.Encoding, err = encodingFrom(c, embed.Encoding{}); err != nil {
		return embedder{}, err
	}
	if known := embed.EncodingOf(o.Model); known.Known() && o.Encoding.Known() && known.Name != o.Encoding.Name {
		return embedder{}, usage("--encoding is %s, but %s counts tokens as %s: leave --encoding out", o.Encoding.Name, o.Model, known.Name)
	}
	if o.Timeout < 0 || c.IsSet("timeout") && o.Timeout < time.Second {
		return embedder{}, usage("--timeout is %s, want at least 1s", o.Timeout)
	}
	if o.Key, err = keyFrom(c); err != nil {
		return embedder{}, err
	}
	provider, err := embed.NewOpenAI(o)
	if err != nil {
		return embedder{}, usage("--base-url: %w", err)
	}
	e := embedder{Provider: provider, price: provider.Price(), count: provider.CountTokens()}
	if o.Key.Empty() {
		e.able = func() error { return wantKey(c) }
	}
	return e, nil
}

// encodingFrom reads --encoding.
func encodingFrom(c *cli.Context, standard embed.Encoding) (embed.Encoding, error) {
	if !c.IsSet("encoding") {
		return standard, nil
	}
	return encodings().get("encoding", c.String("encoding"))
}

// keyFrom finds the key; where there is none it is empty.
func keyFrom(c *cli.Context) (embed.Key, error) {
	if path := c.String("key-file"); path != "" {
		if c.IsSet("key-env") {
			return embed.Key{}, usage("--key-file and --key-env name two keys: leave one out")
		}
		return embed.ReadKey(path)
	}
	names := keyVariables(c)
	if name := c.String("key-env"); name != "" {
		names = []string{name}
		if os.Getenv(name) == "" {
			return embed.Key{}, usage("--key-env names %s, which is not set in the environment", oneLine(name))
		}
	}
	for _, name := range names {
		if secret := os.Getenv(name); secret != "" {
			key := embed.NewKey(secret)
			if key.Broken() {
				return embed.Key{}, usage("%s holds white space, which no key has: set it to the key alone", oneLine(name))
			}
			return key, nil
		}
	}
	return embed.Key{}, nil
}

// keyVariables are where a key is looked for without flags, the usual place first.
func keyVariables(c *cli.Context) []string {
	if embed.Azure(c.String("base-url")) {
		return []string{azureKeyVariable, keyVariable}
	}
	return []string{keyVariable}
}

// wantKey refuses to ask a server without a key. One on this machine mostly wants
// none.
func wantKey(c *cli.Context) error {
	if base := c.String("base-url"); base != "" && !embed.Azure(base) && !strings.Contains(base, "//api.openai.com") {
		return nil
	}
	return fmt.Errorf("there is no key: set %s in the environment, or name a file that holds it with --key-file", keyVariables(c)[0])
}

// warnExposed says that a key can be read on its way.
func warnExposed(c *cli.Context) {
	if c.String("provider") != "openai" {
		return
	}
	if key, err := keyFrom(c); err == nil && !key.Empty() && embed.Exposes(c.String("base-url")) {
		fmt.Fprintf(c.App.ErrWriter, "warning: the key goes to %s unencrypted: use https://, or a tunnel\n", c.String("base-url"))
	}
}

func execFrom(c *cli.Context, p prompt) (embedder, error) {
	if c.String("command") == "" {
		return embedder{}, usage("--command is missing: name what reads lines of JSON and writes vectors, such as --command 'python3 embed.py'")
	}
	if c.String("model") == "" {
		return embedder{}, usage("--model is missing: name the vectors that the command computes, such as --model all-MiniLM-L6-v2")
	}
	dimensions, err := dimensionsFrom(c)
	if err != nil {
		return embedder{}, err
	}
	provider, err := embed.NewExec(embed.ExecOptions{Command: c.String("command"), Model: c.String("model"), Dimensions: dimensions, Prefix: p.prefix})
	return embedder{Provider: provider, batch: 4096, atOnce: 1, free: true}, err
}

// mostDimensions is more than any model has.
const mostDimensions = 1 << 16

// dimensionsFrom reads --dimensions; 0 means what the model has by itself.
func dimensionsFrom(c *cli.Context) (int, error) {
	n := c.Int("dimensions")
	if c.IsSet("dimensions") && (n < 1 || n > mostDimensions) {
		return 0, usage("--dimensions is %d, want 1 to %d", n, mostDimensions)
	}
	return n, nil
}
