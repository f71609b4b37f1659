package main

import (
	"context"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/embed/cache"
	"github.com/cosfit/cosfit/loader/sample"
)

// columnFlags pairs the column flags with the fields that they set.
func columnFlags(c *loader.Columns) map[string]*string {
	return map[string]*string{
		"left-column": &c.Left, "right-column": &c.Right, "label-column": &c.Label,
		"left-text-column": &c.LeftText, "right-text-column": &c.RightText,
		"group-column": &c.Group, "split-column": &c.Split, "kind-column": &c.Kind,
	}
}

// sourceFrom reads the flags that name a data set, over what a run recorded.
func sourceFrom(c *cli.Context, run rundir.Data) (rundir.Data, error) {
	source := rundir.Data{Path: run.Path, Columns: run.Columns, Embeddings: run.Embeddings, Cache: run.Cache, GivenRange: run.GivenRange, Split: run.Split}
	if c.IsSet("data") {
		source = rundir.Data{Path: c.String("data")}
		if path, err := filepath.Abs(source.Path); source.Path == run.Path || err == nil && path == run.Path { // the run's own, split as it was
			source.Split = run.Split
		}
	}
	if source.Path == "" {
		return source, usage("--data is missing: name a data set folder, a wide Parquet file, or \"sample\"")
	}
	if c.IsSet("embeddings") {
		source.Embeddings = c.String("embeddings")
	}
	if c.IsSet("cache") {
		source.Cache = c.String("cache")
	}
	if c.IsSet("label-range") {
		source.GivenRange = c.String("label-range")
		if _, _, ok := loader.ParseRange(source.GivenRange); !ok {
			return source, usage("--label-range is %q, want two numbers, the lower one first, such as 0..5", source.GivenRange)
		}
		source.GivenRange = strings.Replace(source.GivenRange, ":", "..", 1) // as files have it
	}
	folder := isFolder(source.Path)
	defaults := loader.DefaultColumns()
	columns := columnFlags(&defaults)
	for _, flag := range slices.Sorted(maps.Keys(columns)) {
		if folder && isTyped(c, flag) && c.String(flag) != *columns[flag] {
			return source, usage("--%s is for a wide Parquet file, and %s is a data set folder: leave it out", flag, source.Path)
		}
		if c.IsSet(flag) {
			if source.Columns == nil {
				source.Columns = map[string]string{}
			}
			source.Columns[flag] = c.String(flag)
		}
	}
	return source, nil
}

// trainedOn is sourceFrom for data that are trained on, with how the flags ask to
// split them.
func trainedOn(c *cli.Context, run rundir.Data) (rundir.Data, error) {
	source, err := sourceFrom(c, run)
	if err != nil {
		return source, err
	}
	source.Split, err = askedFrom(c, source.Split)
	return source, err
}

// isFolder reports whether data are a folder, whose columns have names of their own.
func isFolder(path string) bool {
	info, err := os.Stat(path)
	return path == sample.Name || err == nil && info.IsDir()
}

// loaderOptions are how sourceFrom's data are read.
func loaderOptions(c *cli.Context, source rundir.Data) (loader.Options, error) {
	memory, err := memoryFrom(c)
	if err != nil {
		return loader.Options{}, err
	}
	opts := loader.Options{Embeddings: source.Embeddings, Cache: source.Cache, CacheGiven: source.Cache != "", LabelRange: source.GivenRange,
		Memory: memory, Scratch: c.String("scratch"), Strict: c.Bool("strict")}
	if opts.Cache == "" {
		opts.Cache, _ = cache.Default() // which a system without a home has not, and most data sets do without
	}
	for flag, field := range columnFlags(&opts.Columns) {
		*field = source.Columns[flag]
	}
	opts.Split, err = asked(source.Split)
	return opts, err
}

// openData opens what sourceFrom found, for a matrix, which may be one from left
// vectors to right ones of other dimensions.
func openData(c *cli.Context, source rundir.Data) (*loader.Dataset, error) {
	opts, err := loaderOptions(c, source)
	if err != nil {
		return nil, err
	}
	opts.UnequalSides = true
	return openWith(c.Context, source.Path, opts)
}

// openWith opens a data set, or the sample.
func openWith(ctx context.Context, path string, opts loader.Options) (*loader.Dataset, error) {
	if path == sample.Name {
		return loader.OpenFS(ctx, sample.FS(), sample.Name, opts)
	}
	keepGarbageSmall(opts.Memory, 0)
	data, err := loader.Open(ctx, path, opts)
	if err == nil {
		roomForWorkers(data, 1)
	}
	return data, err
}

// roomForWorkers has the collector leave room for so many trainings at a time.
func roomForWorkers(data *loader.Dataset, n int) {
	if data.Memory == 0 {
		return
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	index := int64(m.HeapAlloc) - int64(4*len(data.Vectors.Data)) // the pairs, the texts' ids
	matrix := 4 * int64(data.Vectors.Dim*data.Vectors.Dim)
	keepGarbageSmall(data.Memory, 2*index+16*matrix*int64(n)) // the optimiser's state, both gradients, a checkpoint under way, …
}

// keepGarbageSmall has the collector start before the process holds much more
// than the memory for vectors and the rest that it needs. By itself it would
// start when garbage is as large as all that.
func keepGarbageSmall(memory, rest int64) {
	const garbage = 96 << 20
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memory + rest + garbage)
	}
}

// memoryFrom reads --memory. Without it a quarter of the memory that the
// machine has, or its control group allows, is used.
func memoryFrom(c *cli.Context) (int64, error) {
	const least, unknown = 1e6, 4 << 30
	if text := c.String("memory"); text != "" {
		n, err := humanize.ParseBytes(text)
		if err != nil || n < least || n > math.MaxInt64 {
			return 0, usage("--memory %q is not a size of at least 1MB, such as 300MB or 4GB", text)
		}
		return int64(n), nil
	}
	m := readMemory(systemFiles(), readControlGroups(systemFiles()))
	if total := lower(m.Total, m.Limit); total.Known() {
		return int64(total / 4), nil
	}
	return unknown, nil
}

// recorded is a source as config.json has it: complete enough to be opened
// again from any folder, and with other embeddings beside it.
func recorded(source rundir.Data, data *loader.Dataset) (rundir.Data, error) {
	source.Embeddings, source.Cache = data.Embeddings, data.Cache
	if data.Cache != "" {
		dir, err := filepath.Abs(data.Cache)
		if err != nil {
			return source, err
		}
		source.Cache = dir
	}
	if source.Path == sample.Name {
		return source, nil
	}
	path, err := filepath.Abs(source.Path)
	source.Path = path
	return source, err
}
