package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// A searched is what a sweep varies, and the flags of cosfit train that all its
// trials have.
type searched struct {
	space space.Space
	fixed []space.Setting
}

// searchedFrom reads the space from --preset, over that from --space, and over
// that from the flags themselves.
func searchedFrom(c *cli.Context) (searched, error) {
	parameters, err := parametersFrom(c)
	if err != nil {
		return searched{}, usageError{err}
	}
	var swept []string
	var fixedParts []space.Setting
	for _, p := range parameters {
		if p.Distribution.Count() != 1 {
			swept = append(swept, p.Name)
		} else if slices.Contains(parts(), p.Name) {
			fixedParts = append(fixedParts, onlyValue(p))
		}
	}
	if len(swept) == 0 {
		_, err := space.New(nil) // which says so
		return searched{}, usageError{err}
	}
	flags := spaceFlags(fixedParts, swept)
	parameters = slices.DeleteFunc(parameters, func(p presetOr) bool { return p.preset && !applies(p.Parameter, parameters, flags, fixedParts) })
	plain := make([]space.Parameter, len(parameters))
	for i, p := range parameters {
		plain[i] = p.Parameter
	}
	all, err := flags.New(plain)
	if err != nil {
		return searched{}, usageError{err}
	}
	s := searched{fixed: settled(c)}
	for _, p := range all {
		asked := slices.ContainsFunc(all, func(other space.Parameter) bool { return other.When != nil && other.When.Parameter == p.Name })
		if p.Distribution.Count() == 1 && p.When == nil && !asked {
			s.fixed = append(s.fixed, onlyValue(presetOr{Parameter: p}))
		} else {
			s.space = append(s.space, p)
		}
	}
	if len(s.space) == 0 {
		return searched{}, usage("the space is empty: what the preset searches does not go with the settings that are given; give ranges of your own, such as --dims 128,256")
	}
	s.fixed = append(s.fixed, onValidation(all)...)
	return s, nil
}

// presetOr is a parameter, and whether it comes from a preset.
type presetOr struct {
	space.Parameter
	preset bool
}

// parametersFrom reads the parameters, in the order of cosfit train's flags.
func parametersFrom(c *cli.Context) ([]presetOr, error) {
	flags := spaceFlags(nil, nil)
	byName := map[string]presetOr{}
	if name := c.String("preset"); name != "" {
		p, err := presets().get("preset", name)
		if err != nil {
			return nil, err
		}
		for _, s := range p.settings {
			parameter, err := flags.Parse(s.Name, s.Value)
			if err != nil {
				return nil, err
			}
			byName[s.Name] = presetOr{parameter, true}
		}
	}
	if path := c.String("space"); path != "" {
		parameters, err := readSpace(path, flags)
		if err != nil {
			return nil, err
		}
		for _, p := range parameters {
			byName[p.Name] = presetOr{p, false}
		}
	}
	for name := range flags {
		if c.IsSet(name) {
			p, err := flags.Parse(name, c.String(name))
			if err != nil {
				return nil, err
			}
			byName[name] = presetOr{p, false}
		}
	}
	var ordered []presetOr
	for _, f := range recipeFlags() {
		if p, ok := byName[f.Names()[0]]; ok {
			ordered = append(ordered, p)
		}
	}
	return ordered, nil
}

// readSpace reads a file of parameters.
func readSpace(path string, flags space.Flags) ([]space.Parameter, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--space names %s, which does not exist", path)
	}
	if err != nil {
		return nil, err
	}
	parameters, err := flags.ParseYAML(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return parameters, nil
}

// applies reports whether a preset's parameter goes with what was chosen
// instead of the rest of it.
func applies(p space.Parameter, all []presetOr, flags space.Flags, fixedParts []space.Setting) bool {
	when := flags[p.Name].When
	if when == nil {
		_, err := recipeWith(append(slices.Clone(fixedParts), space.Setting{Name: p.Name, Value: p.Distribution.Text(extremes(p.Distribution)[0])}), 1)
		return err == nil || slices.ContainsFunc(fixedParts, func(s space.Setting) bool { return s.Name == p.Name })
	}
	i := slices.IndexFunc(all, func(other presetOr) bool { return other.Name == when.Parameter })
	parent, ok := all[i].Distribution.(space.Categorical)
	return ok && slices.ContainsFunc(when.Values, func(v string) bool { return slices.Contains(parent.Choices, v) })
}

// onlyValue is the setting of a parameter of one value.
func onlyValue(p presetOr) space.Setting {
	return space.Setting{Name: p.Name, Value: p.Distribution.Text(p.Distribution.Value(0))}
}

// settled are the flags that a sweep hands on as they are.
func settled(c *cli.Context) (fixed []space.Setting) {
	if c.IsSet("matryoshka") {
		fixed = append(fixed, space.Setting{Name: "matryoshka", Value: joined(c.IntSlice("matryoshka"))})
	}
	if c.IsSet("metric") {
		fixed = append(fixed, space.Setting{Name: "metric", Value: c.String("metric")})
	}
	if c.IsSet("seed") {
		fixed = append(fixed, space.Setting{Name: "seed", Value: strconv.FormatUint(c.Uint64("seed"), 10)})
	}
	return fixed
}

// joined is a list as a flag takes it.
func joined(numbers []int) string {
	words := make([]string, len(numbers))
	for i, n := range numbers {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, ",")
}

// onValidation makes recipes choose their epoch on validation that do not by
// themselves.
func onValidation(parameters []space.Parameter) []space.Setting {
	for _, p := range parameters {
		for i := range p.Distribution.Count() {
			if p.Name == "recipe" && recipes()[p.Distribution.Text(float64(i))](1).SelectOn != loader.Validation {
				return []space.Setting{{Name: "select-on", Value: loader.Validation.String()}}
			}
		}
	}
	return nil
}

// settings are the flags of cosfit train at a point, in their order.
func (s searched) settings(p space.Point) []space.Setting {
	at := slices.Concat(s.fixed, s.space.Settings(p))
	order := map[string]int{}
	for i, f := range recipeFlags() {
		order[f.Names()[0]] = i
	}
	slices.SortFunc(at, func(a, b space.Setting) int { return order[a.Name] - order[b.Name] })
	return at
}

// recipe is that of a point, for embeddings of d dimensions.
func (s searched) recipe(p space.Point, d int) (trainer.Recipe, error) {
	return recipeWith(s.settings(p), d)
}

// check tries the ends of each range and each choice on a data set, and returns
// the first complaint.
func (s searched) check(data *loader.Dataset) error {
	for i, p := range s.space {
		for _, x := range extremes(p.Distribution) {
			point := s.around(i, x)
			recipe, err := s.recipe(point, data.Vectors.Dim)
			if err == nil {
				err = trainer.Prepare(data, recipe)
			}
			if err != nil {
				return settingAsUsage(err)
			}
		}
	}
	return nil
}

// extremes are all values of a list, and both ends of a range.
func extremes(d space.Distribution) []float64 {
	switch d := d.(type) {
	case space.Float:
		return []float64{d.Low, d.High}
	case space.Int:
		return []float64{float64(d.Low), float64(d.High)}
	}
	var all []float64
	for i := range d.Count() {
		all = append(all, d.Value(i))
	}
	return all
}

// around is a point where the i-th parameter has the value x, and others their
// first, but for those that it depends on.
func (s searched) around(i int, x float64) space.Point {
	want := map[string]float64{s.space[i].Name: x}
	for when := s.space[i].When; when != nil; {
		j := slices.IndexFunc(s.space, func(p space.Parameter) bool { return p.Name == when.Parameter })
		parent := s.space[j]
		want[parent.Name] = float64(slices.Index(parent.Distribution.(space.Categorical).Choices, when.Values[0]))
		when = parent.When
	}
	point := space.Point{}
	for j, p := range s.space {
		if !s.space.Exists(j, point) {
			continue
		}
		point[p.Name] = extremes(p.Distribution)[0]
		if v, ok := want[p.Name]; ok {
			point[p.Name] = v
		}
	}
	return point
}
