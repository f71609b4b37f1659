package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/embed"
	"github.com/cosfit/cosfit/loader/embed/cache"
)

func cacheCommand() *cli.Command {
	return &cli.Command{
		Name:  "cache",
		Usage: "look after the cache of embeddings",
		Description: "The cache keeps every vector that was ever bought. Each model's are in a folder of\n" +
			"their own, which --embeddings names.\n\n" +
			"Examples:\n" +
			"  cosfit cache stats\n" +
			"  cosfit cache import --in old.parquet --text-column text --column embedding \\\n" +
			"    --provider openai --model text-embedding-3-small\n" +
			"  cosfit cache export --embeddings openai-text-embedding-3-small-1536 --out all.parquet",
		Action: needsSubcommand,
		Subcommands: []*cli.Command{
			cacheStatsCommand(), cacheVerifyCommand(), cacheCompactCommand(), cacheImportCommand(), cacheExportCommand(),
		},
	}
}

func spaceFlag() cli.Flag {
	return &cli.StringFlag{Name: "embeddings", Usage: "whose vectors: a folder of the cache", DefaultText: "all"}
}

// cacheFolders opens the cache and lists the folders that --embeddings means.
func cacheFolders(c *cli.Context) (*cache.Cache, []string, error) {
	dir, err := cacheFrom(c)
	if err != nil {
		return nil, nil, err
	}
	store := cache.Open(dir)
	folders, err := store.Folders()
	if err != nil {
		return nil, nil, err
	}
	name := c.String("embeddings")
	if name == "" {
		return store, folders, nil
	}
	for _, folder := range folders {
		if folder == name {
			return store, []string{name}, nil
		}
	}
	there := "there are none"
	if len(folders) > 0 {
		there = "there are: " + strings.Join(folders, ", ")
	}
	return nil, nil, fmt.Errorf("%s: no embeddings named %q in the cache; %s", dir, name, there)
}

// adviseDamaged says what to do about a segment that proves to be damaged while
// it is read.
func adviseDamaged(err error) error {
	if errors.As(err, new(*loader.DamagedError)) {
		return fmt.Errorf("%w: cosfit cache verify puts it aside, and cosfit embed embeds its texts again", err)
	}
	return err
}

func cacheStatsCommand() *cli.Command {
	return &cli.Command{
		Name:        "stats",
		Usage:       "say what the cache has",
		Description: "Example:\n  cosfit cache stats",
		Flags:       []cli.Flag{cacheFlag(), spaceFlag(), jsonFlag()},
		Action: func(c *cli.Context) error {
			all, folders, err := cacheFolders(c)
			if err != nil {
				return err
			}
			stats := []cache.Stats{}
			for _, folder := range folders {
				store, err := all.Named(folder)
				if err != nil {
					return err
				}
				tellDamaged(c, store)
				s, err := store.Stats()
				if err != nil {
					return err
				}
				stats = append(stats, s)
			}
			if c.Bool("json") {
				return writeJSON(c.App.Writer, stats)
			}
			if len(stats) == 0 {
				fmt.Fprintln(c.App.Writer, "the cache is empty: fill it with cosfit embed")
			}
			for _, s := range stats {
				fmt.Fprintln(c.App.Writer, describeStats(s))
			}
			return nil
		},
	}
}

func describeStats(s cache.Stats) string {
	text := fmt.Sprintf("%s: %s vectors in %s, %s", s.Name, humanize.Comma(s.Rows), english.Plural(s.Segments, "segment", ""), humanize.Bytes(uint64(s.Bytes)))
	if s.Normalized && s.Rows > 0 {
		text += ", normalised"
	}
	if s.Space.Prompt != "" {
		text += fmt.Sprintf(", prompt %q", s.Space.Prompt)
	}
	if s.Damaged > 0 {
		text += fmt.Sprintf(", %s put aside", english.Plural(s.Damaged, "damaged segment", ""))
	}
	return text
}

func cacheVerifyCommand() *cli.Command {
	return &cli.Command{
		Name:  "verify",
		Usage: "compare each segment with its checksum",
		Description: "A segment that is not as it was written is put aside, into the folder damaged/, and\n" +
			"cosfit embed embeds its texts again. It exits with 1 where there was one.\n\n" +
			"Example:\n  cosfit cache verify",
		Flags: []cli.Flag{cacheFlag(), spaceFlag(), jsonFlag()},
		Action: func(c *cli.Context) error {
			dir, err := cacheFrom(c)
			if err != nil {
				return err
			}
			folders, err := verifyFolders(dir, c.String("embeddings"))
			if err != nil {
				return err
			}
			verdicts := map[string]cache.Verdict{}
			damaged := 0
			for _, folder := range folders {
				v, err := cache.Open(dir).Verify(c.Context, folder)
				if errors.Is(err, context.Canceled) {
					return errors.New("interrupted: the cache is as it was")
				}
				if err != nil {
					return err
				}
				verdicts[folder] = v
				damaged += len(v.Damaged)
				if !c.Bool("json") {
					tellVerdict(c, folder, v)
				}
			}
			if c.Bool("json") {
				if err := writeJSON(c.App.Writer, verdicts); err != nil {
					return err
				}
			}
			if damaged > 0 {
				return fmt.Errorf("put aside: %s: cosfit embed embeds their texts again", english.Plural(damaged, "damaged segment", ""))
			}
			return nil
		},
	}
}

// verifyFolders lists the folders to verify: unlike others, one may have lost
// its manifest.
func verifyFolders(dir, name string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("open the cache: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() && e.Name()[0] != '.' && (name == "" || e.Name() == name) {
			names = append(names, e.Name())
		}
	}
	if name != "" && len(names) == 0 {
		return nil, fmt.Errorf("%s: no embeddings named %q in the cache: see cosfit cache stats", dir, name)
	}
	return names, nil
}

func tellVerdict(c *cli.Context, folder string, v cache.Verdict) {
	w := c.App.Writer
	fmt.Fprintf(w, "%s: %s, %s vectors, %s, as they were written\n",
		folder, english.Plural(v.Segments, "segment", ""), humanize.Comma(v.Rows), humanize.Bytes(uint64(v.Bytes)))
	for _, path := range v.Damaged {
		fmt.Fprintf(w, "  damaged, put aside: %s\n", path)
	}
	for _, path := range v.Strange {
		fmt.Fprintf(w, "  not a segment: %s (bring vectors in with cosfit cache import)\n", path)
	}
	if v.Rebuilt {
		fmt.Fprintf(w, "  %s was missing, damaged or wrong and is written again\n", loader.ManifestFile)
	}
}

func cacheCompactCommand() *cli.Command {
	return &cli.Command{
		Name:  "compact",
		Usage: "merge segments into few large ones",
		Description: "Others may read and add vectors meanwhile. It needs room for the vectors once more.\n\n" +
			"Example:\n  cosfit cache compact",
		Flags: []cli.Flag{cacheFlag(), spaceFlag(), jsonFlag()},
		Action: func(c *cli.Context) error {
			all, folders, err := cacheFolders(c)
			if err != nil {
				return err
			}
			done := map[string]cache.Compacted{}
			for _, folder := range folders {
				store, err := all.Named(folder)
				if err != nil {
					return err
				}
				tellDamaged(c, store)
				compacted, err := store.Compact(c.Context)
				if errors.Is(err, context.Canceled) {
					return errors.New("interrupted: the cache is as it was")
				}
				if err != nil {
					return adviseDamaged(err)
				}
				done[folder] = compacted
				if !c.Bool("json") {
					fmt.Fprintf(c.App.Writer, "%s: %s, now %d, %s freed\n",
						folder, english.Plural(compacted.Before, "segment", ""), compacted.After, humanize.Bytes(uint64(max(0, compacted.Freed))))
				}
			}
			if c.Bool("json") {
				return writeJSON(c.App.Writer, done)
			}
			return nil
		},
	}
}

func cacheImportCommand() *cli.Command {
	return &cli.Command{
		Name:  "import",
		Usage: "bring in vectors that you have, so that nobody buys them again",
		Description: "Reads Parquet, JSON lines, or npy with a file that has a text on each line. Texts must\n" +
			"be exactly those that were embedded.\n\n" +
			"Examples:\n" +
			"  cosfit cache import --in old.parquet --text-column body --column vector \\\n" +
			"    --provider openai --model text-embedding-3-small\n" +
			"  cosfit cache import --in vectors.npy --texts texts.txt --provider openai --model ada",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "in", Usage: "file of vectors: Parquet, JSON lines or npy"},
			&cli.StringFlag{Name: "text-column", Usage: "texts in Parquet or JSON lines", DefaultText: "text, or else ids"},
			&cli.StringFlag{Name: "id-column", Usage: "ids of texts, instead of texts", DefaultText: "id"},
			&cli.StringFlag{Name: "column", Usage: "vectors in Parquet or JSON lines", DefaultText: "embedding"},
			&cli.StringFlag{Name: "texts", Usage: "for npy: a file with the text of each row on a line, plain or as a JSON string"},
			&cli.StringFlag{Name: "ids", Usage: "for npy: a file with the id of each row's text on a line"},
			cacheFlag(),
			&cli.StringFlag{Name: "provider", Usage: "who made the vectors, such as openai"},
			&cli.StringFlag{Name: "model", Usage: "the model that made them"},
			&cli.StringFlag{Name: "prompt", Usage: "what the model was told beside the texts", DefaultText: "nothing"},
			jsonFlag(),
		},
		Action: importVectors,
	}
}

func importVectors(c *cli.Context) error {
	for _, flag := range []string{"in", "provider", "model"} {
		if c.String(flag) == "" {
			return usage("--%s is missing; see cosfit cache import --help", flag)
		}
	}
	source := loader.EmbeddingSource{
		File: c.String("in"), Text: c.String("text-column"), ID: c.String("id-column"), Vector: c.String("column"),
		Texts: c.String("texts"), IDs: c.String("ids"),
	}
	if source.Text != "" && source.ID != "" {
		return usage("--text-column and --id-column exclude each other")
	}
	dir, err := cacheFrom(c)
	if err != nil {
		return err
	}
	space := embed.Space{Provider: c.String("provider"), Model: c.String("model"), Prompt: c.String("prompt")}
	done, err := cache.Open(dir).Import(space, func(visit func(loader.ID, []float32) error) error {
		return source.Read(func(id loader.ID, v []float32) error {
			if err := c.Context.Err(); err != nil {
				return err
			}
			return visit(id, v)
		})
	})
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted: %d vectors were imported; run it again for the others", done.Added)
	}
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, done)
	}
	fmt.Fprintf(c.App.Writer, "%s: %d vectors read, %d of them new in %s\n", source.File, done.Rows, done.Added, done.Folder)
	return nil
}

// exporters are the formats of cache export, by the ending of a file's name.
func exporters() table[func(*cache.Store, string) (cache.Exported, error)] {
	return table[func(*cache.Store, string) (cache.Exported, error)]{
		".parquet": (*cache.Store).ExportParquet,
		".jsonl":   (*cache.Store).ExportJSONLines,
		".npy":     (*cache.Store).ExportNPY,
	}
}

func cacheExportCommand() *cli.Command {
	return &cli.Command{
		Name:  "export",
		Usage: "write the vectors of a model into one file",
		Description: "The ending of the file's name says how: .parquet, .jsonl, or .npy with the ids of\n" +
			"the rows in a file beside it.\n\n" +
			"Example:\n  cosfit cache export --embeddings openai-text-embedding-3-small-1536 --out all.parquet",
		Flags: []cli.Flag{
			cacheFlag(), spaceFlag(),
			&cli.StringFlag{Name: "out", Usage: "file to write, ending in " + exporters().list()},
			&cli.BoolFlag{Name: "force", Usage: "replace the file where it exists"},
			jsonFlag(),
		},
		Action: exportVectors,
	}
}

func exportVectors(c *cli.Context) error {
	out := c.String("out")
	if out == "" {
		return usage("--out is missing: name the file to write, such as --out all.parquet")
	}
	write, ok := exporters()[filepath.Ext(out)]
	if !ok {
		return usage("--out is %q, want a name that ends in one of: %s", out, strings.Join(exporters().names(), ", "))
	}
	all, folders, err := cacheFolders(c)
	if err != nil {
		return err
	}
	if len(folders) != 1 {
		return usage("--embeddings is missing: choose one of: %s", strings.Join(folders, ", "))
	}
	files := []string{out}
	if filepath.Ext(out) == ".npy" {
		files = append(files, cache.IDsFile(out))
	}
	for _, file := range files {
		if err := checkOutFile(file, c.Bool("force")); err != nil {
			return err
		}
	}
	store, err := all.Named(folders[0])
	if err != nil {
		return err
	}
	tellDamaged(c, store)
	done, err := write(store, out)
	if err != nil {
		return adviseDamaged(err)
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, done)
	}
	fmt.Fprintf(c.App.Writer, "%s: %s vectors of %s\n", strings.Join(done.Files, ", "), humanize.Comma(done.Rows), folders[0])
	return nil
}
