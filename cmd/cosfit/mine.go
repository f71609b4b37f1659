package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/negatives"
	"github.com/cosfit/cosfit/loader/prepare"
	"github.com/cosfit/cosfit/loader/sample"
)

func mineCommand() *cli.Command {
	shared := map[string]bool{"embeddings": true, "cache": true, "label-range": true, "memory": true, "scratch": true}
	flags := slices.DeleteFunc(dataFlags(), func(f cli.Flag) bool { return !shared[f.Names()[0]] })
	flags = append(flags,
		&cli.StringFlag{Name: "data", Usage: "a data set folder, or \"sample\""},
		&cli.StringFlag{Name: "out", Usage: "folder to write"},
		&cli.BoolFlag{Name: "force", Usage: "replace the data set that --out has"},
		&cli.StringFlag{Name: "splits", Value: loader.Train.String(), Usage: "whose queries get negatives: names with commas between them, or all"},
	)
	return &cli.Command{
		Name:  "mine",
		Usage: "add negatives to a data set: passages that the embeddings take for answers",
		Description: "Compares each query with all passages of its split, or of its documents, and adds\n" +
			"the most similar ones that do not answer it as hard negatives, or random ones as weak\n" +
			"negatives, in a new folder. Held-out splits stay as they are: negatives that a model\n" +
			"mined make its own figures lower, and gains may look larger than they are.\n\n" +
			"Examples:\n" +
			"  cosfit mine --data sample --out mined --hard 2\n" +
			"  cosfit mine --data questions --out mined --hard 2 --range 10..50 --max-score 0.9 --margin 0.05\n" +
			"  cosfit mine --data questions --out mined --hard 1 --from document --weak 1",
		Flags:  append(append(flags, negativeFlags()...), threadsFlag(), jsonFlag()),
		Action: mine,
	}
}

// negativeFlags say which negatives each query gets.
func negativeFlags() []cli.Flag {
	const category = "NEGATIVES (in parentheses what sentence-transformers calls it)"
	limit := func(name, usage string) cli.Flag {
		return &cli.Float64Flag{Name: name, Usage: usage, DefaultText: "none", Category: category}
	}
	return []cli.Flag{
		&cli.IntFlag{Name: "hard", Usage: "hard negatives for each query (num_negatives)", Category: category},
		&cli.IntFlag{Name: "weak", Usage: "negatives for each query that are drawn at random from other documents", Category: category},
		&cli.StringFlag{Name: "from", Value: "corpus", Usage: "where hard ones come from: corpus, or document, those of the query's answers", Category: category},
		&cli.StringFlag{Name: "range", Usage: "ranks in question, such as 10..50, which leaves out the ten most similar (range_min, range_max)", DefaultText: "the first 50, or ten for each negative", Category: category},
		limit("max-score", "cosine above which a passage probably answers the query (max_score)"),
		limit("min-score", "cosine below which a passage teaches nothing (min_score)"),
		limit("margin", "how much less similar than the query's answers a negative is (absolute_margin)"),
		limit("relative-margin", "the same as a share of the answer's cosine (relative_margin)"),
		&cli.StringFlag{Name: "strategy", Value: string(negatives.Top), Usage: strings.Join(negatives.Strategies(), "|") + ": the most similar, drawn at random, or in the order of the texts", Category: category},
		&cli.Uint64Flag{Name: "seed", Usage: "of what is drawn", Category: category},
	}
}

// negativesFrom reads the flags of negativeFlags but --from.
func negativesFrom(c *cli.Context) (o negatives.Options, err error) {
	o = negatives.Options{Hard: c.Int("hard"), Weak: c.Int("weak"), Seed: c.Uint64("seed"), Strategy: negatives.Strategy(c.String("strategy"))}
	for _, name := range []string{"hard", "weak"} {
		if n := c.Int(name); n < 0 || n > math.MaxInt16 {
			return o, usage("--%s is %d, want 0 or more", name, n)
		}
	}
	if !slices.Contains(negatives.Strategies(), string(o.Strategy)) {
		return o, usage("--strategy %q is unknown; there are: %s", o.Strategy, strings.Join(negatives.Strategies(), ", "))
	}
	if c.IsSet("range") {
		if o.Ranks, err = negatives.ParseRanks(c.String("range")); err != nil {
			return o, usage("--range %w", err)
		}
	}
	for name, to := range map[string]**float64{
		"max-score": &o.Limits.Max, "min-score": &o.Limits.Min, "margin": &o.Limits.Margin, "relative-margin": &o.Limits.RelativeMargin,
	} {
		if !c.IsSet(name) {
			continue
		}
		v := c.Float64(name)
		if !(v >= -2 && v <= 2) {
			return o, usage("--%s is %g, want a cosine or a difference of two", name, v)
		}
		*to = &v
	}
	if o.Hard == 0 {
		for _, name := range []string{"range", "max-score", "min-score", "margin", "relative-margin", "strategy", "from"} {
			if c.IsSet(name) {
				return o, usage("--%s is about hard negatives: say how many each query gets with --hard", name)
			}
		}
	}
	return o, nil
}

// splitsFrom reads --splits.
func splitsFrom(c *cli.Context) (splits []loader.Split, err error) {
	text := c.String("splits")
	if text == "all" {
		text = strings.Join(loader.SplitNames(), ",")
	}
	for _, name := range strings.Split(text, ",") {
		s, ok := loader.ParseSplit(name)
		if !ok {
			return nil, usage("--splits %q is unknown; there are: %s, all", name, strings.Join(loader.SplitNames(), ", "))
		}
		if !slices.Contains(splits, s) {
			splits = append(splits, s)
		}
	}
	return splits, nil
}

// A mined data set is what the command wrote.
type mined struct {
	Data       string           `json:"data"`
	Out        string           `json:"out"`
	Embeddings string           `json:"embeddings"`
	Cache      string           `json:"cache,omitempty"` // that has them
	Model      string           `json:"model"`
	Before     int              `json:"pairs_before"`
	After      int              `json:"pairs_after"`
	Splits     []string         `json:"splits"`
	Notes      []string         `json:"notes,omitempty"`
	Report     negatives.Report `json:"report"`
}

func mine(c *cli.Context) error {
	o, err := mineOptions(c)
	if err != nil {
		return err
	}
	source, err := sourceFrom(c, rundir.Data{})
	if err != nil {
		return err
	}
	out := c.String("out")
	if out == "" {
		return usage("--out is missing: name the folder to write")
	}
	if err := prepare.CheckOut(out, c.Bool("force")); err != nil {
		return err
	}
	folder, err := textsFolder(source.Path)
	if err != nil {
		return err
	}
	opts, err := loaderOptions(c, source)
	if err != nil {
		return err
	}
	opts.Passages = true
	data, err := openWith(c.Context, source.Path, opts)
	if err != nil {
		return err
	}
	defer data.Close()
	data.CarveValidation() // now, since train would carve it from what is mined
	done := mined{Data: source.Path, Out: out, Embeddings: data.Embeddings, Cache: data.Cache, Model: data.Model, Before: data.Pairs.Len(), Notes: data.Notes}
	if done.Report, err = addNegatives(c, folder, data, o); err != nil {
		return err
	}
	done.After = data.Pairs.Len()
	done.tell(o.Splits)
	data.SplitGiven = true // since what was drawn is what was mined in
	write := prepare.Conversion{Data: data, Elsewhere: true}
	if info, err := fs.Stat(folder, "embeddings"); err == nil && info.IsDir() {
		if write.Embeddings, err = fs.Sub(folder, "embeddings"); err != nil {
			return err
		}
	}
	if err := write.Folder(c.Context, out, c.Bool("force")); err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, done)
	}
	return done.print(c)
}

// mineOptions reads the flags that say what to look for.
func mineOptions(c *cli.Context) (negatives.Options, error) {
	o, err := negativesFrom(c)
	if err != nil {
		return o, err
	}
	if o.Hard+o.Weak == 0 {
		return o, usage("how many negatives? Say it with --hard, --weak or both")
	}
	if from := c.String("from"); from != "corpus" && from != fromDocument {
		return o, usage("--from %q is unknown; there are: corpus, %s", from, fromDocument)
	}
	o.Threads = cmp.Or(c.Int("threads"), runtime.GOMAXPROCS(0))
	memory, err := memoryFrom(c)
	if err != nil {
		return o, err
	}
	o.Memory = min(memory/2, 400<<20) // vectors have the other half
	o.Splits, err = splitsFrom(c)
	return o, err
}

const fromDocument = "document"

// textsFolder opens the folder of a data set, which a wide file has not.
func textsFolder(path string) (fs.FS, error) {
	if info, err := os.Stat(path); path != sample.Name && err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%s is a file, and negatives are mined among the texts of a data set folder: name one with --data, or make one with cosfit data convert", path)
	}
	return folderOf(path), nil
}

// addNegatives adds pairs to the data set.
func addNegatives(c *cli.Context, folder fs.FS, data *loader.Dataset, o negatives.Options) (negatives.Report, error) {
	corpus, err := negatives.FromFolder(folder, data, c.String("scratch"))
	if err != nil {
		return negatives.Report{}, err
	}
	defer corpus.Close()
	if c.String("from") == fromDocument {
		if o.Pools = corpus.DocumentPools(); len(o.Pools) == 0 {
			return negatives.Report{}, fmt.Errorf("%s: no passage's document is known (the column source of texts.parquet): leave out --from document", data.Name)
		}
	}
	progress := newMineProgress(c.App.ErrWriter, c.Bool("json"))
	o.Progress = progress.show
	found, report, err := negatives.Find(c.Context, corpus, o)
	progress.stop()
	if err != nil {
		return report, err
	}
	if report.Queries == 0 {
		return report, errors.New("no query of these splits has an answer, which mining starts from: see --splits")
	}
	if len(found) == 0 {
		why := commonest(report)
		return report, fmt.Errorf("no negatives were found, and nothing was written; the reason for %s of %s: %s", humanize.Comma(int64(why.n)), plural(report.Queries, "query", "queries"), why.what)
	}
	for _, n := range found {
		data.AddNegative(n.Passage, n.Kind, n.Like)
	}
	return report, nil
}

// A mineProgress shows how far a search is: a bar on a terminal, a line now and
// then elsewhere.
type mineProgress struct {
	w    io.Writer
	bar  *rowBar
	next time.Time // of a line; zero means none
}

func newMineProgress(w io.Writer, quiet bool) *mineProgress {
	p := &mineProgress{w: w}
	if !quiet && !isTerminal(w) {
		p.next = time.Now().Add(lineEvery)
	}
	return p
}

func (p *mineProgress) show(done, total int) {
	if p.bar == nil {
		p.bar = newRowBar(p.w, isTerminal(p.w), int64(total), "query")
	}
	p.bar.show(int64(done))
	if now := time.Now(); !p.next.IsZero() && now.After(p.next) {
		p.next = now.Add(lineEvery)
		fmt.Fprintf(p.w, "%s of %s queries compared\n", humanize.Comma(int64(done)), humanize.Comma(int64(total)))
	}
}

func (p *mineProgress) stop() {
	if p.bar != nil {
		p.bar.stop()
	}
}

// A lack is how many queries have fewer negatives than were asked for, and what most
// of the passages were that they did not get.
type lack struct {
	n    int
	what string
}

// lacks are those of a kind.
func lacks(f *negatives.Found) []lack {
	return []lack{
		{f.Fewer.Passages, "too few passages in question"},
		{f.Fewer.Alike, "almost what an answer or the query says"},
		{f.Fewer.Max, "above --max-score"},
		{f.Fewer.Min, "below --min-score"},
		{f.Fewer.Margin, "within --margin of an answer"},
		{f.Fewer.RelativeMargin, "within --relative-margin of an answer"},
	}
}

// commonest is the lack of the most queries, of hard negatives before weak ones.
func commonest(r negatives.Report) (most lack) {
	for _, f := range []*negatives.Found{r.Hard, r.Weak} {
		if f == nil {
			continue
		}
		for _, l := range lacks(f) {
			if l.n > most.n {
				most = l
			}
		}
	}
	return most
}

// tell notes what there is to know about figures of the data.
func (m *mined) tell(splits []loader.Split) {
	var heldOut []string
	for _, s := range splits {
		m.Splits = append(m.Splits, s.String())
		if s != loader.Train {
			heldOut = append(heldOut, s.String())
		}
	}
	if m.Report.Hard != nil && len(heldOut) > 0 {
		m.Notes = append(m.Notes, fmt.Sprintf("negatives of %s were mined with %s: its figures there are lower for that, and gains may look larger than they are", strings.Join(heldOut, " and "), m.Embeddings))
	}
}

func (m *mined) print(c *cli.Context) error {
	comma := func(n int) string { return humanize.Comma(int64(n)) }
	var b strings.Builder
	fmt.Fprintf(&b, "%s, mined with %s: %s\n\n", m.Data, m.Embeddings, m.Out)
	fmt.Fprintf(&b, "pairs            %s, %s of them new\n", comma(m.After), comma(m.After-m.Before))
	fmt.Fprintf(&b, "queries          %s of %s", comma(m.Report.Queries), strings.Join(m.Splits, ", "))
	if n := m.Report.Unanswered; n > 0 {
		fmt.Fprintf(&b, "; %s without an answer get no negatives", comma(n))
	}
	b.WriteByte('\n')
	for _, kind := range []struct {
		name  string
		found *negatives.Found
	}{{"hard negatives", m.Report.Hard}, {"weak negatives", m.Report.Weak}} {
		f := kind.found
		if f == nil {
			continue
		}
		fmt.Fprintf(&b, "%s   %s; %s queries have the %d asked for\n", kind.name, comma(f.Added), comma(f.Complete), f.Each)
		for _, why := range lacks(f) {
			if why.n > 0 {
				fmt.Fprintf(&b, "                 %s have fewer: %s\n", comma(why.n), why.what)
			}
		}
	}
	if s := m.Report.Similarity; s != nil {
		fmt.Fprintf(&b, "mean cosine      %.3f of a query and its least similar answer", s.Positive)
		if m.Report.Hard != nil && m.Report.Hard.Added > 0 {
			fmt.Fprintf(&b, ", %.3f of it and a hard negative", s.Hard)
		}
		b.WriteByte('\n')
	}
	if m.Cache != "" {
		fmt.Fprintf(&b, "vectors          stay in the cache %s: --embeddings %s\n", m.Cache, m.Embeddings)
	} else {
		fmt.Fprintf(&b, "vectors          copied: --embeddings %s\n", m.Embeddings)
	}
	for _, note := range m.Notes {
		fmt.Fprintf(&b, "\n%s.\n", strings.ToUpper(note[:1])+note[1:])
	}
	_, err := fmt.Fprint(c.App.Writer, b.String())
	return err
}
