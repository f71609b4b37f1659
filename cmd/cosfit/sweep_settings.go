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

// notSettings are flags that a resumed sweep does not take over: they say
// where it is, or are about this call alone.
func notSettings() []string {
	return []string{"out", "resume", "config", "help", "json", "workers", "threads", "budget", "scratch", "memory", "checkpoint-every"}
}

// settingsText is everything that was set, as a file for --config.
func settingsText(c *cli.Context) ([]byte, error) {
	var b strings.Builder
	b.WriteString("# The settings of this sweep: cosfit sweep --resume --out FOLDER goes on with it.\nsweep:\n")
	for _, f := range c.Command.Flags {
		name := f.Names()[0]
		if !c.IsSet(name) || slices.Contains(notSettings(), name) {
			continue
		}
		value := valueText(c, f)
		if name == "storage" && hasPassword(value) {
			fmt.Fprintf(&b, "  # storage: has a password, so give it again\n")
			continue
		}
		if slices.Contains([]string{"data", "cache", "space"}, name) && value != sample.Name { // the call to come may be made elsewhere
			if whole, err := filepath.Abs(value); err == nil {
				value = whole
			}
		}
		if k := kindOf(f); k == aText || k == aSwept {
			value = strconv.Quote(value)
		}
		fmt.Fprintf(&b, "  %s: %s\n", name, value)
	}
	return []byte(b.String()), nil
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
