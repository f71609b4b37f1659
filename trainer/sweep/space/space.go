package space

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Parameter is something that is searched: a flag and the values it may take.
type Parameter struct {
	Name         string // of the flag, without dashes
	Distribution Distribution
	When         *Condition // nil: it always exists
}

// String is the parameter as [Flags.Parse] reads it, without the flag itself.
func (p Parameter) String() string {
	var text string
	switch d := p.Distribution.(type) {
	case Float:
		text = d.Text(d.Low) + ".." + d.Text(d.High)
		if d.Step != 0 {
			text += ":" + d.Text(d.Step)
		}
		text += logText(d.Log)
	case Int:
		text = fmt.Sprintf("%d..%d", d.Low, d.High)
		if d.Step != 1 {
			text += fmt.Sprintf(":%d", d.Step)
		}
		text += logText(d.Log)
	case Categorical:
		text = strings.Join(d.Choices, ",")
	}
	if p.When != nil {
		text += ":" + p.When.Parameter + "=" + strings.Join(p.When.Values, ",")
	}
	return text
}

func logText(log bool) string {
	if log {
		return ":log"
	}
	return ""
}

// A Condition says where a parameter exists: where another one, a
// [Categorical] that exists itself, has one of these values.
type Condition struct {
	Parameter string
	Values    []string // choices of the other parameter
}

// A Space is parameters, each after the one that its condition names.
type Space []Parameter

// A Point is the numbers of the parameters that exist there, by name.
type Point map[string]float64

// New makes a space of parameters in any order, and says in one sentence what
// is wrong with them. Parameters keep their order but for those that have to
// stand after the ones their conditions name.
func New(parameters []Parameter) (Space, error) {
	if len(parameters) == 0 {
		return nil, errors.New("the space is empty: give at least one parameter a range or several values, such as --learning-rate 1e-4..1e-2:log")
	}
	byName := map[string]Parameter{}
	for _, p := range parameters {
		if _, ok := byName[p.Name]; ok {
			return nil, fmt.Errorf("--%s is in the space twice", p.Name)
		}
		if err := p.Distribution.check(); err != nil {
			return nil, fmt.Errorf("--%s %w", p.Name, err)
		}
		byName[p.Name] = p
	}
	for _, p := range parameters {
		if err := p.checkCondition(byName); err != nil {
			return nil, fmt.Errorf("--%s %w", p.Name, err)
		}
	}
	return ordered(parameters)
}

func (p Parameter) checkCondition(byName map[string]Parameter) error {
	if p.When == nil {
		return nil
	}
	parent, ok := byName[p.When.Parameter]
	if !ok {
		return fmt.Errorf("has a condition on %s, which is not in the space; there are: %s", p.When.Parameter, strings.Join(sortedNames(byName), ", "))
	}
	choices, ok := parent.Distribution.(Categorical)
	if !ok {
		return fmt.Errorf("has a condition on %s, which is a range: conditions need a list of values", p.When.Parameter)
	}
	if len(p.When.Values) == 0 {
		return fmt.Errorf("has a condition on %s without values: write %s=%s", p.When.Parameter, p.When.Parameter, choices.Choices[0])
	}
	for i, v := range p.When.Values {
		if !slices.Contains(choices.Choices, v) {
			return fmt.Errorf("has a condition on %s=%s, but %s is one of %s", p.When.Parameter, v, p.When.Parameter, strings.Join(choices.Choices, ", "))
		}
		if slices.Contains(p.When.Values[:i], v) {
			return fmt.Errorf("has a condition with the value %s twice", v)
		}
	}
	return nil
}

// ordered takes, again and again, the first parameter whose condition names
// one that was taken.
func ordered(parameters []Parameter) (Space, error) {
	taken := map[string]bool{}
	var s Space
	for len(s) < len(parameters) {
		i := slices.IndexFunc(parameters, func(p Parameter) bool {
			return !taken[p.Name] && (p.When == nil || taken[p.When.Parameter])
		})
		if i < 0 {
			return nil, cycle(parameters, taken)
		}
		s = append(s, parameters[i])
		taken[parameters[i].Name] = true
	}
	return s, nil
}

// cycle names the parameters of a cycle, which each that was not taken leads to.
func cycle(parameters []Parameter, taken map[string]bool) error {
	parent := map[string]string{}
	var at string
	for _, p := range parameters {
		if !taken[p.Name] {
			at, parent[p.Name] = p.Name, p.When.Parameter
		}
	}
	for range parameters { // into the cycle
		at = parent[at]
	}
	names := []string{"--" + at}
	for next := parent[at]; ; next = parent[next] {
		names = append(names, "--"+next)
		if next == at {
			return fmt.Errorf("conditions go round in a circle: %s", strings.Join(names, " on "))
		}
	}
}

// Exists reports whether the i-th parameter exists at a point that has the
// parameters before it.
func (s Space) Exists(i int, p Point) bool {
	when := s[i].When
	if when == nil {
		return true
	}
	x, ok := p[when.Parameter]
	if !ok {
		return false
	}
	for _, parent := range s[:i] {
		if parent.Name == when.Parameter {
			return slices.Contains(when.Values, parent.Distribution.Text(x))
		}
	}
	return false
}

// Check refuses a point that has a value outside of the space, lacks a
// parameter, or has one that does not exist there.
func (s Space) Check(p Point) error {
	seen := 0
	for i, parameter := range s {
		x, ok := p[parameter.Name]
		if exists := s.Exists(i, p); exists != ok {
			return fmt.Errorf("%s is %s", parameter.Name, map[bool]string{true: "missing", false: "set where it does not exist"}[exists])
		}
		if !ok {
			continue
		}
		seen++
		if !parameter.Distribution.Contains(x) {
			return fmt.Errorf("%s is %v, which is not in the space", parameter.Name, x)
		}
	}
	if seen < len(p) {
		return fmt.Errorf("the point has %d values, of which the space knows %d", len(p), seen)
	}
	return nil
}

// A Setting is a flag and its value as the command line has it.
type Setting struct{ Name, Value string }

// Settings are those of a point of the space, in the order of the space.
func (s Space) Settings(p Point) []Setting {
	var settings []Setting
	for _, parameter := range s {
		if x, ok := p[parameter.Name]; ok {
			settings = append(settings, Setting{parameter.Name, parameter.Distribution.Text(x)})
		}
	}
	return settings
}
