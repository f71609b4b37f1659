package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/internal/shell"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
	"github.com/cosfit/cosfit/trainer/sweep"
	"github.com/cosfit/cosfit/trainer/sweep/search"
	"github.com/cosfit/cosfit/trainer/sweep/space"
	"github.com/cosfit/cosfit/trainer/sweep/study"
)

func sweepCommand() *cli.Command {
	own := []cli.Flag{
		&cli.StringFlag{Name: "out", Usage: "folder of the sweep: new, empty, or that of a sweep that goes on"},
		&cli.BoolFlag{Name: "resume", Usage: "go on with the sweep in --out; its settings apply, and --trials or --budget may give it more"},
		&cli.StringFlag{Name: "preset", Usage: "a ready space: " + presets().list() + "; other flags come before it"},
		&cli.StringFlag{Name: "space", Usage: "a YAML file of parameters, named like these flags, such as learning-rate: 1e-4..1e-2:log"},
		&cli.StringFlag{Name: "sampler", Usage: "how points are chosen: " + samplers().list() + "; grid takes 5 points of a range without steps", DefaultText: "tpe, or the preset's"},
		&cli.StringFlag{Name: "pruner", Usage: "how trials are ended early: " + pruners().list(), DefaultText: "asha, or the preset's; none with --sampler grid"},
		&cli.IntFlag{Name: "trials", Usage: "in all, those of earlier calls and of other workers included", DefaultText: "100; as many as --budget allows; of a grid, all its points"},
		&cli.StringFlag{Name: "study", Usage: "name of the study in the storage", DefaultText: "the last part of --out"},
		&cli.DurationFlag{Name: "checkpoint-every", Value: time.Minute, Usage: "how much training of the best trial's run a crash may cost, besides at the end of each epoch"},
	}
	return &cli.Command{
		Name:  "sweep",
		Usage: "search for the settings of a training",
		Description: "Trains many times with settings from a space, in parallel, and keeps the best.\n" +
			"The validation split decides; the test split is scored once, for the best alone.\n" +
			"Whatever ends it, the same command goes on with it. Other processes and machines\n" +
			"join with cosfit sweep worker; optuna-dashboard and Python's optuna read its storage.\n\n" +
			"Examples:\n" +
			"  cosfit sweep --data sample --preset quick --out sweeps/first\n" +
			"  cosfit sweep --data pairs.parquet --learning-rate 1e-4..1e-2:log --loss mse,cosent \\\n" +
			"    --dims 256,384 --budget 10m --out sweeps/second\n" +
			"  cosfit sweep --resume --trials 200 --out sweeps/first",
		Flags:       slices.Concat(dataFlags(), drawFlags("as cosfit train does"), own, sweptFlags(), workFlags(), []cli.Flag{jsonFlag()}),
		Action:      runSweep,
		Subcommands: []*cli.Command{sweepWorkerCommand()},
	}
}

// workFlags are those of a process that works on a sweep.
func workFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "storage", Usage: "where trials are kept: a SQLite file, or postgres://user@host/database for workers on several machines", DefaultText: "study.db in the sweep's --out; a worker has to name it"},
		&cli.DurationFlag{Name: "budget", Usage: "time such as 10m after which no trial begins, and those under way end with their epoch", DefaultText: "none"},
		&cli.DurationFlag{Name: "lease", Value: study.DefaultLease, Usage: "how long after its last sign of life a worker's trial goes to another one"},
		&cli.IntFlag{Name: "workers", Usage: "trials at a time", DefaultText: "one for each of --threads, or for each GPU"},
		threadsFlag(),
	}, deviceFlags()...)
}

// A sweeping is one call of sweep.
type sweeping struct {
	*cli.Context
	dir      *sweep.Dir
	searched searched
	source   rundir.Data
	data     *loader.Dataset
	study    *study.Study
	storage  string
	figure   string // that is searched for, as summary.json names it
	places   []*place
	seed     uint64
	trials   int // in all; 0 means all points of the sampler
	sampler  string
	pruner   string
}

func runSweep(c *cli.Context) (err error) {
	out := c.String("out")
	if out == "" {
		return usage("--out is missing: name a folder for the sweep, such as --out sweeps/first")
	}
	if c.Bool("resume") {
		if err := resumeSettings(c, out); err != nil {
			return err
		}
	}
	s := &sweeping{Context: c, seed: c.Uint64("seed")}
	if err := s.read(); err != nil {
		return err
	}
	if s.data, err = openData(c, s.source); err != nil {
		return err
	}
	defer s.data.Close()
	if trainer.HoldOut(s.data, trainer.Default(s.data.Vectors.Dim).CrossValidate) {
		s.searched.fixed = append(s.searched.fixed, space.Setting{Name: "cross-validate", Value: "0"})
		trainer.HoldOut(s.data, 0)
	}
	if err := s.searched.check(s.data); err != nil {
		return err
	}
	if s.dir, err = sweep.OpenDir(out); err != nil {
		return err
	}
	defer s.dir.Close()
	if err := s.openStudy(); err != nil {
		if !s.dir.Begun() {
			s.dir.Remove() // where nothing but this call has made it
		}
		return err
	}
	defer s.study.Close()
	return s.run()
}

// read takes everything from the flags that needs no data.
func (s *sweeping) read() (err error) {
	c := s.Context
	if s.searched, err = searchedFrom(c); err != nil {
		return err
	}
	if s.source, err = trainedOn(c, rundir.Data{}); err != nil {
		return err
	}
	preset := presets()[c.String("preset")]
	s.sampler = chosen(c, "sampler", preset.sampler, "tpe")
	if s.sampler == (search.Grid{}).Name() { // a grid is to be seen whole
		preset.pruner = search.NoPruner{}.Name()
	}
	s.pruner = chosen(c, "pruner", preset.pruner, "asha")
	if _, err := samplers().get("sampler", s.sampler); err != nil {
		return err
	}
	if _, err := pruners().get("pruner", s.pruner); err != nil {
		return err
	}
	switch {
	case c.IsSet("trials") && c.Int("trials") < 1:
		return usage("--trials is %d, want at least 1", c.Int("trials"))
	case c.IsSet("trials"):
		s.trials = c.Int("trials")
	case s.sampler != "grid" && !c.IsSet("budget"):
		s.trials = 100
	}
	if err := checkTimes(c); err != nil {
		return err
	}
	if every := c.Duration("checkpoint-every"); every < 0 {
		return usage("--checkpoint-every is %v, want a time such as 90s or 5m", every)
	}
	s.places, err = placesFrom(c)
	return err
}

func chosen(c *cli.Context, flag, preset, standard string) string {
	switch {
	case c.IsSet(flag):
		return c.String(flag)
	case preset != "":
		return preset
	}
	return standard
}

func checkTimes(c *cli.Context) error {
	if c.IsSet("budget") && c.Duration("budget") <= 0 {
		return usage("--budget is %v, want a time such as 90s or 10m", c.Duration("budget"))
	}
	if c.Duration("lease") < time.Second {
		return usage("--lease is %v, want a time of at least a second", c.Duration("lease"))
	}
	return nil
}

// openStudy opens the storage, once the data are known.
func (s *sweeping) openStudy() error {
	fingerprint, err := s.data.Fingerprint()
	if err != nil {
		return err
	}
	recipe, err := s.searched.recipe(s.searched.around(0, extremes(s.searched.space[0].Distribution)[0]), s.data.Vectors.Dim)
	if err != nil {
		return err
	}
	s.figure = trainer.SelectionFigure(recipe, s.data)
	flags := map[string]string{}
	for _, f := range s.searched.fixed {
		if f.Name != "seed" { // the study's own
			flags[f.Name] = f.Value
		}
	}
	s.storage = s.String("storage")
	if s.storage == "" {
		s.storage = s.dir.Storage()
	}
	name := s.String("study")
	if name == "" {
		path, err := filepath.Abs(s.dir.Path())
		if err != nil {
			return err
		}
		name = filepath.Base(path)
	}
	s.study, err = study.Create(s.Context.Context, s.storage, study.Definition{
		Name: name, Space: s.searched.space, Flags: flags, Metric: s.figure,
		Sampler: s.sampler, Pruner: s.pruner, Seed: s.seed, Data: fingerprint,
	}, study.Options{Lease: s.Duration("lease")})
	if other := (*study.OtherSweepError)(nil); errors.As(err, &other) {
		remedy := "choose another folder with --out"
		if s.IsSet("storage") { // where several folders meet
			remedy = "give this one another name with --study"
		}
		return fmt.Errorf("%w; %s", err, remedy)
	}
	return err
}

// run makes the trials that are left, then the run of the best.
func (s *sweeping) run() error {
	c, ctx := s.Context, s.Context.Context
	if err := s.countMade(); err != nil {
		return err
	}
	if err := s.dir.WriteSettings(s.settingsText()); err != nil {
		return err
	}
	if err := s.study.SetTarget(ctx, s.trials); err != nil {
		return err
	}
	crew := crew{
		Context: c, data: s.data, study: s.study, searched: s.searched, places: s.places,
		sampler: s.sampler, pruner: s.pruner, seed: s.seed, trials: s.trials, name: s.leader(),
	}
	for i := range s.places { // the lock says that no worker of these names is alive
		if _, err := s.study.Reclaim(ctx, crew.worker(i)); err != nil {
			return err
		}
	}
	begun := time.Now()
	if err := crew.work(); err != nil {
		if errors.Is(err, context.Canceled) {
			return s.interrupted()
		}
		return err
	}
	return s.end(time.Since(begun))
}

// countMade raises how many trials there are to be to how many there are, of which
// a budget may have made more.
func (s *sweeping) countMade() error {
	made, err := s.study.Trials(s.Context.Context)
	if err != nil || s.trials == 0 || len(made) <= s.trials {
		return err
	}
	s.trials = len(made)
	if s.IsSet("trials") {
		return s.Set("trials", strconv.Itoa(s.trials))
	}
	return nil
}

// leader names the process that leads the sweep of a folder.
func (s *sweeping) leader() string {
	host, _ := os.Hostname()
	path, err := filepath.Abs(s.dir.Path())
	if err != nil {
		path = s.dir.Path()
	}
	return host + " " + path
}

// interrupted says what stands and how to go on.
func (s *sweeping) interrupted() error {
	trials, err := s.study.Trials(context.WithoutCancel(s.Context.Context))
	if err != nil {
		return err
	}
	n := sweep.CountOf(trials)
	return fmt.Errorf("interrupted after %d trials, which are kept; go on with: cosfit sweep --resume --out %s",
		n.Complete+n.Pruned+n.Failed, shell.Quote(s.dir.Path()))
}

// trainCommand is the command line that repeats a trial.
func (s *sweeping) trainCommand(p space.Point, out string) string {
	line := "cosfit train"
	add := func(name, value string, f cli.Flag) {
		if kindOf(f) == aBool {
			line += " --" + name + "=" + value
		} else {
			line += " --" + name + " " + shell.Quote(value)
		}
	}
	for _, f := range slices.Concat(dataFlags(), drawFlags("")) {
		if name := f.Names()[0]; s.IsSet(name) {
			add(name, valueText(s.Context, f), f)
		}
	}
	for _, setting := range s.searched.settings(p) {
		add(setting.Name, setting.Value, findFlag(recipeFlags(), "--"+setting.Name))
	}
	if s.IsSet("device") {
		add("device", s.places[0].text(), &cli.StringFlag{})
	}
	if s.IsSet("precision") {
		add("precision", s.String("precision"), &cli.StringFlag{})
	}
	return line + " --out " + shell.Quote(out)
}

// valueText is what a flag was set to, as it takes it.
func valueText(c *cli.Context, f cli.Flag) string {
	name := f.Names()[0]
	switch f.(type) {
	case *cli.BoolFlag:
		return strconv.FormatBool(c.Bool(name))
	case *cli.IntFlag:
		return strconv.Itoa(c.Int(name))
	case *cli.Uint64Flag:
		return strconv.FormatUint(c.Uint64(name), 10)
	case *cli.DurationFlag:
		return c.Duration(name).String()
	case *cli.IntSliceFlag:
		return joined(c.IntSlice(name))
	}
	return c.String(name)
}
