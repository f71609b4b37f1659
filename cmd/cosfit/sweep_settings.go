package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/loader/sample"
	"github.com/cosfit/cosfit/trainer/sweep"
)

// notSettings are flags that a resumed sweep does not take over as they were
// given: they say where it is, are about one call alone, or stand there in
// another form.
func notSettings() []string {
	return []string{"out", "resume", "config", "help", "json", "threads", "budget", "lease", "scratch", "memory", "checkpoint-every",
		"preset", "space", "sampler", "pruner"}
}

// settingsText is everything that the sweep was begun with, as a file for
// --config. The space stands there whole: what --preset or --space name may
// change.
func (s *sweeping) settingsText() []byte {
	var b strings.Builder
	b.WriteString("# The settings of this sweep: cosfit sweep --resume --out FOLDER goes on with it.\nsweep:\n")
	write := func(name, value string, k kind) {
		if k == aText || k == aSwept {
			value = strconv.Quote(value)
		}
		fmt.Fprintf(&b, "  %s: %s\n", name, value)
	}
	for _, f := range s.Command.Flags {
		name := f.Names()[0]
		if _, swept := f.(*sweptFlag); swept || !s.IsSet(name) || slices.Contains(notSettings(), name) {
			continue
		}
		value := valueText(s.Context, f)
		if name == "storage" && hasPassword(value) {
			b.WriteString("  # storage has a password: give it again\n")
			continue
		}
		if slices.Contains([]string{"data", "cache"}, name) && value != sample.Name { // the next call may be made elsewhere
			if whole, err := filepath.Abs(value); err == nil {
				value = whole
			}
		}
		write(name, value, kindOf(f))
	}
	write("sampler", s.sampler, aText)
	write("pruner", s.pruner, aText)
	for _, f := range s.searched.fixed {
		if !slices.Contains(settledFlags(), f.Name) {
			write(f.Name, f.Value, aSwept)
		}
	}
	for _, p := range s.searched.space {
		write(p.Name, p.String(), aSwept)
	}
	return []byte(b.String())
}

func hasPassword(storage string) bool {
	u, err := url.Parse(storage)
	if err != nil {
		return true // who knows
	}
	_, has := u.User.Password()
	return has || u.Query().Has("password")
}

// resumeSettings sets what the sweep in a folder was begun with, as if it had
// been given again.
func resumeSettings(c *cli.Context, out string) error {
	path := sweep.SettingsPath(out)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s has no sweep to go on with: begin one without --resume", out)
	}
	if err != nil {
		return err
	}
	settings, err := parseConfig(text, c.App.Commands)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, s := range settings {
		if c.IsSet(s.name) {
			continue
		}
		if err := c.Set(s.name, s.value); err != nil {
			return fmt.Errorf("%s: line %d: %w", path, s.line, err)
		}
	}
	return nil
}
