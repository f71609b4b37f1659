package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/internal/report"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/projection"
	"github.com/cosfit/cosfit/trainer"
)

func evalCommand() *cli.Command {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "run", Usage: "folder of the run"},
		&cli.StringFlag{Name: "matrix", Usage: "a matrix file (.safetensors or .npy) instead of a run"},
		&cli.StringFlag{Name: "split", Usage: "split that the panel shows", Value: "test"},
	}
	flags = append(flags, dataFlags()...)
	return &cli.Command{
		Name:  "eval",
		Usage: "score a learned matrix on a data set",
		Description: "Scores the matrix beside the embeddings as they are: on the run's own data, or on\n" +
			"other data, whose pairs all count as test where they bring no split.\n\n" +
			"Examples:\n" +
			"  cosfit eval --run cosfit-demo\n" +
			"  cosfit eval --run cosfit-demo --split validation --json\n" +
			"  cosfit eval --matrix matrix.npy --data other.parquet",
		Flags:  append(flags, threadsFlag(), deviceFlag(), jsonFlag()),
		Action: eval,
	}
}

func eval(c *cli.Context) error {
	split := c.String("split")
	number := slices.Index(splitNames(), split)
	if number < 0 {
		return usage("--split %q is unknown; there are: %s", split, strings.Join(splitNames(), ", "))
	}
	p, recorded, err := matrixFrom(c)
	if err != nil {
		return err
	}
	source, err := sourceFrom(c, recorded.Data)
	if err != nil {
		return err
	}
	data, err := openData(c.Context, source)
	if err != nil {
		return err
	}
	switch foreign := c.IsSet("data"); {
	case foreign && !data.SplitGiven:
		data.TestOnly()
	case !foreign && recorded.SelectedOn == loader.Validation.String():
		data.CarveValidation() // as the run did
	}
	backend, err := openBackend(c)
	if err != nil {
		return err
	}
	defer backend.Close()
	opts := trainer.EvaluateOptions{Backend: backend, Split: loader.Split(number), Threads: c.Int("threads")}
	if recorded.Loss.Name != "" {
		if opts.Loss, err = component(losses(), "loss", recorded.Loss); err != nil {
			return err
		}
	}
	summary, scores, err := trainer.Evaluate(data, p, opts)
	if err != nil {
		return err
	}
	if _, ok := summary.After[split]; !ok {
		return fmt.Errorf("%s: no pairs in the %s split: choose another with --split", source.Path, split)
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, summary)
	}
	title := fmt.Sprintf("cosfit eval · %s · %d → %d", source.Path, p.In, p.Out)
	report.Panel(c.App.Writer, summary, scores, split, title, nil, styleFor(c.App.Writer))
	return nil
}

func splitNames() []string {
	var names []string
	for s := range loader.Split(loader.NumSplits) {
		names = append(names, s.String())
	}
	return names
}

// matrixFrom loads the matrix that --run or --matrix names, with the run's
// configuration.
func matrixFrom(c *cli.Context) (*projection.Projection, rundir.Config, error) {
	run, file := c.String("run"), c.String("matrix")
	switch {
	case run != "" && file != "":
		return nil, rundir.Config{}, usage("--run and --matrix exclude each other")
	case file != "":
		p, err := projection.Load(file)
		return p, rundir.Config{}, err
	case run == "":
		return nil, rundir.Config{}, usage("--run is missing: name the folder of a run, such as --run cosfit-demo, or a matrix file with --matrix")
	}
	dir, err := rundir.Open(run)
	if err != nil {
		return nil, rundir.Config{}, err
	}
	if dir.HasCheckpoint() {
		return nil, rundir.Config{}, fmt.Errorf("%s is not finished: go on with cosfit train --resume --out %s", run, quoted(run))
	}
	config, err := dir.ReadConfig()
	if err != nil {
		return nil, config, err
	}
	p, err := dir.ReadMatrix()
	return p, config, err
}
