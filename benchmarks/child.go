package benchmarks

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// A hello is the first line that a child prints.
type hello struct {
	Peers []Peer `json:"peers"`
	// OpenBLAS is the library's file, where a peer multiplies with one.
	OpenBLAS string   `json:"openblas,omitempty"`
	Notes    []string `json:"notes,omitempty"`
}

// An answer is the line that follows a request.
type answer struct {
	MS    []float64 `json:"ms"`
	Error string    `json:"error,omitempty"`
}

// A child is a process that takes turns when it is asked. One that was late for
// an answer is dead.
type child struct {
	hello
	in      io.WriteCloser
	answers chan []byte // closed when the child is at its end
	stop    func() error
	said    *tail // what it wrote to stderr
	calm    bool  // leaves no busy threads behind after a turn
	dead    bool  // gives no more answers
}

// A command is how to start a child.
type command struct {
	path string
	args []string
	env  []string // beside this process's own
}

func (c command) with(env ...string) command {
	c.env = append(append([]string{}, c.env...), env...)
	return c
}

// start starts a child and waits for its first line.
func (c command) start(ctx context.Context) (*child, error) {
	cmd := exec.Command(c.path, c.args...)
	cmd.Env = append(os.Environ(), c.env...)
	cmd.WaitDelay = time.Second // for its pipes, which a child of its own may hold
	said := &tail{}
	cmd.Stderr = said
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := func() error {
		const grace = time.Second
		late := time.AfterFunc(grace, func() { cmd.Process.Kill() })
		defer late.Stop()
		return cmd.Wait()
	}
	return meet(ctx, in, out, said, stop)
}

// meet reads what a child says of itself.
func meet(ctx context.Context, in io.WriteCloser, out io.Reader, said *tail, stop func() error) (*child, error) {
	c := &child{in: in, answers: make(chan []byte), stop: sync.OnceValue(stop), said: said}
	go func() {
		defer close(c.answers)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			c.answers <- append([]byte{}, lines.Bytes()...)
		}
	}()
	err := c.await(ctx, &c.hello)
	if err != nil {
		c.end()
	}
	return c, err
}

// await reads the child's next line into v.
func (c *child) await(ctx context.Context, v any) error {
	select {
	case line, ok := <-c.answers:
		if !ok {
			return c.died()
		}
		if err := json.Unmarshal(line, v); err != nil {
			return fmt.Errorf("printed %q, want a line of JSON", line)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// died waits for the end, after which all that was said is there.
func (c *child) died() error {
	c.stop()
	if last := c.said.lastLine(); last != "" {
		return errors.New(last)
	}
	return errors.New("ended without an answer")
}

// ask sends a request and waits for its answer.
func (c *child) ask(ctx context.Context, r request) ([]float64, error) {
	line, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	if _, err := c.in.Write(append(line, '\n')); err != nil {
		return nil, c.died()
	}
	var a answer
	if err := c.await(ctx, &a); err != nil {
		return nil, err
	}
	if a.Error != "" {
		return nil, errors.New(a.Error)
	}
	return a.MS, nil
}

// end lets the child end, or ends it where it does not.
func (c *child) end() {
	c.in.Close()
	go func() {
		for range c.answers { // so that it is not stuck in a write
		}
	}()
	c.stop() // it has no more to say
}

// A remote contender is one of a child's peers.
type remote struct {
	is   Peer
	from *child
}

func (r *remote) peer() Peer    { return r.is }
func (r *remote) child() *child { return r.from }

func (r *remote) turn(ctx context.Context, q request) ([]float64, error) {
	q.Who = r.is.Who
	return r.from.ask(ctx, q)
}

// tail keeps the end of what is written.
type tail struct {
	lock sync.Mutex
	text string
}

func (t *tail) Write(p []byte) (int, error) {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.text += string(p)
	t.text = t.text[max(0, len(t.text)-4096):]
	return len(p), nil
}

func (t *tail) lastLine() string {
	t.lock.Lock()
	defer t.lock.Unlock()
	text := strings.TrimSpace(t.text)
	return strings.TrimSpace(text[strings.LastIndex(text, "\n")+1:])
}

// ServePeer is the other end: it offers what this process can do, and takes
// turns at it until in ends. Run starts such processes with COSFIT_CPU or
// OPENBLAS_CORETYPE set.
func ServePeer(ctx context.Context, in io.Reader, out io.Writer) error {
	offered := append([]*local{ourselves()}, openBLAS()...)
	write := json.NewEncoder(out)
	var h hello
	for _, l := range offered {
		h.Peers = append(h.Peers, l.is)
	}
	if err := write.Encode(h); err != nil {
		return err
	}
	return serve(ctx, offered, json.NewDecoder(in), write)
}

func serve(ctx context.Context, offered []*local, in *json.Decoder, out *json.Encoder) error {
	for {
		var r request
		if err := in.Decode(&r); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		a := answer{Error: unable(r.Who, r.Task).Error()}
		for _, l := range offered {
			if l.is.Who == r.Who && (r.Forget || l.is.can(r.Task)) {
				a = answer{}
				ms, err := l.turn(ctx, r)
				if a.MS = ms; err != nil {
					a.Error = err.Error()
				}
			}
		}
		if err := out.Encode(a); err != nil {
			return err
		}
	}
}
