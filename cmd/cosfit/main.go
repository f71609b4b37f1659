// Command cosfit learns one matrix over text embeddings so that their cosines
// separate similar from dissimilar pairs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"github.com/urfave/cli/v2"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Args, os.Stdout, os.Stderr))
}

// run runs the program and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	out := &output{to: stdout}
	app := newApp(out, stderr)
	addCompletion(app, args)
	err := app.RunContext(ctx, asFlag(args))
	if err == nil {
		err = out.failed()
	}
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errUnread):
		return exitFailed
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted, nothing was written") // or the command would have said more
	}
	fmt.Fprintf(stderr, "cosfit: %s\n", oneLine(err.Error()))
	return exitCode(err)
}

// oneLine shows control characters, which names of files may have, instead of
// sending them to the terminal.
func oneLine(text string) string {
	var out strings.Builder
	for _, r := range text {
		if unicode.IsControl(r) {
			out.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}

func newApp(stdout, stderr io.Writer) *cli.App {
	threads := runtime.GOMAXPROCS(0)
	app := &cli.App{
		Name:  "cosfit",
		Usage: "learn one matrix that makes your text embeddings fit your data",
		Description: "cosfit takes pairs of texts that should or should not be similar, with their\n" +
			"embeddings, learns a matrix M so that cos(a·M, b·M) separates the two kinds,\n" +
			"and shows on held-out data what that gained.\n\n" +
			"Try it:  cosfit demo",
		Version:              version(),
		EnableBashCompletion: true,
		Writer:               stdout,
		ErrWriter:            stderr,
		ExitErrHandler:       func(*cli.Context, error) {}, // run prints errors once
		OnUsageError:         asUsage,
		Action:               unknownCommand,
		After: func(*cli.Context) error {
			runtime.GOMAXPROCS(threads) // which --threads changes
			return nil
		},
		Commands: []*cli.Command{
			demoCommand(), fitCommand(), prepareCommand(), dataCommand(), embedCommand(), cacheCommand(), mineCommand(), trainCommand(), sweepCommand(), evalCommand(), exportCommand(), applyCommand(),
			benchCommand(), doctorCommand(), versionCommand(), completionCommand(),
		},
	}
	for _, c := range app.Commands {
		c.OnUsageError = app.OnUsageError
		for _, sub := range c.Subcommands {
			sub.OnUsageError = app.OnUsageError
		}
	}
	addSettings(app.Commands)
	return app
}

// unknownCommand runs when no command matches.
func unknownCommand(c *cli.Context) error {
	if !c.Args().Present() {
		return cli.ShowAppHelp(c)
	}
	var names []string
	for _, command := range c.App.Commands {
		names = append(names, command.Name)
	}
	return usage("unknown command %q%s; there are: %s", c.Args().First(), meant(c.Args().First(), names), strings.Join(names, ", "))
}

// meant says which of the words a wrong one may be a slip of; "" for none.
func meant(wrong string, words []string) string {
	if word, ok := near(wrong, slices.Clone(words)); ok {
		return ", the nearest is " + word
	}
	return ""
}

// noArguments refuses words that no flag takes, which are mostly a forgotten
// flag name.
func noArguments(c *cli.Context) error {
	if !c.Args().Present() || c.Command.Name == "completion" {
		return nil
	}
	for _, p := range positional() {
		if strings.Join(p.command, " ") == fullName(c) {
			return p.misplaced(c)
		}
	}
	return usage("%s takes no argument, got %q: inputs and outputs are named by flags, see cosfit %s --help",
		fullName(c), c.Args().First(), fullName(c))
}

// needsSubcommand runs when a command that has others below it is called alone.
func needsSubcommand(c *cli.Context) error {
	if !c.Args().Present() {
		return cli.ShowSubcommandHelp(c)
	}
	return usage("unknown command %q; there are: %s", fullName(c)+" "+c.Args().First(), strings.Join(commandNames(subcommands(c.Command)), ", "))
}

// fullName is a command's name after those that it stands below, without the
// program's.
func fullName(c *cli.Context) string {
	var names []string
	for _, context := range c.Lineage() {
		if context.Command != nil && context.Command.Name != "" && context.Command.Name != c.App.Name {
			names = append(names, context.Command.Name)
		}
	}
	slices.Reverse(names)
	return strings.Join(names, " ")
}

// subcommands are those that a command was made with: the cli package adds its
// own help to each.
func subcommands(c *cli.Command) (own []*cli.Command) {
	for _, sub := range c.Subcommands {
		if sub.Name != "help" {
			own = append(own, sub)
		}
	}
	return own
}

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a mistake in the command line rather than in the work.
type usageError struct{ error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// asUsage marks the flag parser's own errors.
func asUsage(c *cli.Context, err error, _ bool) error {
	help := "cosfit --help"
	if c.Command.Name != c.App.Name {
		help = "cosfit " + fullName(c) + " --help"
	}
	if flag, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: "); ok {
		if c.Command.Name == "sweep" { // most of whose flags are what it searches
			return usage("unknown flag -%s; parameters of a sweep are: %s; see %s for the others", flag, spaceFlags(nil, nil).Known(), help)
		}
		var names []string
		for _, f := range c.Command.Flags {
			names = append(names, "--"+f.Names()[0])
		}
		return usage("unknown flag -%s%s; see %s", flag, meant("-"+flag, names), help)
	}
	text := ofParser.ReplaceAllString(err.Error(), ": parse error")
	text = singleDash.ReplaceAllString(text, " --$1")
	return usage("%s; see %s", text, help)
}

// ofParser finds what package strconv says of a list, where of a number the flag parser
// says less.
var ofParser = regexp.MustCompile(`: strconv\.\w+: .*$`)

// singleDash finds flags as the parser writes them.
var singleDash = regexp.MustCompile(` -([a-z])`)

func exitCode(err error) int {
	var u usageError
	if errors.As(err, &u) {
		return exitUsage
	}
	return exitFailed
}
