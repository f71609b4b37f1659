package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/loader"
)

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print a script that completes commands, flags and their values in a shell",
		ArgsUsage: strings.Join(shells(), "|"),
		Description: "Examples:\n" +
			"  eval \"$(cosfit completion bash)\"       # in ~/.bashrc\n" +
			"  eval \"$(cosfit completion zsh)\"        # in ~/.zshrc, after compinit\n" +
			"  cosfit completion fish > ~/.config/fish/completions/cosfit.fish",
		Action: func(c *cli.Context) error {
			script, err := completionScript(c.Args().First())
			if err != nil {
				return err
			}
			fmt.Fprint(c.App.Writer, script)
			return nil
		},
	}
}

func shells() []string { return []string{"bash", "zsh", "fish"} }

func completionScript(shell string) (string, error) {
	switch shell {
	case "bash":
		return bashCompletion, nil
	case "zsh":
		return zshCompletion, nil
	case "fish":
		return fishCompletion, nil
	}
	return "", usage("completion needs the name of a shell, bash, zsh or fish, got %q", shell)
}

// The scripts ask the program what can follow the words before the cursor's
// and keep what begins with the cursor's word. They complete file names where
// nothing does. They never send the cursor's word: it may be "--", with which
// the cli package answers nothing.

// bash makes words of its own of the = in --flag=value.
const bashCompletion = `_cosfit() {
  local answers=$("${COMP_WORDS[@]:0:COMP_CWORD}" --generate-bash-completion 2>/dev/null)
  COMPREPLY=($(compgen -W "$answers" -- "${COMP_WORDS[COMP_CWORD]#=}"))
}
complete -o bashdefault -o default -F _cosfit cosfit
`

const zshCompletion = `_cosfit() {
  local -a before=("${(@)words[1,CURRENT-1]}")
  compset -P '--*=' && before+=("${IPREFIX%=}")
  local -a answers=(${(f)"$("${(@)before}" --generate-bash-completion 2>/dev/null)"})
  compadd -a answers || _files
}
compdef _cosfit cosfit
`

// fish keeps --flag=value in one word and wants it back whole.
const fishCompletion = `function __cosfit
  set -l flag (commandline -ct | string match -r -- '^--[^=]+(?==)')
  set -l prefix $flag= # nothing where there is no flag
  set -l word (commandline -ct | string replace -- "$prefix" '')
  set -l before (commandline -opc) $flag
  begin
    $before --generate-bash-completion 2>/dev/null | string match -- "$word*"
      or __fish_complete_path "$word"
  end | string replace -r -- '^' "$prefix"
end
complete -c cosfit -f -a '(__cosfit)'
`

// addCompletion makes app answer the scripts when args, the program's name and
// its arguments, end with --generate-bash-completion.
func addCompletion(app *cli.App, args []string) {
	answer := func(c *cli.Context) {
		for _, word := range completions(c, args[1:len(args)-1]) {
			fmt.Fprintln(c.App.Writer, word)
		}
	}
	app.BashComplete = answer
	app.Setup() // adds the command help
	for _, c := range app.Commands {
		c.BashComplete = answer
		for _, sub := range c.Subcommands {
			sub.BashComplete = answer
		}
	}
}

// completions lists what can follow the words of a command line. None means a
// file name, or anything.
func completions(c *cli.Context, before []string) []string {
	last := len(before) - 1
	if last >= 0 && before[last] == "=" {
		last--
	}
	if last >= 0 {
		if f := findFlag(c.Command.Flags, before[last]); f != nil && takesValue(f) {
			return flagValues(c.Command.Name, f.Names()[0])
		}
	}
	switch c.Command.Name {
	case c.App.Name, "help":
		return unlessGiven(c, commandNames(c.App.Commands))
	case "completion":
		return unlessGiven(c, shells())
	}
	if own := subcommands(c.Command); own != nil && c.Command.Name != c.App.Name {
		words := unlessGiven(c, commandNames(own))
		if findFlag(c.Command.Flags, "--config") != nil { // it runs by itself too
			words = append(words, unusedFlags(c.Command.Flags, before)...)
		}
		return words
	}
	return unusedFlags(c.Command.Flags, before)
}

// flagValues lists the values of a command's flag that chooses by name.
func flagValues(command, flag string) []string {
	switch flag {
	case "recipe":
		return recipes().names()
	case "loss":
		return losses().names()
	case "optimizer":
		return optimizers().names()
	case "schedule":
		return schedules().names()
	case "shape":
		return shapes().names()
	case "init":
		return starts().names()
	case "side":
		return sides().names()
	case "metric":
		return metrics().names()
	case "select-on":
		return selectable().names()
	case "format":
		if command == "export" {
			return formats().names()
		}
		return sources().names()
	case "quotes":
		return []string{"double", "none"}
	case "unit":
		return []string{"paragraph", "sentence"}
	case "device":
		return backends().names()
	case "precision":
		return precisions()
	case "provider":
		return providers().names()
	case "preset":
		return presets().names()
	case "sampler":
		return samplers().names()
	case "pruner":
		return pruners().names()
	case "split":
		return loader.SplitNames()
	}
	return nil
}

func findFlag(flags []cli.Flag, word string) cli.Flag {
	for _, f := range flags {
		for _, name := range f.Names() {
			if word == "--"+name || word == "-"+name {
				return f
			}
		}
	}
	return nil
}

func takesValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}

func unusedFlags(flags []cli.Flag, before []string) (names []string) {
	for _, f := range flags {
		if name := "--" + f.Names()[0]; !slices.Contains(before, name) {
			names = append(names, name)
		}
	}
	return names
}

func commandNames(commands []*cli.Command) (names []string) {
	for _, c := range commands {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	return names
}

// unlessGiven offers words for the first argument only.
func unlessGiven(c *cli.Context, words []string) []string {
	if c.Args().Present() {
		return nil
	}
	return words
}
