package embed

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// ExecOptions say which command to run.
type ExecOptions struct {
	Command    string // as a shell takes it
	Model      string // names the vectors: a command does not say what it computes
	Dimensions int    // of the vectors; 0 means whatever comes first
	Prefix     string // before each text
}

// An Exec is a provider that runs a command for each request. The command reads
// a line of JSON for each text, {"text": "…"}, up to the end of its input, and
// writes a line for each vector, in the same order: a list of numbers, or an
// object with one as "embedding".
type Exec struct{ o ExecOptions }

// NewExec returns a provider. Nothing is run yet.
func NewExec(o ExecOptions) (*Exec, error) {
	if o.Command == "" {
		return nil, errors.New("the command is missing: name one that reads lines of JSON and writes vectors")
	}
	if o.Model == "" {
		return nil, errors.New("the model is missing: name the vectors that the command computes, such as all-MiniLM-L6-v2")
	}
	return &Exec{o}, nil
}

// Space says whose vectors they are.
func (e *Exec) Space() Space {
	return Space{Provider: "exec", Model: e.o.Model, Dimensions: e.o.Dimensions, Prompt: e.o.Prefix}
}

// Limits are none: a command takes what it is given.
func (e *Exec) Limits() Limits { return Limits{} }

// longestLine is how much a vector may take in text.
const longestLine = 16 << 20

// Embed runs the command.
func (e *Exec) Embed(ctx context.Context, texts []string) (Answer, error) {
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	command := shell(running, e.o.Command)
	complaint := &tail{most: 2000}
	command.Stderr = complaint
	command.WaitDelay = time.Second
	command.Stdin = e.input(texts)
	out, err := command.StdoutPipe()
	if err != nil {
		return Answer{}, err
	}
	if err := command.Start(); err != nil {
		return Answer{}, fmt.Errorf("command %q: %w", e.o.Command, err)
	}
	// The shell is killed, but not what it started, which may keep the pipe open.
	stop := context.AfterFunc(running, func() { out.Close() })
	defer stop()
	vectors, wrong := readVectors(out, len(texts))
	if wrong != nil && !errors.Is(wrong, errTooFew) {
		cancel() // it may wait for somebody to read on; after too few it has ended by itself
	}
	err = command.Wait()
	switch {
	case ctx.Err() != nil:
		return Answer{}, ctx.Err()
	case wrong != nil && !errors.Is(wrong, errTooFew):
		err = wrong
	case err == nil:
		err = wrong
	default: // why it ended tells more than that it wrote too little
		if words := excerpt(complaint.String()); words != "" {
			err = fmt.Errorf("%w: %s", err, words)
		}
	}
	if err != nil {
		return Answer{}, fmt.Errorf("command %q: %w", e.o.Command, err)
	}
	return Answer{Vectors: vectors}, nil
}

func shell(ctx context.Context, command string) *exec.Cmd {
	if runtime.GOOS == "windows" {
		return exec.CommandContext(ctx, "cmd", "/C", command)
	}
	return exec.CommandContext(ctx, "sh", "-c", command)
}

// input is a line of JSON for each text.
func (e *Exec) input(texts []string) io.Reader {
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	lines.SetEscapeHTML(false)
	for _, t := range texts {
		// A struct of one string always encodes.
		_ = lines.Encode(struct {
			Text string `json:"text"`
		}{e.o.Prefix + t})
	}
	return &b
}

var errTooFew = errors.New("too few vectors")

// readVectors reads n lines.
func readVectors(r io.Reader, n int) ([][]float32, error) {
	vectors := make([][]float32, 0, n)
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), longestLine)
	for number := 1; lines.Scan(); number++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		vector, err := decodeVector(lines.Bytes())
		if err != nil {
			return nil, fmt.Errorf("line %d of its output: %w", number, err)
		}
		if vectors = append(vectors, vector); len(vectors) > n {
			return nil, fmt.Errorf("it writes more than one vector for each of %d texts", n)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("its output: %w", err)
	}
	if len(vectors) < n {
		return nil, fmt.Errorf("%w: it writes %d for %d texts", errTooFew, len(vectors), n)
	}
	return vectors, nil
}

// decodeVector reads a list of numbers, base64, or an object with either as
// "embedding".
func decodeVector(line []byte) (vector []float32, err error) {
	d := decoder{what: "the line", body: line}
	if d.space(); d.next() != '{' {
		vector, err = d.vector()
	} else {
		found := false
		err = d.object(func(name []byte) (err error) {
			if string(name) != "embedding" {
				return d.skip(0)
			}
			found = true
			vector, err = d.vector()
			return err
		})
		if err == nil && !found {
			err = errors.New(`the object has no "embedding"`)
		}
	}
	if err != nil {
		return nil, err
	}
	if d.space(); d.at < len(line) {
		return nil, d.unexpected("the end of the line")
	}
	return vector, nil
}

// A tail keeps the end of what is written to it.
type tail struct {
	most int
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if over := len(t.text) - t.most; over > 0 {
		t.text = t.text[over:]
	}
	return len(p), nil
}

// String is the last line that says something: of Python's tracebacks it is the
// one with the reason.
func (t *tail) String() string {
	lines := strings.Split(strings.TrimSpace(string(t.text)), "\n")
	return lines[len(lines)-1]
}
