package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
)

// tellNoEffect names flags of the command line that say nothing about data which are
// prepared for a recipe: how parts are made where a split judges, and when to stop where
// none is to stop early. In a file they may be meant for other data.
func tellNoEffect(c *cli.Context, data *loader.Dataset, recipe trainer.Recipe) {
	crossed := recipe.Undivided() > 0 && len(data.Indices(loader.Validation)) == 0
	say := func(flag, why string) {
		if isTyped(c, flag) && c.Int(flag) > 0 {
			fmt.Fprintf(c.App.ErrWriter, "cosfit: --%s has no effect: %s\n", flag, why)
		}
	}
	if crossed {
		say("patience", "few pairs without a validation split are judged by cross-validation, which ends no training early")
		return
	}
	say("cross-validate", fmt.Sprintf("the %s split judges", recipe.SelectOn))
}
