package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/internal/report"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/internal/shell"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/projection"
	"github.com/cosfit/cosfit/trainer"
)

func trainCommand() *cli.Command {
	flags := append(dataFlags(), &cli.BoolFlag{Name: "resume", Usage: "go on with the interrupted run in --out; its settings apply"})
	flags = append(flags, drawFlags("70:0:30, and 15 % of the training pairs become the validation split, of fewer than 2,000 none")...)
	return &cli.Command{
		Name:  "train",
		Usage: "learn a matrix from a data set",
		Description: "Learns a matrix from the training split, chooses threshold and epoch on the\n" +
			"validation split, or by cross-validation where pairs are few, and scores the test split once at the end.\n\n" +
			"Examples:\n" +
			"  cosfit train --data sample --out runs/first\n" +
			"  cosfit train --data pairs.parquet --left-column query_vector \\\n" +
			"    --right-column passage_vector --label-column label --out runs/mine\n" +
			"  cosfit train --resume --out runs/mine",
		Flags:  append(flags, trainingFlags()...),
		Action: train,
	}
}

// trainingFlags are those of a training, whatever its data.
func trainingFlags() []cli.Flag {
	return slices.Concat([]cli.Flag{
		&cli.StringFlag{Name: "out", Usage: "folder of the run, new or empty"},
		&cli.BoolFlag{Name: "force", Usage: "replace a run that is in --out, once the new one has finished; until then it comes back where that one diverges or leaves no checkpoint"},
		guardFlag(),
		&cli.DurationFlag{Name: "checkpoint-every", Value: time.Minute, Usage: "how much training a crash may cost, besides at the end of each epoch"},
	}, recipeFlags(), deviceFlags(), []cli.Flag{threadsFlag(), jsonFlag()})
}

func train(c *cli.Context) error {
	out := c.String("out")
	if out == "" {
		return usage("--out is missing: name a folder for the run, such as --out runs/first")
	}
	if c.Bool("resume") {
		return resume(c, out)
	}
	recipe, err := recipeOf(c)
	if err != nil {
		return err
	}
	source, err := trainedOn(c, rundir.Data{})
	if err != nil {
		return err
	}
	t := training{context: c, source: source, title: "cosfit train · " + source.Path, recipe: recipe, next: afterTraining}
	t.open = func() (rundir.Dir, error) { return rundir.Create(out, c.Bool("force")) }
	return t.run()
}

// recipeOf reads the flags of recipes; what it returns makes one for left and
// right embeddings of so many dimensions.
func recipeOf(c *cli.Context) (func(left, right int) (trainer.Recipe, error), error) {
	create, err := recipes().get("recipe", c.String("recipe"))
	if err != nil {
		return nil, err
	}
	return func(left, right int) (trainer.Recipe, error) {
		r, err := editable(create(left).Across(left, right))
		if err != nil {
			return r, err
		}
		return recipeFrom(c, r)
	}, nil
}

// editable gives a recipe components that flags can set: the tables' own.
func editable(r trainer.Recipe) (trainer.Recipe, error) {
	config, err := r.Config()
	if err != nil {
		return r, err
	}
	return configured(config)
}

// resume goes on with the settings that the run was begun with. Flags that are
// set must agree with them.
func resume(c *cli.Context, out string) error {
	config, err := begun(c, out)
	if err != nil {
		return err
	}
	source, err := trainedOn(c, config.Data)
	if err != nil {
		return err
	}
	return goOnWith(c, out, config, source, "", "cosfit train · "+source.Path)
}

// begun reads how a run was begun and sets the flags that it goes on with.
func begun(c *cli.Context, out string) (config rundir.Config, err error) {
	unlocked, err := rundir.Open(out)
	if err != nil {
		return config, err
	}
	if config, err = unlocked.ReadConfig(); err != nil {
		return config, err
	}
	if c.IsSet("recipe") && c.String("recipe") != config.Recipe.Name {
		return config, fmt.Errorf("%s was begun with --recipe %s, not %s: resume with the same, or train into another folder", out, config.Recipe.Name, c.String("recipe"))
	}
	return config, goOn(c, config)
}

// goOnWith goes on with a run and its data, which messages call name, as training
// has it.
func goOnWith(c *cli.Context, out string, config rundir.Config, source rundir.Data, name, title string) error {
	t := training{context: c, source: source, name: name, title: title, next: afterTraining, resume: true}
	t.place = func() (*place, error) { return placeAgain(c, config, out) }
	t.recipe = func(_, _ int) (trainer.Recipe, error) {
		r, err := configured(config.Recipe)
		if err != nil {
			return r, err
		}
		return recipeFrom(c, r)
	}
	t.open = func() (rundir.Dir, error) { return rundir.Resume(out) }
	t.guard = config.Guard
	return t.run()
}

// A training is one call of train or demo.
type training struct {
	context *cli.Context
	source  rundir.Data
	name    string                                        // of the data in messages; empty: where they are
	place   func() (*place, error)                        // may be nil: what the flags ask for
	recipe  func(left, right int) (trainer.Recipe, error) // for embeddings of so many dimensions
	resume  bool
	title   string
	guard   string                     // texts to try the result on, where the flag does not name any
	open    func() (rundir.Dir, error) // of the run, once data and settings are known to be good
	finish  func(rundir.Dir) error     // after the run; may be nil
	next    func(rundir.Dir) []report.Command
}

func (t *training) run() error {
	c := t.context
	if every := c.Duration("checkpoint-every"); every < 0 {
		return usage("--checkpoint-every is %v, want a time such as 90s or 5m", every)
	}
	where := t.place
	if where == nil {
		where = func() (*place, error) { return placeFrom(c) }
	}
	place, err := where()
	if err != nil {
		return err
	}
	data, err := openData(c, t.source)
	if err != nil {
		return err
	}
	defer data.Close()
	data.Name = cmp.Or(t.name, data.Name)
	recipe, err := t.recipe(data.Vectors.Dims())
	if err != nil {
		return err
	}
	recipe = recipe.For(data)
	if err := trainer.Prepare(data, recipe); err != nil {
		return settingAsUsage(err)
	}
	tellNoEffect(c, data, recipe)
	dir, summary, err := t.train(data, place, recipe)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, summary)
	}
	return t.panel(dir, summary)
}

// errNotBegun says that a training was interrupted before there was a checkpoint.
var errNotBegun = errors.New("interrupted before the first epoch, no run was kept")

// train trains on data that are open and writes the run.
func (t *training) train(data *loader.Dataset, place *place, recipe trainer.Recipe) (dir rundir.Dir, summary rundir.Summary, err error) {
	c := t.context
	guard, err := openGuard(c, t.guard, data)
	if err != nil {
		return dir, summary, err
	}
	if guard != nil {
		defer guard.Close()
	}
	source, err := recorded(t.source, data)
	if err != nil {
		return dir, summary, err
	}
	backend, err := place.open() // takes seconds on a GPU, so all that can be wrong was checked
	if err != nil {
		return dir, summary, err
	}
	defer backend.Close()
	if err := trainer.CheckBackend(backend, recipe); err != nil {
		return dir, summary, err
	}
	if dir, err = t.open(); err != nil {
		return dir, summary, err
	}
	defer dir.Unlock()
	place.tell(c.App.ErrWriter)
	progress := newProgress(c.App.ErrWriter, describeData(data), !c.Bool("json"))
	summary, err = trainer.Train(c.Context, data, trainer.Options{
		Recipe: recipe, Backend: backend, Dir: dir, Resume: t.resume,
		Version: version(), Source: source, Progress: progress.show, CrossValidating: progress.showFolds,
		CheckpointEvery: c.Duration("checkpoint-every"), Guard: guard,
	})
	progress.stop()
	if errors.Is(err, trainer.ErrInterrupted) {
		line := "cosfit train --resume --out " + shell.Quote(dir.Path())
		if d := c.String("device"); strings.Contains(d, ":") { // which of several GPUs is not the run's
			line += " --device " + d
		}
		return dir, summary, fmt.Errorf("%w; a checkpoint is saved, go on with: %s", err, line)
	}
	if err != nil {
		return dir, summary, settingAsUsage(t.failed(dir, err))
	}
	if t.finish != nil {
		err = t.finish(dir)
	}
	return dir, summary, err
}

// failed removes a run that ended with an error and has nothing worth keeping.
// Where it was to replace another one, that one comes back.
func (t *training) failed(dir rundir.Dir, err error) error {
	diverged, old := (*trainer.DivergedError)(nil), dir.Replaces()
	switch {
	case errors.As(err, &diverged):
		if diverged.Epoch > 1 && !old {
			return err // its figures may say why
		}
	case t.resume, dir.HasCheckpoint(), dir.Finished():
		return err
	case errors.Is(err, context.Canceled):
		err = errNotBegun
	}
	if removed := dir.Remove(); removed != nil {
		return errors.Join(err, removed)
	}
	if old {
		err = fmt.Errorf("%w; %s has the run again that it had before", err, dir.Path())
	}
	return err
}

// panel shows the test split, or what there is instead.
func (t *training) panel(dir rundir.Dir, s rundir.Summary) error {
	scores, err := dir.ReadScores()
	if err != nil {
		return err
	}
	split := loader.Test.String()
	if _, ok := s.After[split]; !ok {
		split = s.SelectedOn
	}
	title := fmt.Sprintf("%s · %s · %d → %d · %.1f s", t.title, s.Data.Model, s.Data.Dimensions, s.Config.Dims, s.Timing.TotalSeconds)
	if s.Data.Model == "" {
		title = strings.Replace(title, " ·  ·", " ·", 1)
	}
	w := t.context.App.Writer
	report.Panel(w, s, scores, split, title, t.next(dir), styleFor(w))
	return nil
}

func afterTraining(dir rundir.Dir) []report.Command {
	run := shell.Quote(dir.Path())
	why, format := "Use the matrix from numpy:", "npy"
	if p, err := dir.ReadMatrix(); err == nil {
		why, format = useOf(p)
	}
	export := report.Command{Why: why, Line: "cosfit export --run " + run + " --format " + format + " --out matrix." + format}
	next := []report.Command{export}
	if config, err := dir.ReadConfig(); err == nil && len(config.Recipe.Matryoshka) > 0 {
		n := fmt.Sprint(config.Recipe.Matryoshka[0])
		next = append(next, report.Command{Why: "Cut to " + n + " numbers, which cosfit eval --matrix scores:", Line: "cosfit export --run " + run + " --dims " + n + " --out matrix-" + n + ".safetensors"})
	}
	return append(next,
		report.Command{Why: "Score it on other data:", Line: "cosfit eval --run " + run + " --data other.parquet"},
	)
}

// useOf says how a matrix is used elsewhere, in terms of the tensors of its file,
// and which format carries all that this takes.
func useOf(p *projection.Projection) (why, format string) {
	x := "x·"
	if p.Offset != nil {
		x = "(x − offset)·"
	}
	switch {
	case p.MatrixRight != nil:
		return "Use them elsewhere, left " + x + "matrix, right " + x + "matrix_right:", "safetensors"
	case p.Metadata.Side == projection.SideQuery:
		return "Use it elsewhere, for left texts (queries) alone, y = " + x + "matrix:", "safetensors"
	case p.Offset != nil:
		return "Use it elsewhere, y = " + x + "matrix:", "safetensors"
	}
	return "Use the matrix from numpy:", "npy"
}

// settingAsUsage makes a wrong setting a usage error.
func settingAsUsage(err error) error {
	var s *trainer.SettingError
	if errors.As(err, &s) {
		return usageError{err}
	}
	return err
}

func describeData(d *loader.Dataset) string {
	count := func(s loader.Split) int { return len(d.Indices(s)) }
	left, right := d.Vectors.Dims()
	dimensions := fmt.Sprint(left)
	if left != right {
		dimensions = fmt.Sprintf("%d and %d", left, right)
	}
	return fmt.Sprintf("%s: %d train, %d validation, %d test pairs, %s dimensions",
		d.Name, count(loader.Train), count(loader.Validation), count(loader.Test), dimensions)
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// styleFor colours a terminal, unless NO_COLOR is set.
func styleFor(w io.Writer) report.Style {
	return report.Style{Color: isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}
