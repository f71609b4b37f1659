package main

import (
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/prepare"
)

// Flags that say how pairs are divided into splits.

// drawFlags are those of all commands that can draw a split.
func drawFlags(shares string) []cli.Flag {
	const category = "SPLITS"
	return []cli.Flag{
		&cli.StringFlag{Name: "split-by", Usage: "what no split tears: " + strings.Join(loader.SplitUnits(), "|") + ". auto keeps the split that the data bring, else it is component, and group where one component holds over a fifth of the pairs", DefaultText: string(loader.ByAuto), Category: category},
		&cli.StringFlag{Name: "split", Usage: "shares of the pairs, TRAIN:VALIDATION:TEST or TRAIN:TEST", DefaultText: shares, Category: category},
		&cli.IntFlag{Name: "folds", Usage: "cut the pairs into as many parts, one of which, --fold, is the test split", DefaultText: "none", Category: category},
		&cli.IntFlag{Name: "fold", Usage: "which of --folds is the test split, counted from 1", DefaultText: "none", Category: category},
		&cli.Uint64Flag{Name: "split-seed", Usage: "draw another split", Category: category},
	}
}

// splitFlags are those of prepare.
func splitFlags() []cli.Flag {
	return append(drawFlags(prepare.Shares().String()),
		&cli.BoolFlag{Name: "fix-leakage", Usage: "keep texts that are almost the same together, and leave out pairs that share a group or a text with a split that is more held out", Category: "SPLITS"},
		&cli.BoolFlag{Name: "strict", Usage: "refuse splits that share a group or a text", Category: "SPLITS"},
	)
}

// splitFrom reads the flags of prepare.
func splitFrom(c *cli.Context) (prepare.SplitOptions, error) {
	o, err := drawFrom(c)
	if err != nil {
		return prepare.SplitOptions{}, err
	}
	return prepare.SplitOptions{SplitOptions: o, FixLeakage: c.Bool("fix-leakage"), Strict: c.Bool("strict")}, nil
}

// drawFrom reads the flags that say how to draw a split.
func drawFrom(c *cli.Context) (o loader.SplitOptions, err error) {
	o = loader.SplitOptions{By: loader.SplitBy(c.String("split-by")), Folds: c.Int("folds"), Fold: c.Int("fold"), Seed: c.Uint64("split-seed")}
	if c.IsSet("split") {
		if o.Shares, err = loader.ParseShares(c.String("split")); err != nil {
			return o, usage("--split %w", err)
		}
	}
	if err := o.Check(); err != nil {
		return o, usageError{err}
	}
	return o, nil
}

// askedFrom reads the same flags as a run records them. Without one the
// run's stay.
func askedFrom(c *cli.Context, run rundir.Split) (rundir.Split, error) {
	o, err := drawFrom(c)
	if err != nil {
		return run, err
	}
	now := rundir.Split{By: c.String("split-by"), Shares: c.String("split"), Folds: o.Folds, Fold: o.Fold, Seed: o.Seed}
	if now == (rundir.Split{}) {
		return run, nil
	}
	return now, nil
}

// asked is what a run recorded.
func asked(s rundir.Split) (loader.SplitOptions, error) {
	o := loader.SplitOptions{By: loader.SplitBy(s.By), Folds: s.Folds, Fold: s.Fold, Seed: s.Seed}
	var err error
	if s.Shares != "" {
		o.Shares, err = loader.ParseShares(s.Shares)
	}
	return o, err
}
