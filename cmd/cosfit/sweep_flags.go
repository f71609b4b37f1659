package main

import (
	"flag"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/trainer"
	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// A sweptFlag is a flag of a recipe that takes several values: a list or a
// range in place of one.
type sweptFlag struct {
	*cli.StringFlag
	of cli.Flag // of a training
}

// settledFlags are those of a recipe that stay as cosfit train has them.
func settledFlags() []string {
	return []string{"matryoshka", "metric", "seed", "select-on", "cross-validate"}
}

// ownFlags are those of them that a sweep sets itself: one validation split
// chooses between all trials.
func ownFlags() []string { return []string{"select-on", "cross-validate"} }

// sweptFlags are those of a recipe, as a sweep has them.
func sweptFlags() (flags []cli.Flag) {
	for _, f := range recipeFlags() {
		name := f.Names()[0]
		if slices.Contains(settledFlags(), name) {
			if !slices.Contains(ownFlags(), name) {
				flags = append(flags, f)
			}
			continue
		}
		described := f.(cli.DocGenerationFlag)
		s := &cli.StringFlag{Name: name, Usage: described.GetUsage(), DefaultText: described.GetDefaultText(),
			Category: "SEARCHED: a value, a list such as mse,infonce, or a range such as 1e-4..1e-2:log (defaults: recipe default, then notebook where it has another)"}
		if standard, ok := f.(*cli.StringFlag); ok {
			s.Value = standard.Value
		}
		flags = append(flags, &sweptFlag{s, f})
	}
	return flags
}

// spaceFlags are the flags that may be parameters. What a flag goes with is
// asked of cosfit train itself: it goes with the choices under which a training
// takes it. Swept are the flags with several values, and fixed parts those that
// choose a part of the recipe for all trials.
func spaceFlags(fixed []space.Setting, swept []string) space.Flags {
	flags := space.Flags{}
	for _, f := range recipeFlags() {
		name := f.Names()[0]
		if slices.Contains(settledFlags(), name) {
			continue
		}
		flags[name] = space.Flag{Kind: spaceKind(f), Words: words(f), When: goesWith(f, fixed, swept)}
	}
	return flags
}

func spaceKind(f cli.Flag) space.Kind {
	switch kindOf(f) {
	case aFloat:
		return space.Number
	case aWhole, aCount:
		return space.Whole
	}
	return space.Word
}

// words are those that a flag chooses from.
func words(f cli.Flag) []string {
	if kindOf(f) == aBool {
		return []string{"false", "true"}
	}
	return flagValues("train", f.Names()[0])
}

// parts are the flags that choose what others are settings of.
func parts() []string { return []string{"loss", "optimizer", "schedule", "init", "recipe"} }

// goesWith is the condition of a flag, nil where it goes with everything that
// is searched.
func goesWith(f cli.Flag, fixed []space.Setting, swept []string) *space.Condition {
	value := map[space.Kind]string{space.Number: "0.5", space.Whole: "1", space.Word: slices.Concat(words(f), []string{""})[0]}[spaceKind(f)]
	for _, parent := range parts() {
		if !slices.Contains(swept, parent) || parent == f.Names()[0] {
			continue
		}
		var with []string
		choices := flagValues("train", parent)
		for _, choice := range choices {
			settings := slices.Concat(fixed, []space.Setting{{Name: parent, Value: choice}, {Name: f.Names()[0], Value: value}})
			if _, err := recipeWith(settings, 1); err == nil {
				with = append(with, choice)
			}
		}
		if len(with) > 0 && len(with) < len(choices) {
			return &space.Condition{Parameter: parent, Values: with}
		}
	}
	return nil
}

// recipeWith is the recipe of cosfit train with these flags, for embeddings of d
// dimensions.
func recipeWith(settings []space.Setting, d int) (trainer.Recipe, error) {
	set := flag.NewFlagSet("train", flag.ContinueOnError)
	for _, f := range recipeFlags() {
		if err := f.Apply(set); err != nil {
			return trainer.Recipe{}, err
		}
	}
	for _, s := range settings {
		if err := set.Set(s.Name, s.Value); err != nil {
			return trainer.Recipe{}, usage("--%s is %q: %w", s.Name, s.Value, err)
		}
	}
	recipe, err := recipeOf(cli.NewContext(nil, set, nil))
	if err != nil {
		return trainer.Recipe{}, err
	}
	return recipe(d, d)
}
