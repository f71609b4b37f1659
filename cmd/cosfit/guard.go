package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/sample"
	"github.com/cosfit/cosfit/trainer"
)

func guardFlag() cli.Flag {
	return &cli.StringFlag{Name: "guard", Usage: "other texts with vectors of the same model, a data set, a file of texts and vectors, or \"sample\": what the matrix does to what it was not learned for; - for none",
		DefaultText: "the sample, where it is of the same model"}
}

// openGuard opens the texts that --guard names, or else those of before, or
// else the sample where its vectors are of the same model as the data. It is nil
// where there are none.
func openGuard(c *cli.Context, before string, data *loader.Dataset) (*loader.Dataset, error) {
	name := before
	if c.IsSet("guard") {
		name = c.String("guard")
	}
	given := name != ""
	if !given && path.Base(data.Model) == sample.Model && data.Space.Prompt == "" && data.Name != sample.Name {
		name = sample.Name
	}
	if name == "" || name == "-" {
		return nil, nil
	}
	guard, err := readGuard(c, name, data)
	if err != nil {
		return nil, err
	}
	if err := trainer.CheckGuard(guard, data); err != nil {
		guard.Close()
		if !given { // a part of the sample is what is trained on
			return nil, nil
		}
		return nil, &unfitGuard{err}
	}
	return guard, nil
}

// An unfitGuard says why texts cannot be tried beside these data.
type unfitGuard struct{ error }

// checkGuardFlag finds what is wrong with the texts that --guard names before there
// are vectors to compare them with.
func checkGuardFlag(c *cli.Context) error {
	name := c.String("guard")
	if name == "" || name == "-" || name == sample.Name {
		return nil
	}
	info, err := os.Stat(name)
	var guard *loader.Dataset
	if err == nil && info.IsDir() { // its vectors may be in the cache
		guard, err = loader.Open(c.Context, name, loader.Options{PairsOnly: true})
	} else {
		guard, err = readGuard(c, name, &loader.Dataset{})
	}
	if err != nil {
		return err
	}
	return guard.Close()
}

// readGuard opens a data set for its texts, with vectors from where the data have
// them, or else the only ones that there are.
func readGuard(c *cli.Context, name string, data *loader.Dataset) (*loader.Dataset, error) {
	if name == sample.Name {
		return loader.OpenFS(c.Context, sample.FS(), sample.Name, loader.Options{Passages: true})
	}
	name, err := filepath.Abs(name) // config.json has it for whoever goes on elsewhere
	if err != nil {
		return nil, err
	}
	opts, err := loaderOptions(c, rundir.Data{Embeddings: data.Embeddings, Cache: data.Cache})
	if err != nil {
		return nil, err
	}
	opts.Passages, opts.Strict = true, false
	guard, err := loader.Open(c.Context, name, opts)
	if err == nil {
		return guard, nil
	}
	if opts.Embeddings = ""; data.Embeddings != "" {
		if own, e := loader.Open(c.Context, name, opts); e == nil {
			return own, nil
		}
	}
	if info, e := os.Stat(name); e != nil || info.IsDir() {
		return nil, err
	}
	alone, e := textsAlone(name)
	if e != nil {
		return nil, fmt.Errorf("%w; as a file of texts and vectors: %w", err, e)
	}
	return alone, nil
}

// textsAlone reads a file of texts, or of their ids, with their vectors, such as
// cosfit cache export writes: as many as a guard has use for, those with the lowest
// ids.
func textsAlone(name string) (*loader.Dataset, error) {
	const most = 10_000
	type text struct {
		id     string
		vector []float32
	}
	var texts []text
	lowest := func() {
		slices.SortFunc(texts, func(a, b text) int { return strings.Compare(a.id, b.id) })
		texts = slices.CompactFunc(texts, func(a, b text) bool { return a.id == b.id })
		texts = texts[:min(len(texts), most)]
	}
	err := loader.EmbeddingSource{File: name}.Read(func(id loader.ID, vector []float32) error {
		if texts = append(texts, text{id.String(), slices.Clone(vector)}); len(texts) == 2*most {
			lowest()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	lowest()
	t := &loader.Table{}
	for _, x := range texts {
		t.Dim, t.IDs, t.Data = len(x.vector), append(t.IDs, x.id), append(t.Data, x.vector...)
	}
	return &loader.Dataset{Name: name, Vectors: t}, nil
}
