package main

import (
	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/internal/report"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader/sample"
	"github.com/cosfit/cosfit/trainer"
)

func demoCommand() *cli.Command {
	return &cli.Command{
		Name:  "demo",
		Usage: "learn a matrix on the sample that this program carries",
		Description: "Has 600 questions over 100 documents, embedded with all-MiniLM-L6-v2: trains on\n" +
			"300 of them, chooses the epoch on 60, and shows what that gained on the other 240,\n" +
			"whose documents it never saw. Needs no key and no network. The run is written to\n" +
			"cosfit-demo/, replacing the one before.\n\n" +
			"Example:\n  cosfit demo",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "out", Value: "cosfit-demo", Usage: "folder of the run; a run in it is replaced"},
			threadsFlag(), jsonFlag(),
		}, deviceFlags()...),
		Action: demo,
	}
}

func demo(c *cli.Context) error {
	t := training{
		context: c, source: rundir.Data{Path: sample.Name}, title: "cosfit demo",
		recipe: func(d, _ int) (trainer.Recipe, error) { return trainer.Default(d), nil },
		open:   func() (rundir.Dir, error) { return rundir.Create(c.String("out"), true) },
		finish: func(dir rundir.Dir) error {
			p, err := dir.ReadMatrix()
			if err != nil {
				return err
			}
			return export(p, "npy", dir.NPYPath())
		},
		next: afterDemo,
	}
	return t.run()
}

func afterDemo(dir rundir.Dir) []report.Command {
	return []report.Command{
		{Why: "The matrix for numpy: M = np.load(...), then customised = embedding @ M", Line: dir.NPYPath()},
		{Why: "With your own pairs, a Parquet file with two vector columns and a label:",
			Line: "cosfit train --data my.parquet --left-column a --right-column b --out run"},
	}
}
