package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/internal/shell"
)

// A firstWord may stand for a flag of a command.
type firstWord struct {
	command []string
	flag    string
	noun    string // what it is
	more    string // what to do with several
}

func positional() []firstWord {
	const oneByOne = "name one at a time"
	return []firstWord{
		{[]string{"fit"}, "--in", "file", "put the pairs into one, or name a file for each split with --train-file, --validation-file and --test-file"},
		{[]string{"data", "show"}, "--data", "data set", oneByOne},
		{[]string{"data", "check"}, "--data", "data set", oneByOne},
	}
}

// usageText is how help shows a command whose first word may stand for a flag.
func usageText(command, word string) string {
	return "cosfit " + command + " " + word + " [command options]"
}

// asFlag puts a flag before the file or data set that a command is given as its
// first word, since the cli package takes no flag after a word: cosfit fit FILE
// --out DIR.
func asFlag(args []string) []string {
	for _, p := range positional() {
		at := 1 + len(p.command)
		if len(args) > at && slices.Equal(args[1:at], p.command) && !strings.HasPrefix(args[at], "-") && args[at] != "help" {
			return slices.Concat(args[:at], []string{p.flag}, args[at:])
		}
	}
	return args
}

// misplaced refuses a word that stands where the cli package leaves it.
func (p firstWord) misplaced(c *cli.Context) error {
	command, word := strings.Join(p.command, " "), c.Args().First()
	if c.IsSet(strings.TrimLeft(p.flag, "-")) {
		return usage("%s takes one %s, and got %q too: %s", command, p.noun, word, p.more)
	}
	return usage("%s takes its %s before all flags: cosfit %s %s …", command, p.noun, command, shell.Quote(word))
}
