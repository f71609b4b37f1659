package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

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
		&cli.StringFlag{Name: "provider", Value: "openai", Usage: providers().list()},
		&cli.BoolFlag{Name: "dry-run", Usage: "say what there is to do and what it would cost, and do nothing"},
	}
	flags = append(flags, providerFlags()...)
	return &cli.Command{
		Name:  "embed",
		Usage: "embed the texts of a data set, each once",
		Description: "Embeds the texts that the cache has no vectors of. Each answer is kept as it arrives,\n" +
			"so an interrupted run goes on where it was, and no text is embedded twice.\n\n" +
			"Examples:\n" +
			"  cosfit embed --data sample --provider hashing\n" +
			"  cosfit embed --data questions --model text-embedding-3-small --dry-run",
		Flags:  append(flags, jsonFlag()),
		Action: embedTexts,
	}
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
		&cli.IntFlag{Name: "dimensions", Usage: "length of the vectors", DefaultText: fmt.Sprintf("the model's own; hashing %d", embed.HashingDimensions)},
	}
}

func hashingFrom(c *cli.Context) (embed.Provider, error) {
	const most = 1 << 16
	n := embed.HashingDimensions
	if c.IsSet("dimensions") {
		if n = c.Int("dimensions"); n < 1 || n > most {
			return nil, usage("--dimensions is %d, want 1 to %d", n, most)
		}
	}
	return embed.NewHashing(n), nil
}

func embedTexts(c *cli.Context) error {
	name := c.String("data")
	if name == "" {
		return usage("--data is missing: name a data set folder, or \"sample\"")
	}
	create, err := providers().get("provider", c.String("provider"))
	if err != nil {
		return err
	}
	provider, err := create(c)
	if err != nil {
		return err
	}
	fsys := os.DirFS(name)
	if name == sample.Name {
		fsys = sample.FS()
	}
	dir, err := cacheFrom(c)
	if err != nil {
		return err
	}
	store, err := cache.Open(dir).Store(provider.Space())
	if err != nil {
		return err
	}
	tellDamaged(c, store)
	summary, err := embed.Run(c.Context, provider, store, textsOf(fsys, name), embed.Options{})
	if err != nil {
		return err
	}
	if err := store.Close(); err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, summary)
	}
	_, err = fmt.Fprintf(c.App.Writer, "%s: %d texts, %d were in the cache, %d embedded, in %s\n",
		name, summary.Texts, summary.Cached, summary.Embedded, store.Dir())
	return err
}

// tellDamaged says which segments were found damaged while the store was opened.
func tellDamaged(c *cli.Context, store *cache.Store) {
	for _, path := range store.Damaged() {
		fmt.Fprintf(c.App.ErrWriter, "a segment of the cache was damaged and is now %s; its texts are embedded again\n", path)
	}
}

// textsOf goes through the texts of a data set.
func textsOf(fsys fs.FS, name string) embed.Texts {
	return func(yield func(embed.Text, error) bool) {
		enough := errors.New("enough")
		err := loader.ReadTexts(fsys, name, func(t loader.Text) error {
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
