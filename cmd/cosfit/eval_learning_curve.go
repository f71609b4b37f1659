package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/report"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
)

// learningCurve trains the recipe of a run again with parts of its data.
func learningCurve(c *cli.Context, place *place, data *loader.Dataset, config rundir.Config, own bool) error {
	if c.String("run") == "" {
		return usage("--learning-curve takes a --run, whose recipe it trains again")
	}
	for _, name := range []string{"split", "guard"} {
		if c.IsSet(name) {
			return usage("--%s has no meaning for --learning-curve, which scores the validation split: leave it out", name)
		}
	}
	if !own {
		return usage("--learning-curve takes the data that the run was trained on: leave --data out")
	}
	recipe, err := configured(config.Recipe)
	if err != nil {
		return err
	}
	if !c.Bool("json") {
		fmt.Fprintln(c.App.ErrWriter, describeData(data))
	}
	var bar *rowBar
	opts := trainer.LearningCurveOptions{Recipe: recipe}
	opts.Open = func() (graph.Backend, error) {
		backend, err := place.open()
		if err == nil && bar == nil { // the first
			place.tell(c.App.ErrWriter)
		}
		return backend, err
	}
	opts.Progress = func(done, all int) {
		if bar == nil {
			bar = newRowBar(c.App.ErrWriter, isTerminal(c.App.ErrWriter), int64(all), "training")
		}
		bar.show(int64(done))
	}
	curve, err := trainer.LearningCurve(c.Context, data, opts)
	if bar != nil {
		bar.stop()
	}
	if err != nil {
		return settingAsUsage(err)
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, curve)
	}
	title := fmt.Sprintf("cosfit eval --learning-curve · %s · recipe %s · %.1f s", c.String("run"), recipe.Name, curve.Seconds)
	report.LearningCurve(c.App.Writer, curve, title, nil, styleFor(c.App.Writer))
	return nil
}
