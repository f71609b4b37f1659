package main

import (
	"slices"
	"strings"
)

// positional are the commands whose first word may stand for a flag.
func positional() []struct {
	command []string
	flag    string
} {
	return []struct {
		command []string
		flag    string
	}{
		{[]string{"fit"}, "--in"},
		{[]string{"data", "show"}, "--data"},
		{[]string{"data", "check"}, "--data"},
	}
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
