package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/internal/shell"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/prepare"
	"github.com/cosfit/cosfit/trainer"
)

func fitCommand() *cli.Command {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "prepared", Usage: "folder for the data sets that files become, each under a name of its own", DefaultText: "in the user's cache folder"},
		cacheFlag(), providerFlag(),
	}
	return &cli.Command{
		Name:      "fit",
		Usage:     "go from a labelled file of texts to a learned matrix",
		UsageText: usageText("fit", "FILE"),
		Description: "Prepares the pairs of a file as cosfit prepare pairs does, embeds their texts as\n" +
			"cosfit embed does, and trains as cosfit train does. What was done before is not done\n" +
			"again: the same file and settings make the same data set, and no text is embedded twice.\n\n" +
			"Examples:\n" +
			"  cosfit fit pairs.csv --provider hashing --out runs/first\n" +
			"  cosfit fit pairs.csv --model text-embedding-3-small --max-cost 1 --out runs/first\n" +
			"  cosfit fit --train-file train.tsv --test-file test.tsv --model text-embedding-3-small --out runs/first",
		Flags:  slices.Concat(flags, pairsFlags(), []cli.Flag{maxBadFlag()}, providerFlags(), serverFlags(), promptFlags(), requestFlags(), memoryFlags(), trainingFlags()),
		Action: fit,
	}
}

func fit(c *cli.Context) error {
	out := c.String("out")
	if out == "" {
		return usage("--out is missing: name a folder for the run, such as --out runs/first")
	}
	plan, err := pairsPlanFrom(c)
	if err != nil {
		return err
	}
	jobs, err := embedJobs(c)
	if err != nil {
		return err
	}
	if plan.hard > 0 {
		plan.jobs = jobs
	}
	recipe, err := recipeOf(c)
	if err != nil {
		return err
	}
	if plan.split.Undivided, err = checkTraining(c, recipe, jobs); err != nil {
		return err
	}
	checkDevice(c, recipe, jobs)
	data, err := plan.prepared(c)
	if err != nil {
		return err
	}
	if err := wantSameData(c, out, data); err != nil {
		return err
	}
	if err := checkPairs(c, data, plan.name(), recipe); err != nil {
		return err
	}
	done, err := embedData(c, data, plan.name(), jobs, c.App.ErrWriter)
	if err != nil {
		return err
	}
	source, err := fitSource(c, data, done)
	if err != nil {
		return err
	}
	t := training{context: c, source: source, name: plan.name(), title: "cosfit fit · " + plan.title(), recipe: recipe, next: afterTraining}
	t.open = func() (rundir.Dir, error) { return rundir.Create(out, c.Bool("force")) }
	if c.Bool("force") {
		return t.run()
	}
	return t.runOnce(out)
}

// anyDimensions stand for those of a model that has not answered yet. They are so
// many that no number of columns is too large for them.
const anyDimensions = mostDimensions

// checkTraining finds what is wrong with the flags of a training before vectors
// are bought for it. It returns below how many pairs it wants no validation split.
func checkTraining(c *cli.Context, recipe func(left, right int) (trainer.Recipe, error), jobs []embedJob) (undivided int, err error) {
	if _, err := placeFrom(c); err != nil {
		return 0, err
	}
	if _, err := memoryFrom(c); err != nil {
		return 0, err
	}
	d := jobs[0].by.Space().Dimensions // 0 where the model has its own
	r, err := recipe(cmp.Or(d, anyDimensions), cmp.Or(d, anyDimensions))
	if err != nil {
		return 0, err
	}
	if err := r.Check(d, d); err != nil {
		return 0, settingAsUsage(err)
	}
	return r.Undivided(), checkGuardFlag(c)
}

// checkDevice has each job try the device before it buys anything. What is in the
// cache already needs no such try, which takes seconds on a GPU.
func checkDevice(c *cli.Context, recipe func(left, right int) (trainer.Recipe, error), jobs []embedJob) {
	works := sync.OnceValue(func() error {
		place, err := placeFrom(c)
		if err != nil {
			return err
		}
		r, err := recipe(anyDimensions, anyDimensions)
		if err != nil {
			return err
		}
		backend, err := place.open()
		if err != nil {
			return err
		}
		defer backend.Close()
		return trainer.CheckBackend(backend, r)
	})
	for i := range jobs {
		able := jobs[i].by.able
		jobs[i].by.able = func() error {
			if able != nil {
				if err := able(); err != nil {
					return err
				}
			}
			return works()
		}
	}
}

// checkPairs finds what is wrong with the labels and splits of the prepared data,
// which messages call name, before vectors are bought for them.
func checkPairs(c *cli.Context, folder, name string, recipe func(left, right int) (trainer.Recipe, error)) error {
	data, err := loader.Open(c.Context, folder, loader.Options{PairsOnly: true})
	if err != nil {
		return err
	}
	defer data.Close()
	data.Name = name
	r, err := recipe(anyDimensions, anyDimensions)
	if err != nil {
		return err
	}
	return settingAsUsage(trainer.PreparePairs(data, r))
}

// wantSameData refuses a folder with a run on other data, which is not to be
// replaced.
func wantSameData(c *cli.Context, out, data string) error {
	dir, err := rundir.Open(out)
	if err != nil || c.Bool("force") {
		return nil
	}
	config, err := dir.ReadConfig()
	if err != nil {
		return err
	}
	if config.Data.Path != data {
		return fmt.Errorf("%s is a run on other data: choose another folder, or replace it with --force", out)
	}
	return nil
}

// fitSource is the prepared data set with the vectors that were just made sure
// of.
func fitSource(c *cli.Context, data string, done []embedding) (source rundir.Data, err error) {
	source = rundir.Data{Path: data}
	if source.Cache, err = cacheFrom(c); err != nil {
		return source, err
	}
	var folders []string
	for _, e := range done {
		folders = append(folders, filepath.Base(e.Folder))
	}
	source.Embeddings = strings.Join(folders, ",")
	return source, nil
}

// prepared returns the data set folder of the plan, which it makes unless an
// earlier call did.
func (p *pairsPlan) prepared(c *cli.Context) (string, error) {
	parent := c.String("prepared")
	if parent == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no folder for prepared data: name one with --prepared: %w", err)
		}
		parent = filepath.Join(cache, "cosfit", "prepared")
	}
	if info, err := os.Stat(parent); err == nil && !info.IsDir() {
		return "", usage("--prepared %s is a file: name a folder", parent)
	}
	digest, err := p.digest(c)
	if err != nil {
		return "", err
	}
	dir, err := filepath.Abs(filepath.Join(parent, digest))
	if err != nil {
		return "", err
	}
	quiet, w := c.Bool("json"), c.App.ErrWriter
	if _, err := os.Stat(filepath.Join(dir, "pairs.parquet")); err == nil {
		if !quiet {
			fmt.Fprintf(w, "%s: prepared before with the same settings, reused from %s\n", p.title(), dir)
		}
		return dir, nil
	}
	summary, err := p.write(c, dir, true)
	if err == nil && !quiet {
		tellPrepared(w, summary, p.title(), p.files, "")
		fmt.Fprintf(w, "\nKept in %s\n", dir)
	}
	return dir, err
}

// preparedVersion changes whenever the same file and settings make another data
// set than before.
const preparedVersion = "2"

// digest identifies the contents of the files and the settings that decide what
// they become.
func (p *pairsPlan) digest(c *cli.Context) (string, error) {
	h := sha256.New()
	settings := map[string]string{"version": preparedVersion, "form": p.form, "seed": fmt.Sprint(p.seed)}
	for _, f := range pairsFlags() {
		name := f.Names()[0]
		if !slices.Contains([]string{"in", "train-file", "validation-file", "test-file", "format"}, name) && c.IsSet(name) {
			settings[name] = fmt.Sprint(c.Value(name))
		}
	}
	if p.split.Undivided > 0 {
		settings["undivided"] = fmt.Sprint(p.split.Undivided)
	}
	for i, job := range p.jobs {
		settings[fmt.Sprintf("similar %d", i)] = job.role + " " + job.by.Space().String()
	}
	if err := json.NewEncoder(h).Encode(settings); err != nil {
		return "", err
	}
	files := p.files
	if b, ok := p.source.(*prepare.BEIR); ok {
		var err error
		if files, err = b.AllFiles(); err != nil {
			return "", err
		}
	}
	for _, file := range files {
		own := sha256.New()
		if err := hashFile(own, file.Path); err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %x\n", file.Split, own.Sum(nil))
	}
	return hex.EncodeToString(h.Sum(nil))[:32], nil
}

func hashFile(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// runOnce is run where the folder may have the same training already: one that
// is finished is shown, one that was interrupted goes on.
func (t *training) runOnce(out string) error {
	c := t.context
	dir, err := rundir.Open(out)
	if err != nil {
		return t.run()
	}
	config, err := dir.ReadConfig()
	if err != nil {
		return err
	}
	if config.Data.Embeddings != t.source.Embeddings {
		return fmt.Errorf("%s is a run with other embeddings, %s: choose another folder, or replace it with --force", out, config.Data.Embeddings)
	}
	if dir.HasCheckpoint() && !dir.Finished() {
		fmt.Fprintf(c.App.ErrWriter, "%s: an interrupted run on the same data goes on\n", out)
		if config, err = begun(c, out); err != nil {
			return err
		}
		return goOnWith(c, out, config, config.Data, t.name, t.title)
	}
	if !dir.Finished() { // it came to nothing
		t.open = func() (rundir.Dir, error) { return rundir.Create(out, true) }
		return t.run()
	}
	return t.shown(dir, config)
}

// shown shows a finished run, if it was made with the same settings.
func (t *training) shown(dir rundir.Dir, config rundir.Config) error {
	c := t.context
	recipe, err := t.recipe(config.Data.Dimensions, cmp.Or(config.Data.RightDimensions, config.Data.Dimensions))
	if err != nil {
		return err
	}
	wanted, err := recipe.Config()
	if err != nil {
		return err
	}
	if wanted.Name == "default" && !c.IsSet("loss") {
		wanted.Loss = config.Loss // which data and devices have a say in
	}
	if !c.IsSet("cross-validate") {
		wanted.CrossValidate = config.CrossValidate
	}
	now := config
	now.Recipe = wanted
	if device, _, _ := strings.Cut(c.String("device"), ":"); c.IsSet("device") && device != "auto" {
		now.Device = device
	}
	if c.IsSet("precision") {
		now.Precision = c.String("precision")
	}
	if err := trainer.SameRun(dir.Path(), config, now); err != nil {
		return err
	}
	summary, err := dir.ReadSummary()
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, summary)
	}
	fmt.Fprintf(c.App.ErrWriter, "%s: trained before with the same data and settings, nothing is done again; --force trains anew\n", shell.Quote(dir.Path()))
	return t.panel(dir, summary)
}
