package main

import (
	"errors"
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
		guardFlag(),
		&cli.BoolFlag{Name: "learning-curve", Usage: "train the run's recipe again with parts of its labels, to see whether more would help"},
	}
	flags = append(flags, dataFlags()...)
	return &cli.Command{
		Name:  "eval",
		Usage: "score a learned matrix on a data set",
		Description: "Scores the matrix beside the embeddings as they are: on the run's own data, or on\n" +
			"other data, whose pairs all count as test where they bring no split. A gain is\n" +
			"judged by the pairs that share no text with what the run was learned from.\n\n" +
			"Examples:\n" +
			"  cosfit eval --run cosfit-demo\n" +
			"  cosfit eval --run cosfit-demo --split validation --json\n" +
			"  cosfit eval --run cosfit-demo --learning-curve\n" +
			"  cosfit eval --matrix matrix.npy --data other.parquet",
		Flags:  append(append(flags, deviceFlags()...), threadsFlag(), jsonFlag()),
		Action: eval,
	}
}

func eval(c *cli.Context) error {
	place, err := placeFrom(c)
	if err != nil {
		return err
	}
	split, ok := loader.ParseSplit(c.String("split"))
	if !ok {
		return usage("--split %q is unknown; there are: %s", c.String("split"), strings.Join(loader.SplitNames(), ", "))
	}
	p, config, err := matrixFrom(c)
	if err != nil {
		return err
	}
	source, err := sourceFrom(c, config.Data)
	if err != nil {
		return err
	}
	data, own, err := evalData(c, source, config)
	if err != nil {
		return err
	}
	defer data.Close()
	if c.Bool("learning-curve") {
		return learningCurve(c, place, data, config, own)
	}
	guard, err := openGuard(c, config.Guard, data)
	if unfit := (*unfitGuard)(nil); errors.As(err, &unfit) && !c.IsSet("guard") {
		data.Notes = append(data.Notes, fmt.Sprintf("the texts that the run was tried on are left out: %v", unfit))
		err = nil
	}
	if err != nil {
		return err
	}
	if guard != nil {
		defer guard.Close()
	}
	backend, err := place.open()
	if err != nil {
		return err
	}
	defer backend.Close()
	place.tell(c.App.ErrWriter)
	opts := trainer.EvaluateOptions{Backend: backend, Split: split, Metric: config.Metric, Threads: c.Int("threads"), Guard: guard}
	loss := config.Loss
	if s, ok := summaryFrom(c); ok {
		if s.LearnedLoss != nil {
			loss = *s.LearnedLoss
		}
		if slices.Contains(trainer.Metrics(), s.Selection) { // the metric that auto was; the notebook's is not one
			opts.Metric = s.Selection
		}
	}
	if loss.Name != "" {
		if opts.Loss, err = component(losses(), "loss", loss); err != nil {
			return err
		}
	}
	if own {
		opts.SelectedOn = config.SelectedOn
	} else if opts.Learned, err = learnedTexts(c.String("run")); err != nil {
		data.Notes = append(data.Notes, fmt.Sprintf("whether these pairs share texts with what the run was learned from is not known: %v", err))
	}
	summary, scores, err := trainer.Evaluate(c.Context, data, p, opts)
	if err != nil {
		return err
	}
	if _, ok := summary.After[split.String()]; !ok {
		return fmt.Errorf("%s: no pairs in the %s split: choose another with --split", source.Path, split)
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, summary)
	}
	title := fmt.Sprintf("cosfit eval · %s · %d → %d", source.Path, p.In, p.Out)
	report.Panel(c.App.Writer, summary, scores, split.String(), title, nil, styleFor(c.App.Writer))
	return nil
}

// summaryFrom is the summary of --run, where there is one.
func summaryFrom(c *cli.Context) (s rundir.Summary, ok bool) {
	if c.String("run") == "" {
		return s, false
	}
	dir, err := rundir.Open(c.String("run"))
	if err != nil {
		return s, false
	}
	s, err = dir.ReadSummary()
	return s, err == nil
}

// learnedTexts are the ids of the texts that a run was learned from; nil without one.
func learnedTexts(run string) (map[string]bool, error) {
	if run == "" {
		return nil, nil
	}
	dir, err := rundir.Open(run)
	if err != nil {
		return nil, err
	}
	scores, err := dir.ReadScores()
	if err != nil {
		return nil, err
	}
	ids := map[string]bool{}
	for _, s := range scores {
		if s.Split == loader.Train.String() {
			ids[s.Left], ids[s.Right] = true, true
		}
	}
	return ids, nil
}

// evalData opens the data to score. Where they are the run's own they get the
// run's splits, and otherwise, where they bring no split, all are test.
func evalData(c *cli.Context, source rundir.Data, config rundir.Config) (data *loader.Dataset, own bool, err error) {
	if data, err = openData(c, source); err != nil {
		return nil, false, err
	}
	asTrained := *data
	asTrained.Pairs.Split = slices.Clone(data.Pairs.Split)
	asTrained.Notes = slices.Clone(data.Notes)
	if config.SelectedOn == loader.Validation.String() {
		trainer.HoldOut(&asTrained, config.CrossValidate)
	}
	fingerprint, err := asTrained.Fingerprint()
	if err != nil {
		return nil, false, err
	}
	if fingerprint == config.Data.Fingerprint {
		return &asTrained, true, nil
	}
	if config.Data.Path != "" && !c.IsSet("data") {
		return nil, false, fmt.Errorf("%s is not what it was when the run was trained: name the data to score with --data", source.Path)
	}
	if !data.SplitGiven {
		data.TestOnly()
	}
	return data, false, nil
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
	p, err := dir.ReadMatrix()
	if err != nil {
		return nil, rundir.Config{}, err
	}
	config, err := dir.ReadConfig()
	return p, config, err
}
