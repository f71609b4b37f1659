package main

import (
	"slices"
	"strings"
)

// asFlag puts --data before the data set that a command is given as its first
// word, since the cli package takes no flag after a word: cosfit data show DIR
// --json.
func asFlag(args []string) []string {
	for _, command := range [][]string{{"data", "show"}, {"data", "check"}} {
		at := 1 + len(command)
		if len(args) > at && slices.Equal(args[1:at], command) && !strings.HasPrefix(args[at], "-") && args[at] != "help" {
			return slices.Concat(args[:at], []string{"--data"}, args[at:])
		}
	}
	return args
}
