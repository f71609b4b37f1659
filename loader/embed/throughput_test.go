package embed_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/cosfit/cosfit/loader/embed"
	"github.com/cosfit/cosfit/loader/embed/cache"
	"github.com/cosfit/cosfit/loader/embed/embedtest"
)

// What the measurements here ask for: vectors of 1,536 values in base64 from a
// server that takes 50 ms, by 4 requests of 64 texts at once. It gives 5,120
// vectors a second at most.
const (
	paceDimensions  = 1536
	paceBatch       = 64
	paceConcurrency = 4
	paceLatency     = 50 * time.Millisecond
)

// A sink forgets vectors.
type sink struct{}

func (sink) Missing(ids []string) ([]string, error)         { return ids, nil }
func (sink) Append(ids []string, vectors [][]float32) error { return nil }

// pace embeds n texts into a store.
func pace(ctx context.Context, url string, store embed.Store, n int) (embed.Summary, error) {
	p, err := embed.NewOpenAI(embed.OpenAIOptions{BaseURL: url, Model: "m", Dimensions: paceDimensions, Concurrency: paceConcurrency})
	if err != nil {
		return embed.Summary{}, err
	}
	return embed.Run(ctx, p, store, each(sentences(n)), embed.Options{Texts: paceBatch, Concurrency: paceConcurrency})
}

// The client keeps the server busy, also while vectors are made safe on a disk.
// How busy depends on what else the machine does: it is printed, and demanded
// where COSFIT_TEST_SPEED is set.
func TestThroughput(t *testing.T) {
	if testing.Short() {
		t.Skip("measures speed")
	}
	t.Run("forgotten", func(t *testing.T) { throughput(t, func() embed.Store { return sink{} }) })
	t.Run("kept in a cache", func(t *testing.T) {
		throughput(t, func() embed.Store {
			s, err := cache.Open(t.TempDir()).Store(embed.Space{Provider: "openai", Model: "m", Dimensions: paceDimensions})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return s
		})
	})
}

func throughput(t *testing.T, store func() embed.Store) {
	const n, limit, share = 40 * paceBatch * paceConcurrency, paceBatch * paceConcurrency * float64(time.Second/paceLatency), 0.85
	best := 0.0
	for range 3 { // others may be at work on the machine
		server := embedtest.New(t, embedtest.Options{Latency: paceLatency})
		summary, err := pace(t.Context(), server.URL(), store(), n)
		if err != nil {
			t.Fatal(err)
		}
		if got := server.Counts().AtOnce; got != paceConcurrency {
			t.Errorf("%d requests at once, want %d", got, paceConcurrency)
		}
		if best = max(best, n/summary.Seconds/limit); best >= share {
			break
		}
	}
	t.Logf("%.0f vectors a second, %.0f %% of what the server gives", best*limit, 100*best)
	if best < share && os.Getenv("COSFIT_TEST_SPEED") != "" {
		t.Errorf("%.0f %% of what the server gives, want %.0f %%", 100*best, 100*share)
	}
}

// TestClientCPU compares the time that this client and OpenAI's own, in Python,
// take for a vector. COSFIT_OPENAI_PYTHON names an interpreter that has the
// packages openai and numpy.
func TestClientCPU(t *testing.T) {
	python := os.Getenv("COSFIT_OPENAI_PYTHON")
	if python == "" {
		t.Skip("COSFIT_OPENAI_PYTHON is not set")
	}
	url := serveApart(t)
	const n = 20_000
	// What a client takes to start is what it takes without texts.
	cost := func(name string, arguments ...string) float64 {
		take := func(n int) time.Duration {
			c := exec.CommandContext(t.Context(), name, append(arguments, url, strconv.Itoa(n))...)
			c.Env = append(os.Environ(), "COSFIT_TEST_EXEC=client")
			if out, err := c.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", name, err, out)
			}
			return c.ProcessState.UserTime() + c.ProcessState.SystemTime()
		}
		least := take(0)
		return float64((take(n) - least).Microseconds()) / n
	}
	var ours, theirs []float64
	for range 3 {
		ours = append(ours, cost(os.Args[0]))
		theirs = append(theirs, cost(python, "testdata/client.py"))
	}
	t.Logf("µs of CPU time a vector: %.1f here, %.1f in Python", ours, theirs)
	for i := range ours {
		if ours[i] > theirs[i] {
			t.Errorf("%.1f µs a vector, more than Python's %.1f", ours[i], theirs[i])
		}
	}
}

// serveApart starts a server in a process of its own.
func serveApart(t *testing.T) (url string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), "COSFIT_TEST_EXEC=serve")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); c.Wait() })
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("the server does not start")
	}
	return lines.Text()
}

// playServer and playClient are the processes of TestClientCPU.
func playServer() int {
	server := embedtest.Start(embedtest.Options{Dimensions: paceDimensions, Latency: paceLatency})
	defer server.Close()
	fmt.Println(server.URL())
	io.Copy(io.Discard, os.Stdin)
	return 0
}

func playClient() int {
	n, err := strconv.Atoi(os.Args[2])
	if err == nil {
		_, err = pace(context.Background(), os.Args[1], sink{}, n)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
