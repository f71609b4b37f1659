package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/embed"
	"github.com/cosfit/cosfit/loader/embed/cache"
	"github.com/cosfit/cosfit/loader/sample"
)

func embedCommand() *cli.Command {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "data", Usage: "a data set folder, or \"sample\""},
		cacheFlag(),
		providerFlag(),
		&cli.BoolFlag{Name: "dry-run", Usage: "say what there is to do and what it would cost, and do nothing"},
	}
	flags = slices.Concat(flags, providerFlags(), serverFlags(), promptFlags(), requestFlags(), batchFlags())
	return &cli.Command{
		Name:  "embed",
		Usage: "embed the texts of a data set, each once",
		Description: "Embeds the texts that the cache has no vectors of. Each answer is kept as it arrives,\n" +
			"so an interrupted run goes on where it was, and no text is embedded twice. The key of\n" +
			"a server is read from OPENAI_API_KEY.\n\n" +
			"Examples:\n" +
			"  cosfit embed --data sample --provider hashing\n" +
			"  cosfit embed --data questions --provider static --model-dir potion-base-8M\n" +
			"  cosfit embed --data questions --model text-embedding-3-small --dry-run\n" +
			"  cosfit embed --data questions --model text-embedding-3-small --batch-api   # half the price, within a day\n" +
			"  cosfit embed --data questions --base-url http://localhost:11434 --model all-minilm",
		Flags:  append(flags, jsonFlag()),
		Action: embedTexts,
	}
}

func providerFlag() cli.Flag {
	return &cli.StringFlag{Name: "provider", Value: "openai", Usage: providers().list()}
}

// cacheFlag names the cache.
func cacheFlag() cli.Flag {
	return &cli.StringFlag{Name: "cache", Usage: "folder of the cache of embeddings", DefaultText: "in the user's cache folder"}
}

// cacheFrom returns the folder of the cache.
func cacheFrom(c *cli.Context) (string, error) {
	if dir := c.String("cache"); dir != "" {
		return dir, nil
	}
	return cache.Default()
}

// providerFlags are the settings of the providers.
func providerFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "model", Usage: "of the server, such as text-embedding-3-small, or that the command of exec runs; for static a name for the vectors"},
		&cli.StringFlag{Name: "command", Usage: "of provider exec: reads a line of JSON, {\"text\": …}, for each text and writes a line with a list of numbers"},
		&cli.StringFlag{Name: "model-dir", Usage: "of provider static: a folder with model.safetensors and tokenizer.json, as model2vec or sentence-transformers save a static model"},
		&cli.IntFlag{Name: "dimensions", Usage: "length of the vectors", DefaultText: fmt.Sprintf("the model's own; hashing %d", embed.HashingDimensions)},
	}
}

func hashingFrom(c *cli.Context, _ prompt) (embedder, error) {
	n, err := dimensionsFrom(c)
	if n == 0 {
		n = embed.HashingDimensions
	}
	return embedder{Provider: embed.NewHashing(n), free: true}, err
}

func staticFrom(c *cli.Context, p prompt) (embedder, error) {
	if c.String("model-dir") == "" {
		return embedder{}, usage("--model-dir is missing: name the folder of a static model, such as --model-dir potion-base-8M")
	}
	n, err := dimensionsFrom(c)
	if err != nil {
		return embedder{}, err
	}
	provider, err := embed.NewStatic(embed.StaticOptions{Dir: c.String("model-dir"), Name: c.String("model"), Dimensions: n, Prefix: p.prefix})
	if err != nil {
		return embedder{}, fmt.Errorf("--model-dir: %w", err)
	}
	return embedder{Provider: provider, batch: 4096, free: true}, nil
}

// An embedding is what the command did for the texts of a side.
type embedding struct {
	Provider string         `json:"provider"`
	Model    string         `json:"model"`
	Prompt   string         `json:"prompt,omitempty"`
	Role     string         `json:"role,omitempty"` // of the texts, where each side has its own prompt
	Folder   string         `json:"folder,omitempty"`
	Plan     embed.Estimate `json:"plan"`
	Result   *embed.Summary `json:"result,omitempty"`
}

func embedTexts(c *cli.Context) error {
	if c.String("data") == "" {
		return usage("--data is missing: name a data set folder, or \"sample\"")
	}
	if err := checkBatchFlags(c); err != nil {
		return err
	}
	if err := wantFolder(c.String("data")); err != nil {
		return err
	}
	jobs, err := embedJobs(c)
	if err != nil {
		return err
	}
	done, err := embedData(c, c.String("data"), c.String("data"), jobs, c.App.Writer)
	if err == nil && c.Bool("json") {
		err = writeJSON(c.App.Writer, done)
	}
	return err
}

// An embedJob is the texts of a role, or all, under one prompt.
type embedJob struct {
	role    string
	by      embedder
	options embed.Options
}

// embedJobs reads the flags of providers, prompts and requests.
func embedJobs(c *cli.Context) (jobs []embedJob, err error) {
	create, err := providers().get("provider", c.String("provider"))
	if err != nil {
		return nil, err
	}
	prompts, err := promptsFrom(c)
	if err != nil {
		return nil, err
	}
	for _, p := range prompts {
		e, err := create(c, p)
		if err != nil {
			return nil, err
		}
		o, err := runOptions(c, e)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, embedJob{p.role, e, o})
	}
	return jobs, nil
}

// A budget is what the jobs of a call have cost so far, in US dollars.
type budget float64

// rest is a job that may cost what is left of --max-cost.
func (b budget) rest(job embedJob) embedJob {
	if o := &job.options; o.MaxCost > 0 {
		o.MaxCost = max(o.MaxCost-float64(b), math.SmallestNonzeroFloat64) // 0 would mean any cost
	}
	return job
}

func (b *budget) add(e embedding) {
	if e.Result != nil {
		*b += budget(e.Result.Cost)
	}
}

// embedData embeds the texts of a data set, which messages call name, and says on
// w what it did.
func embedData(c *cli.Context, data, name string, jobs []embedJob, w io.Writer) (done []embedding, err error) {
	var spent budget
	for _, job := range jobs {
		result, err := embedList(c, name, textsOf(data, job.role), spent.rest(job), w)
		if err != nil {
			return done, err
		}
		spent.add(result)
		done = append(done, result)
	}
	return done, nil
}

// embedList embeds texts, which messages call name, under one prompt, and says on
// w what it did.
func embedList(c *cli.Context, name string, texts embed.Texts, job embedJob, w io.Writer) (done embedding, err error) {
	e, role, o := job.by, job.role, job.options
	heading := name
	if role != "" {
		heading += ", " + role
	}
	dir, err := cacheFrom(c)
	if err != nil {
		return done, err
	}
	space := e.Space()
	batches := cache.Open(dir).Batches(space)
	store, err := cache.Open(dir).Store(space)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, adviseDamaged(store.Close())) }()
	tellDamaged(c, store)
	done = embedding{Provider: space.Provider, Model: space.Model, Prompt: space.Prompt, Role: role}
	if done.Plan, err = planOf(c, e, store, texts, o, batches); err != nil {
		return done, err
	}
	quiet, dry := c.Bool("json"), c.Bool("dry-run")
	if !quiet {
		out := c.App.ErrWriter
		if dry { // it is what was asked for
			out = w
		}
		fmt.Fprintf(out, "%s: %s\n", heading, describePlan(done.Plan, o, e.free, c.Bool("batch-api")))
	}
	if dry {
		return done, nil
	}
	waiting := done.Plan.Missing + done.Plan.Underway
	if waiting > 0 {
		if e.able != nil {
			if err := e.able(); err != nil {
				return done, err
			}
		}
		if err := store.Ready(); err != nil {
			return done, err
		}
		warnExposed(c)
	}
	bar := newEmbedProgress(c.App.ErrWriter, waiting, quiet)
	summary, err := runOf(c, e, store, texts, o, batches, bar)
	bar.stop()
	done.Result, done.Folder = &summary, store.Dir()
	listBad(c.App.ErrWriter, summary.Bad)
	if err != nil {
		return done, explainRun(err, summary)
	}
	if !quiet {
		_, err = fmt.Fprintf(w, "%s: %s%s\n", heading, describeRun(summary, o.Price > 0), placeOf(store))
	}
	return done, err
}

// tellDamaged says which segments were found damaged while the store was opened.
func tellDamaged(c *cli.Context, store *cache.Store) {
	for _, path := range store.Damaged() {
		fmt.Fprintf(c.App.ErrWriter, "a segment of the cache was damaged and is now %s; its texts are embedded again\n", path)
	}
}

// wantFolder refuses a name that is not a data set folder's.
func wantFolder(name string) error {
	if name == sample.Name {
		return nil
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("there is no folder %s: --data names a data set folder, or \"sample\"", name)
	case err == nil && !info.IsDir():
		return fmt.Errorf("%s is a file: --data names a data set folder with the texts in it, or \"sample\"", name)
	}
	return nil // what else is wrong with it shows when it is read
}

// textsOf goes through the texts of a data set that have a role, or all.
func textsOf(name, role string) embed.Texts {
	fsys := os.DirFS(name)
	if name == sample.Name {
		fsys = sample.FS()
	}
	return func(yield func(embed.Text, error) bool) {
		enough := errors.New("enough")
		err := loader.ReadTexts(fsys, name, func(t loader.Text) error {
			if role != "" && t.Role == "" {
				return fmt.Errorf("%s: text %s has no role, query or passage, which a prompt for one of them needs", name, t.ID)
			}
			if role != "" && t.Role != role {
				return nil
			}
			if !yield(embed.Text{ID: t.ID.String(), Text: t.Text}, nil) {
				return enough
			}
			return nil
		})
		if err != nil && !errors.Is(err, enough) {
			yield(embed.Text{}, err)
		}
	}
}
