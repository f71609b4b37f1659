package main

import (
	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/internal/report"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader/profile"
)

func dataShowCommand() *cli.Command {
	flags := append(dataFlagsWithout("embeddings", "cache", "strict"),
		&cli.IntFlag{Name: "examples", Usage: "pairs to show", Value: 10},
		&cli.Uint64Flag{Name: "seed", Usage: "shows other examples"},
	)
	return &cli.Command{
		Name:      "show",
		Usage:     "print and draw what is in a data set",
		UsageText: usageText("data show", "FILE|FOLDER|sample"),
		Description: "Splits, kinds, labels, lengths, groups, what splits share, and examples. Where the\n" +
			"data bring no split it is what training would draw.\n\n" +
			"Examples:\n" +
			"  cosfit data show sample\n" +
			"  cosfit data show pairs.parquet --left-column a --right-column b --json",
		Flags:  append(flags, jsonFlag()),
		Action: showData,
	}
}

func showData(c *cli.Context) error {
	if n := c.Int("examples"); n < 0 {
		return usage("--examples is %d, want 0 or more", n)
	}
	source, err := sourceFrom(c, rundir.Data{})
	if err != nil {
		return err
	}
	opts, err := loaderOptions(c, source)
	if err != nil {
		return err
	}
	opts.PairsOnly = true
	data, err := openWith(c.Context, source.Path, opts)
	if err != nil {
		return err
	}
	defer data.Close()
	p, err := profile.Of(c.Context, data, profile.Options{Examples: c.Int("examples"), Seed: c.Uint64("seed")})
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, p)
	}
	report.Data(c.App.Writer, p, styleFor(c.App.Writer))
	return nil
}
