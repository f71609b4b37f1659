package main

import (
	"io"
	"runtime"
	"testing"

	"github.com/urfave/cli/v2"
)

// TestThreads: --threads limits all that runs, from wherever it was set, and only
// while the command runs.
func TestThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	for _, test := range []struct {
		set  string
		args []string
		want int
	}{
		{"", nil, 4},
		{"", []string{"--threads", "0"}, 4},
		{"", []string{"--threads", "3"}, 3},
		{"", []string{"--threads", "9"}, 4},
		{"2", nil, 2},
		{"2", []string{"--threads", "3"}, 3},
	} {
		if test.set != "" {
			t.Setenv("COSFIT_THREADS", test.set)
		}
		got := 0
		app := newApp(io.Discard, io.Discard)
		app.Command("train").Action = func(*cli.Context) error {
			got = runtime.GOMAXPROCS(0)
			return nil
		}
		if err := app.Run(append([]string{"cosfit", "train"}, test.args...)); err != nil || got != test.want {
			t.Errorf("COSFIT_THREADS=%s %v: %v, %d threads, want %d", test.set, test.args, err, got, test.want)
		}
		if now := runtime.GOMAXPROCS(0); now != 4 {
			t.Fatalf("%d threads are left after the command", now)
		}
	}
}
