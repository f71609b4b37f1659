package space

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Kind is what a flag takes.
type Kind int

// The kinds of flags.
const (
	Number Kind = iota
	Whole       // whole numbers
	Word        // one of a list of words
)

// A Flag is one that may be a parameter.
type Flag struct {
	Kind  Kind
	Words []string // of a Word, those it may be
	// When is where the flag makes sense at all. It becomes the condition of a
	// parameter that has none of its own, where the space has the parameter that it
	// names; values that the latter cannot have are left out.
	When *Condition
}

// Flags are those that may be parameters, by name.
type Flags map[string]Flag

// Known are the flags' names, sorted, with commas.
func (f Flags) Known() string { return strings.Join(sortedNames(f), ", ") }

func sortedNames[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// Parse reads a parameter as the command line has it; the package's comment
// has the forms. Its errors are sentences that begin with the flag.
func (f Flags) Parse(name, text string) (Parameter, error) {
	flag, ok := f[name]
	if !ok {
		return Parameter{}, fmt.Errorf("--%s is not a parameter of a sweep; there are: %s", name, f.Known())
	}
	p, err := flag.parse(text)
	if err != nil {
		return Parameter{}, fmt.Errorf("--%s %w", name, err)
	}
	p.Name = name
	return p, nil
}

// New is [New] with the conditions that flags have by themselves.
func (f Flags) New(parameters []Parameter) (Space, error) {
	with := slices.Clone(parameters)
	for i, p := range with {
		if when := f[p.Name].When; p.When == nil && when != nil {
			var err error
			if with[i].When, err = when.among(parameters); err != nil {
				return nil, fmt.Errorf("--%s %w", p.Name, err)
			}
		}
	}
	return New(with)
}

// among is the part of a condition that depends on these parameters, nil
// where nothing does.
func (c Condition) among(parameters []Parameter) (*Condition, error) {
	i := slices.IndexFunc(parameters, func(p Parameter) bool { return p.Name == c.Parameter })
	if i < 0 {
		return nil, nil
	}
	d, ok := parameters[i].Distribution.(Categorical)
	if !ok {
		return nil, nil
	}
	able := slices.DeleteFunc(slices.Clone(c.Values), func(v string) bool { return !slices.Contains(d.Choices, v) })
	if len(able) == 0 {
		return nil, fmt.Errorf("goes with --%s %s, but %s is one of %s", c.Parameter, strings.Join(c.Values, ", "), c.Parameter, strings.Join(d.Choices, ", "))
	}
	if len(able) == len(d.Choices) {
		return nil, nil
	}
	return &Condition{c.Parameter, able}, nil
}

// parse reads VALUES[:OPTION]…, where VALUES is LOW..HIGH or a list, and an
// option is log, a step, or PARAMETER=VALUES.
func (f Flag) parse(text string) (Parameter, error) {
	parts := strings.Split(text, ":")
	values, options := parts[0], parts[1:]
	var p Parameter
	for i, option := range options {
		name, of, ok := strings.Cut(option, "=")
		if !ok {
			continue
		}
		if p.When != nil {
			return p, fmt.Errorf("has two conditions, want one at most")
		}
		if name == "" || of == "" {
			return p, fmt.Errorf("has the condition %q, want one such as loss=infonce", option)
		}
		p.When = &Condition{name, strings.Split(of, ",")}
		options[i] = ""
	}
	scale := slices.DeleteFunc(options, func(o string) bool { return o == "" && p.When != nil })
	var err error
	if low, high, ok := strings.Cut(values, ".."); ok {
		p.Distribution, err = f.parseRange(low, high, scale)
	} else if len(scale) > 0 {
		err = fmt.Errorf("has %q behind a list: log and steps go with a range, such as 1..9:2", scale[0])
	} else {
		p.Distribution, err = f.list(strings.Split(values, ","))
	}
	return p, err
}

// parseRange reads LOW..HIGH and what scale it has.
func (f Flag) parseRange(low, high string, scale []string) (Distribution, error) {
	step, log := "", false
	for _, s := range scale {
		switch {
		case s == "log" && !log:
			log = true
		case s != "log" && step == "" && s != "":
			step = s
		default:
			return nil, fmt.Errorf("has %q behind its range, want log or a step, once", strings.Join(scale, ":"))
		}
	}
	if f.Kind == Word {
		return nil, fmt.Errorf("takes words, which have no range: write a list, such as %s", strings.Join(f.Words, ","))
	}
	numbers := []string{low, high}
	if step != "" {
		numbers = append(numbers, step)
	}
	for _, text := range numbers {
		if err := f.check(text); err != nil {
			return nil, err
		}
	}
	if f.Kind == Whole {
		d := Int{whole(low), whole(high), 1, log}
		if step != "" {
			d.Step = whole(step)
		}
		return d, d.check()
	}
	d := Float{Low: number(low), High: number(high), Log: log}
	if step != "" {
		if d.Step = number(step); d.Step == 0 {
			return nil, stepsOf(step)
		}
	}
	return d, d.check()
}

// list is a distribution of values that are written one by one.
func (f Flag) list(values []string) (Distribution, error) {
	seen := map[float64]string{}
	for _, v := range values {
		if err := f.check(v); err != nil {
			return nil, err
		}
		if f.Kind == Word {
			continue
		}
		if first, ok := seen[number(v)]; ok && first != v {
			return nil, fmt.Errorf("has one value twice, as %s and %s", first, v)
		}
		seen[number(v)] = v
	}
	d := Categorical{values}
	return d, d.check()
}

var (
	decimal     = regexp.MustCompile(`^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$`)
	integer     = regexp.MustCompile(`^-?[0-9]+$`)
	leadingZero = regexp.MustCompile(`^[-+]?0[0-9]`)
)

// check refuses a value that the flag would refuse, or take for another.
func (f Flag) check(value string) error {
	switch f.Kind {
	case Word:
		if !slices.Contains(f.Words, value) {
			return fmt.Errorf("has %q, which is unknown; there are: %s", value, strings.Join(f.Words, ", "))
		}
		return nil
	case Whole:
		if !integer.MatchString(value) {
			return fmt.Errorf("has %q, want a whole number", value)
		}
		if _, err := strconv.Atoi(value); err != nil {
			return fmt.Errorf("has %s, which is too large", value)
		}
	default:
		if !decimal.MatchString(value) {
			return fmt.Errorf("has %q, want a number", value)
		}
		if _, err := strconv.ParseFloat(value, 64); err != nil {
			return fmt.Errorf("has %s, which is too large", value)
		}
	}
	if leadingZero.MatchString(value) {
		return fmt.Errorf("has %s, which counts in eights to some programs and in tens to others: write it without the leading 0", value)
	}
	return nil
}

// whole and number are values that were checked.
func whole(text string) int { n, _ := strconv.Atoi(text); return n }

func number(text string) float64 { x, _ := strconv.ParseFloat(text, 64); return x + 0 } // of -0 as well
