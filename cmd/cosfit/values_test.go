package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// FuzzValues gives a flag of a command any value. The data do not exist, so
// nothing good can come of it: one sentence, and nothing written.
func FuzzValues(f *testing.F) {
	for i, value := range []string{
		"", "0", "-1", "1e999", "NaN", "010", "5..0", "0..5", "1..", "300MB", "9999999999999999999GB", "-3kB", "default", "5m", "-5m", "a\nb",
		"\x00", "-", "--", "--json", "true", "sample", "../..", "auto", "cuda:3", strings.Repeat("9", 400),
	} {
		f.Add(uint8(i%3), uint8(i), value)
	}
	commands := []string{"train", "eval", "apply"}
	flags := map[string][]string{}
	for _, c := range newApp(io.Discard, io.Discard).Commands {
		for _, flag := range c.Flags {
			flags[c.Name] = append(flags[c.Name], flag.Names()[0])
		}
	}
	nowhere := filepath.Join(f.TempDir(), "nowhere")
	f.Fuzz(func(t *testing.T, command, flag uint8, value string) {
		name := commands[int(command)%len(commands)]
		of := flags[name]
		args := []string{"cosfit", name, "--" + of[int(flag)%len(of)] + "=" + value}
		args = append(args, map[string][]string{
			"train": {"--data", nowhere, "--out", nowhere},
			"eval":  {"--data", nowhere, "--run", nowhere},
			"apply": {"--in", nowhere, "--run", nowhere, "--out", nowhere},
		}[name]...)
		var out, errs bytes.Buffer
		code := run(context.Background(), args, &out, &errs)
		if said := errs.String(); code != exitFailed && code != exitUsage || !strings.HasPrefix(said, "cosfit: ") || strings.Count(said, "\n") != 1 || out.Len() > 0 {
			t.Errorf("%q: exit code %d, printed %q and %q", args, code, out.String(), said)
		}
		if _, err := os.Lstat(nowhere); err == nil {
			t.Errorf("%q: something was written", args)
		}
	})
}

// No command has two flags of one name, which would end the program when it is
// called.
func TestFlagsOnce(t *testing.T) {
	var walk func(commands []*cli.Command)
	walk = func(commands []*cli.Command) {
		for _, c := range commands {
			seen := map[string]bool{}
			for _, f := range c.Flags {
				for _, name := range f.Names() {
					if seen[name] {
						t.Errorf("%s has --%s twice", c.Name, name)
					}
					seen[name] = true
				}
			}
			walk(c.Subcommands)
		}
	}
	walk(newApp(io.Discard, io.Discard).Commands)
}
