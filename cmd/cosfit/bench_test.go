package main

import (
	"testing"

	"github.com/urfave/cli/v2"
)

// TestBenchSettings sets a subcommand's flags in a file and in the environment.
func TestBenchSettings(t *testing.T) {
	file := writeConfig(t, "threads: 3\nbench:\n  quick: true\n  python: a,b\n")
	t.Setenv("COSFIT_OUT", "results")
	app := newApp(nil, nil)
	ran := false
	for _, c := range app.Commands {
		for _, sub := range c.Subcommands {
			if sub.Name != "run" {
				continue
			}
			sub.Action = func(c *cli.Context) error {
				ran = true
				if !c.Bool("quick") || c.String("python") != "a,b" || c.Int("threads") != 3 || c.String("out") != "results" {
					t.Errorf("quick %v, python %q, threads %d, out %q", c.Bool("quick"), c.String("python"), c.Int("threads"), c.String("out"))
				}
				return nil
			}
		}
	}
	if err := app.Run([]string{"cosfit", "bench", "run", "--config", file}); err != nil || !ran {
		t.Errorf("ran %v, %v", ran, err)
	}
}
