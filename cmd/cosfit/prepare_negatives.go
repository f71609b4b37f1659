package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/embed"
	"github.com/cosfit/cosfit/loader/negatives"
	"github.com/cosfit/cosfit/loader/prepare"
)

// Negatives of a data set that is being prepared.

// similarityFlags say by whose vectors hard negatives are chosen; standard is the
// provider where none is named, or "" where they are drawn at random then.
func similarityFlags(standard string) []cli.Flag {
	provider := &cli.StringFlag{Name: "provider", Value: standard, Usage: providers().list() + ", by whose vectors the most similar passages become hard negatives"}
	if standard == "" {
		provider.DefaultText = "hard negatives are drawn at random"
	}
	memory := &cli.StringFlag{Name: "memory", Usage: "for the vectors of texts that negatives are chosen by; more are put into a scratch file", DefaultText: humanize.Bytes(draftMemory)}
	flags := slices.Concat([]cli.Flag{provider, cacheFlag(), memory}, providerFlags(), serverFlags(), promptFlags(), requestFlags())
	return slices.DeleteFunc(flags, func(f cli.Flag) bool { return f.Names()[0] == "skip-bad" }) // each passage needs its vector
}

// draftMemory bounds the vectors that negatives are chosen by, where --memory does
// not: each is looked at once or twice, so a scratch file does as well.
const draftMemory = 128e6

// similarityJobs reads similarityFlags; without a provider there are none.
func similarityJobs(c *cli.Context) ([]embedJob, error) {
	if c.String("provider") != "" {
		return embedJobs(c)
	}
	for _, f := range slices.Concat(providerFlags(), serverFlags(), promptFlags(), requestFlags()) {
		if name := f.Names()[0]; c.IsSet(name) {
			return nil, usage("--%s is a setting of a provider: name one with --provider", name)
		}
	}
	return nil, nil
}

// draftNegatives adds negatives to a draft whose splits are made. Hard ones are
// chosen from the pools, or, where those are nil, from the answers' documents: by
// similarity under the vectors of the jobs, or at random where there are no jobs.
func draftNegatives(c *cli.Context, d *prepare.Draft, o negatives.Options, jobs []embedJob) (report negatives.Report, err error) {
	if o.Weak+o.Hard == 0 {
		return report, nil
	}
	corpus, err := negatives.FromDraft(d)
	if err != nil {
		return report, err
	}
	if o.Hard > 0 {
		if o.Pools == nil {
			o.Pools = corpus.DocumentPools()
		}
		if len(jobs) > 0 {
			var tables sideTables
			if tables, err = draftVectors(c, d, o.Pools, jobs); err != nil {
				return report, err
			}
			defer func() { err = errors.Join(err, tables.close()) }()
			corpus.Vectors = tables.vectors()
		}
	}
	return negatives.AddTo(c.Context, d, corpus, o)
}

// A sideTable has the vectors of some texts of a draft, those of one side or all.
type sideTable struct {
	table *loader.Table
	rows  []int32 // of each text of the draft, −1 where it has none
}

// read copies vectors of texts.
func (s *sideTable) read(texts []int32, dst []float32) error {
	rows := make([]int32, len(texts))
	for i, n := range texts {
		if rows[i] = s.rows[n]; rows[i] < 0 {
			return fmt.Errorf("text %d of the draft has no vector", n)
		}
	}
	return s.table.Read(rows, dst)
}

// sideTables are those of queries and of passages, which may be one.
type sideTables struct{ queries, passages *sideTable }

func (t sideTables) vectors() *negatives.Vectors {
	return &negatives.Vectors{Dim: t.queries.table.Dim, Queries: t.queries.read, Passages: t.passages.read}
}

func (t sideTables) close() error {
	err := t.queries.table.Close()
	if t.passages != t.queries {
		err = errors.Join(err, t.passages.table.Close())
	}
	return err
}

// draftVectors embeds the queries of a draft and the passages of its pools, as
// far as the cache lacks them, and reads their vectors.
func draftVectors(c *cli.Context, d *prepare.Draft, pools []negatives.Pool, jobs []embedJob) (t sideTables, err error) {
	const query, passage = 1, 2
	sides := make([]uint8, d.Texts())
	for i := range d.Pairs.Left {
		sides[d.Pairs.Left[i]] |= query
		sides[d.Pairs.Right[i]] |= passage
	}
	for _, p := range pools {
		for _, n := range p.Candidates {
			sides[n] |= passage
		}
	}
	var spent budget
	for _, job := range jobs {
		of := map[string]uint8{"query": query, "passage": passage, "": query | passage}[job.role]
		side, err := embedDraft(c, d, func(n int32) bool { return sides[n]&of != 0 }, job, &spent)
		if err != nil {
			if t.queries != nil {
				err = errors.Join(err, t.queries.table.Close())
			}
			return t, err
		}
		if job.role != "passage" {
			t.queries = side
		}
		if job.role != "query" {
			t.passages = side
		}
	}
	return t, nil
}

// embedDraft embeds texts of a draft by a job and reads their vectors.
func embedDraft(c *cli.Context, d *prepare.Draft, wanted func(n int32) bool, job embedJob, spent *budget) (*sideTable, error) {
	side := &sideTable{rows: make([]int32, d.Texts())}
	var ids []loader.ID
	var list []int32
	for n := range side.rows {
		side.rows[n] = -1
		if n := int32(n); wanted(n) {
			side.rows[n] = int32(len(list))
			list, ids = append(list, n), append(ids, d.ID(n))
		}
	}
	const name = "negatives"
	done, err := embedList(c, name, draftTexts(c.Context, d, list), spent.rest(job), c.App.ErrWriter)
	spent.add(done)
	if err != nil {
		return nil, err
	}
	if done.Result != nil && len(done.Result.Bad) > 0 {
		return nil, fmt.Errorf("%d texts could not be embedded, so nobody knows what is similar to them: take them out, or ask for none that are hard", len(done.Result.Bad))
	}
	memory := int64(draftMemory)
	if c.IsSet("memory") {
		if memory, err = memoryFrom(c); err != nil {
			return nil, err
		}
	}
	opts := loader.Options{Memory: memory, Scratch: c.String("scratch"), Embeddings: filepath.Base(done.Folder)}
	if opts.Cache, err = cacheFrom(c); err != nil {
		return nil, err
	}
	side.table, err = loader.CachedTable(c.Context, name, ids, opts)
	return side, err
}

// draftTexts are texts of a draft by their numbers.
func draftTexts(ctx context.Context, d *prepare.Draft, list []int32) embed.Texts {
	return func(yield func(embed.Text, error) bool) {
		for _, n := range list {
			text, err := d.Text(n)
			if err == nil {
				err = ctx.Err()
			}
			if !yield(embed.Text{ID: d.ID(n).String(), Text: text}, err) || err != nil {
				return
			}
		}
	}
}

// describeNegatives says where fewer were found than were asked for.
func describeNegatives(r negatives.Report, similar bool) (notes []string) {
	if r.Hard != nil && !similar {
		notes = append(notes, "hard negatives are drawn at random from the document of the answer; --provider chooses the most similar ones")
	}
	for _, kind := range []struct {
		name  string
		found *negatives.Found
	}{{"hard", r.Hard}, {"weak", r.Weak}} {
		if f := kind.found; f != nil && f.Complete < r.Queries {
			notes = append(notes, fmt.Sprintf("%s of %s queries have fewer than %d %s negatives: there are too few other passages",
				humanize.Comma(int64(r.Queries-f.Complete)), humanize.Comma(int64(r.Queries)), f.Each, kind.name))
		}
	}
	return notes
}
