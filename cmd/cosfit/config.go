package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"go.yaml.in/yaml/v4"

	"github.com/cosfit/cosfit/internal/strictyaml"
)

// Settings come from flags, then from the environment, then from the file that
// --config names, then from the recipe. A setting is named after its flag
// everywhere: --learning-rate, COSFIT_LEARNING_RATE, learning-rate: 0.01.

// addSettings makes commands take their settings from all of these. A command
// with a flag or two has no need of a file.
func addSettings(commands []*cli.Command) {
	for _, c := range commands {
		if own := subcommands(c); own != nil {
			addSettings(own)
			if len(c.Flags) == 0 {
				continue
			}
		}
		if len(c.Flags) > 2 {
			c.Flags = append(c.Flags, &cli.StringFlag{Name: "config",
				Usage: "a YAML file of settings, named like these flags; a flag, or an environment variable such as COSFIT_THREADS, comes before it"})
		}
		c.Before = settle
	}
}

// settle runs before a command and sets the flags that the command line left
// open, as if they had been given there.
func settle(c *cli.Context) error {
	if slices.Contains(commandNames(subcommands(c.Command)), c.Args().First()) {
		return nil // that one runs
	}
	if err := noArguments(c); err != nil {
		return err
	}
	c.App.Metadata[typed] = c.LocalFlagNames()
	tellNearMisses(c)
	if err := settleFromEnvironment(c); err != nil {
		return err
	}
	return settleFromFile(c)
}

// typed is under which name the app keeps the flags of the command line itself.
const typed = "typed"

// isTyped reports whether a flag stands on the command line, and not only in the
// environment or in a file, which may serve commands on other data as well.
func isTyped(c *cli.Context, name string) bool {
	names, _ := c.App.Metadata[typed].([]string)
	return slices.Contains(names, name)
}

// environmentName is the variable that a flag is read from.
func environmentName(flag string) string {
	return "COSFIT_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// settleFromEnvironment reads a variable for each flag. An empty one counts as
// none. The cli package could do the same, but refuses --help where a variable
// is wrong.
func settleFromEnvironment(c *cli.Context) error {
	for _, f := range c.Command.Flags {
		name := f.Names()[0]
		variable, value := environmentName(name), os.Getenv(environmentName(name))
		if value == "" && name == "base-url" { // which other clients of the API know as well
			variable, value = baseURLVariable, os.Getenv(baseURLVariable)
		}
		if value == "" || c.IsSet(name) || name == "help" {
			continue
		}
		k := kindOf(f)
		if complaint := k.check(value, strconv.Quote(value)); complaint != "" {
			return usage("%s: %s", variable, complaint)
		}
		if err := c.Set(name, value); err != nil {
			return usage("%s: %q is not %s", variable, value, k)
		}
	}
	return nil
}

// tellNearMisses names variables that set nothing, and look like a slip of one that
// does.
func tellNearMisses(c *cli.Context) {
	known := []string{"COSFIT_CPU", "COSFIT_CUDA_GRAPHS", "COSFIT_CUDA_LIBRARIES"} // which are read elsewhere
	for _, command := range c.App.Commands {
		for _, runs := range append([]*cli.Command{command}, subcommands(command)...) {
			for _, f := range runs.Flags {
				known = append(known, environmentName(f.Names()[0]))
			}
		}
	}
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, environmentName("")) || strings.HasPrefix(name, environmentName("test-")) || slices.Contains(known, name) {
			continue // of COSFIT_TEST_ are the tests' own
		}
		if near, ok := near(name, known); ok {
			fmt.Fprintf(c.App.ErrWriter, "cosfit: %s sets nothing, the nearest that does is %s\n", oneLine(name), near)
		}
	}
}

// settleFromFile sets what the file has for all commands, and before that what
// it has for this one.
func settleFromFile(c *cli.Context) error {
	path := c.String("config")
	if path == "" || findFlag(c.Command.Flags, "--config") == nil {
		return nil
	}
	text, err := readConfig(path)
	if err != nil {
		return err
	}
	settings, err := parseConfig(text, c.App.Commands)
	if err != nil {
		return usage("%s: %w", path, err)
	}
	own, _, _ := strings.Cut(fullName(c), " ") // subcommands share their command's section
	for _, section := range []string{own, everyCommand} {
		for _, s := range settings {
			if s.command != section || findFlag(c.Command.Flags, "--"+s.name) == nil || c.IsSet(s.name) {
				continue
			}
			if err := c.Set(s.name, s.value); err != nil {
				return usage("%s: %s: line %d: %q: %w", path, s.name, s.line, s.value, err)
			}
		}
	}
	return nil
}

// configLimit is far more than settings need, and keeps a data set that is
// named by mistake out of the memory.
const configLimit = 1 << 20

func readConfig(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--config names %s, which does not exist", path)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("--config names %s, which is a folder: name a YAML file", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, configLimit+1))
	if err == nil && len(text) > configLimit {
		err = fmt.Errorf("--config names %s, which is larger than 1 MB: that is no file of settings", path)
	}
	return text, err
}

// A setting is one line of a file.
type setting struct {
	command     string // or everyCommand
	name, value string
	line        int
}

// everyCommand stands for the file's top level.
const everyCommand = ""

// parseConfig reads settings strictly: everything that no command knows, or
// that another reader of YAML takes for something else, is an error.
func parseConfig(text []byte, commands []*cli.Command) ([]setting, error) {
	root, err := strictyaml.Document(text)
	if err != nil || root == nil {
		return nil, err
	}
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: want settings, a line each, such as epochs: 20", root.Line)
	}
	return schemaOf(commands).section(root, everyCommand)
}

// A schema has the settings of each command that reads files, and under
// everyCommand those of all.
type schema map[string]map[string]kind

func schemaOf(commands []*cli.Command) schema {
	s := schema{everyCommand: {}}
	for _, c := range commands {
		for _, runs := range append([]*cli.Command{c}, subcommands(c)...) {
			if findFlag(runs.Flags, "--config") == nil {
				continue
			}
			if s[c.Name] == nil {
				s[c.Name] = map[string]kind{}
			}
			for _, f := range runs.Flags {
				name, kind := f.Names()[0], kindOf(f)
				if name == "config" || name == "help" {
					continue
				}
				s[c.Name][name] = kind
				if _, ok := s[everyCommand][name]; !ok || kind != aSwept { // what several commands take is one value
					s[everyCommand][name] = kind
				}
			}
		}
	}
	return s
}

// section reads what stands under a command, or at the top level.
func (s schema) section(n *yaml.Node, command string) (settings []setting, err error) {
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: a key is the name of a flag, without the dashes", key.Line)
		}
		path := key.Value
		if command != everyCommand {
			path = command + "." + path
		}
		complain := func(complaint string) error { return fmt.Errorf("%s: line %d: %s", path, key.Line, complaint) }
		if first, ok := lines[key.Value]; ok {
			return nil, complain(fmt.Sprintf("is set twice, first in line %d", first))
		}
		lines[key.Value] = key.Line
		k, known := s[command][key.Value]
		_, isCommand := s[key.Value]
		switch {
		case known && !(isCommand && value.Kind == yaml.MappingNode): // cache is a setting and a command
			text, complaint := k.read(value)
			if complaint != "" {
				return nil, complain(complaint)
			}
			settings = append(settings, setting{command, key.Value, text, key.Line})
		case command != everyCommand || !isCommand || key.Value == everyCommand:
			return nil, complain(s.unknown(key.Value, command))
		case strictyaml.IsNull(value):
		case value.Kind != yaml.MappingNode:
			return nil, complain(fmt.Sprintf("want the settings of %s below it, each on an indented line", key.Value))
		default:
			own, err := s.section(value, key.Value)
			if err != nil {
				return nil, err
			}
			settings = append(settings, own...)
		}
	}
	return settings, nil
}

// unknown says where a setting belongs, or what it may be a slip of.
func (s schema) unknown(name, command string) string {
	var owners []string
	for c, settings := range s {
		if _, ok := settings[name]; ok && c != everyCommand {
			owners = append(owners, c)
		}
	}
	slices.Sort(owners)
	if owners != nil {
		return fmt.Sprintf("%s has no such setting, it is one of %s", command, strings.Join(owners, ", "))
	}
	known := slices.Collect(maps.Keys(s[command]))
	if command == everyCommand {
		for c := range s {
			if c != everyCommand {
				known = append(known, c)
			}
		}
	}
	return fmt.Sprintf("no such setting, the nearest is %s", nearest(name, known))
}

// nearest is the word that the fewest edits make of name, the first of equals
// in the alphabet.
func nearest(name string, words []string) string {
	if len(name) > 100 {
		name = name[:100] // no flag is as long, and the work is quadratic
	}
	slices.Sort(words)
	return slices.MinFunc(words, func(a, b string) int { return edits(name, a) - edits(name, b) })
}

// near is nearest, where that is a likely slip.
func near(name string, words []string) (word string, ok bool) {
	word = nearest(name, words)
	return word, edits(name, word) <= min(2, len(strings.TrimPrefix(name, environmentName("")))/3)
}

// edits is the least number of insertions, deletions and substitutions of bytes
// that make b of a. Source: Levenshtein 1966, by Wagner and Fischer's table, of
// which one row is kept.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substituted := diagonal
			if a[i] != b[j] {
				substituted++
			}
			diagonal = row[j+1]
			row[j+1] = min(substituted, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// A kind is what a setting wants, in words.
type kind string

const (
	aText  kind = "a text"
	aSwept kind = "a value, a list such as 1,2,3, or a range such as 1..9"
	aWhole kind = "a whole number"
	aCount kind = "a whole number from 0 up"
	aFloat kind = "a number"
	aBool  kind = "true or false"
	aTime  kind = "a time such as 90s or 5m"
	aList  kind = "a list of whole numbers such as 64,128"
)

// kindOf is a text for types of flag that it does not know: the flag itself
// parses it.
func kindOf(f cli.Flag) kind {
	switch f.(type) {
	case *sweptFlag:
		return aSwept
	case *cli.BoolFlag:
		return aBool
	case *cli.IntFlag, *cli.Int64Flag:
		return aWhole
	case *cli.UintFlag, *cli.Uint64Flag:
		return aCount
	case *cli.Float64Flag:
		return aFloat
	case *cli.DurationFlag:
		return aTime
	case *cli.IntSliceFlag:
		return aList
	}
	return aText
}

var (
	leadingZero = regexp.MustCompile(`^[-+]?0[0-9]`)
	integer     = regexp.MustCompile(`^[-+]?[0-9]+$`)
	decimal     = regexp.MustCompile(`^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$`)
)

// check returns a complaint about a value, which the complaint calls shown, or
// nothing.
func (k kind) check(value, shown string) string {
	var err error
	ok := true
	switch k {
	case aText, aSwept:
		return ""
	case aBool:
		_, err := strconv.ParseBool(value)
		ok = err == nil
	case aWhole:
		ok = integer.MatchString(value)
		_, err = strconv.ParseInt(value, 10, strconv.IntSize)
	case aCount:
		ok = integer.MatchString(value) && value[0] != '-' && value[0] != '+'
		_, err = strconv.ParseUint(value, 10, 64)
	case aList:
		for number := range strings.SplitSeq(value, ",") {
			number = strings.TrimSpace(number)
			if complaint := aWhole.check(number, number); complaint != "" && integer.MatchString(number) {
				return complaint
			}
			ok = ok && integer.MatchString(number)
		}
	case aTime:
		_, err := time.ParseDuration(value)
		ok = err == nil
	case aFloat:
		ok = decimal.MatchString(value)
		_, err = strconv.ParseFloat(value, 64)
	}
	switch {
	case !ok:
		return fmt.Sprintf("%s is not %s", shown, k)
	case k != aTime && k != aList && leadingZero.MatchString(value):
		return fmt.Sprintf("%s counts in eights to some programs and in tens to others: write it without the leading 0", shown)
	case err != nil:
		return fmt.Sprintf("%s is too large for %s", shown, k)
	}
	return ""
}

// read takes a value from a file, or says what is wrong with it.
func (k kind) read(n *yaml.Node) (value, complaint string) {
	switch {
	case n.Kind == yaml.SequenceNode && len(n.Content) > 0 && (k == aList || k == aSwept):
		return k.readList(n)
	case n.Kind == yaml.SequenceNode:
		return "", fmt.Sprintf("a list is not %s", k)
	case n.Kind == yaml.MappingNode:
		return "", fmt.Sprintf("a section is not %s", k)
	case n.Kind == yaml.AliasNode:
		return "", fmt.Sprintf("*%s refers to another value: write %s itself", n.Value, k)
	case n.Style&yaml.TaggedStyle != 0 || !strings.HasPrefix(n.ShortTag(), "!!"):
		return "", fmt.Sprintf("tags such as %s are not understood: write %s without one", n.ShortTag(), k)
	case n.Style != 0:
		return k.readQuoted(n.Value)
	case strictyaml.IsNull(n):
		return "", fmt.Sprintf("has no value, want %s: write one, or remove the line", k)
	case k == aSwept:
		return n.Value, "" // its own parser has the last word
	case k == aText:
		return readText(n)
	case k == aBool:
		return readBool(n)
	}
	return n.Value, k.check(n.Value, shown(n))
}

// readList takes a list as the flag has it, with commas.
func (k kind) readList(n *yaml.Node) (value, complaint string) {
	one := k
	if k == aList {
		one = aWhole
	}
	var words []string
	for _, item := range n.Content {
		if item.Kind == yaml.SequenceNode || strings.Contains(item.Value, ",") {
			return "", fmt.Sprintf("a list in a list is not %s", k)
		}
		word, complaint := one.read(item)
		if complaint != "" {
			return "", complaint
		}
		words = append(words, word)
	}
	return strings.Join(words, ","), ""
}

// shown is a value as a complaint calls it.
func shown(n *yaml.Node) string {
	if n.ShortTag() == "!!str" {
		return strconv.Quote(n.Value)
	}
	return n.Value
}

func (k kind) readQuoted(value string) (string, string) {
	switch {
	case k == aText || k == aSwept:
		return value, ""
	case k.check(value, value) != "":
		return "", fmt.Sprintf("%q is not %s", value, k)
	}
	return "", fmt.Sprintf("%q is a text because of its quotes, want %s: write it without them", value, k)
}

// oldBooleans are words that YAML 1.1, and so Python, reads as true or false.
func oldBooleans() map[string]string {
	return map[string]string{"yes": "true", "on": "true", "no": "false", "off": "false"}
}

// readText wants quotes around what another reader, or this one, would not take
// for a text.
func readText(n *yaml.Node) (value, complaint string) {
	is := map[string]string{"!!int": "a number", "!!float": "a number", "!!bool": "true or false", "!!timestamp": "a date"}[n.ShortTag()]
	if old := oldBooleans()[strings.ToLower(n.Value)]; old != "" {
		is = old + " to some programs"
	}
	if is != "" {
		return "", fmt.Sprintf("%s is %s, want a text: write it in quotes, %q", n.Value, is, n.Value)
	}
	return n.Value, ""
}

func readBool(n *yaml.Node) (value, complaint string) {
	if n.ShortTag() == "!!bool" {
		return strings.ToLower(n.Value), ""
	}
	if old := oldBooleans()[strings.ToLower(n.Value)]; old != "" {
		return "", fmt.Sprintf("%s is %s to some programs and a text to others: write %s", n.Value, old, old)
	}
	return "", fmt.Sprintf("%s is not %s", shown(n), aBool)
}
