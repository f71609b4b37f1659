package embed_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cosfit/cosfit/loader/embed"
	"github.com/cosfit/cosfit/loader/embed/embedtest"
)

// TestMain lets the test binary play the command of an Exec, and other
// processes.
func TestMain(m *testing.M) {
	switch kind := os.Getenv("COSFIT_TEST_EXEC"); kind {
	case "":
		os.Exit(m.Run())
	case "serve":
		os.Exit(playServer())
	case "client":
		os.Exit(playClient())
	default:
		os.Exit(playCommand(kind))
	}
}

func playCommand(kind string) int {
	in := bufio.NewScanner(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	if kind == "hang" {
		time.Sleep(time.Minute)
	}
	for n := 0; in.Scan(); n++ {
		var line struct{ Text string }
		if err := json.Unmarshal(in.Bytes(), &line); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		vector, _ := json.Marshal(embedtest.Vector(line.Text, 8))
		switch {
		case kind == "few" && n == 2, kind == "crash" && n == 3:
		case kind == "object":
			fmt.Fprintf(out, `{"id":%d,"embedding":%s}`+"\n", n, vector)
		case kind == "noise" && n == 0:
			fmt.Fprintln(out, "Loading the model ...")
		case kind == "echo":
			fmt.Fprintln(out, in.Text())
		case kind == "twice":
			fmt.Fprintf(out, "%s\n%s\n", vector, vector)
		default:
			fmt.Fprintf(out, "%s\n\n", vector)
		}
		if kind == "crash" && n == 3 {
			fmt.Fprintln(os.Stderr, "Traceback (most recent call last):\n  File \"x.py\"\nCUDA out of memory")
			return 3
		}
	}
	return 0
}

func command(t *testing.T, kind string) *embed.Exec {
	t.Helper()
	t.Setenv("COSFIT_TEST_EXEC", kind)
	p, err := embed.NewExec(embed.ExecOptions{Command: "'" + os.Args[0] + "'", Model: "hash", Dimensions: 8})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestExec(t *testing.T) {
	texts := append(sentences(50), "line\nbreak \"quoted\" <é>")
	for _, kind := range []string{"list", "object"} {
		var store embedtest.Store
		summary, err := embed.Run(t.Context(), command(t, kind), &store, each(texts), embed.Options{Texts: 20, Concurrency: 2})
		if err != nil || summary.Requests != 3 {
			t.Fatalf("%s: %+v, %v", kind, summary, err)
		}
		checkVectors(t, &store, texts, 8)
	}
}

func TestExecFails(t *testing.T) {
	for kind, want := range map[string]string{
		"crash": "exit status 3: CUDA out of memory",
		"few":   "it writes 9 for 10 texts",
		"echo":  `line 1 of its output: the object has no "embedding"`,
		"twice": "more than one vector for each of 10 texts",
		"noise": `line 1 of its output: the line is not what it should be: at byte 0 want a vector, found "Loading the model ..."`,
	} {
		_, err := command(t, kind).Embed(t.Context(), sentences(10))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", kind, err, want)
		}
	}
	p, err := embed.NewExec(embed.ExecOptions{Command: "no-such-command-here", Model: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Embed(t.Context(), sentences(10)); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Error(err)
	}
}

// A command that hangs is left when the run is, though the shell's child lives.
func TestExecCancelled(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := command(t, "hang").Embed(ctx, sentences(10))
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 20*time.Second {
		t.Errorf("%v after %s", err, time.Since(start))
	}
}
