package main

import (
	"github.com/urfave/cli/v2"
)

func dataCommand() *cli.Command {
	return &cli.Command{
		Name:  "data",
		Usage: "look at a data set, check it, or convert it",
		Description: "A data set is a folder with pairs.parquet and texts.parquet, or one wide Parquet\n" +
			"file with a row for each pair. None of this needs vectors.\n\n" +
			"Examples:\n" +
			"  cosfit data show sample\n" +
			"  cosfit data check questions --strict\n" +
			"  cosfit data convert --in questions --out questions.parquet",
		Subcommands: []*cli.Command{dataShowCommand(), dataCheckCommand(), dataConvertCommand()},
		Action:      needsSubcommand,
	}
}
