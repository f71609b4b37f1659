package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/internal/shell"
	"github.com/cosfit/cosfit/loader/embed"
	"github.com/cosfit/cosfit/loader/negatives"
	"github.com/cosfit/cosfit/loader/nq"
	"github.com/cosfit/cosfit/loader/prepare"
)

func prepareNQCommand() *cli.Command {
	return &cli.Command{
		Name:  "nq",
		Usage: "Natural Questions, in either form",
		Description: "Reads the simplified form (document_text) and the original one (document_tokens), plain\n" +
			"or gzip'ed, on all cores, a piece at a time. A question and its answer become a pair,\n" +
			"the page's other passages what its hard negatives are chosen from, by the similarity\n" +
			"that --provider sees; weak ones are drawn from other pages of the same split. See\n" +
			"docs/prepare.md.\n\n" +
			"Examples:\n" +
			"  cosfit prepare nq --in simplified-nq-train.jsonl.gz --rows 30000 --out nq\n" +
			"  cosfit prepare nq --in nq-dev --annotations majority --out nq-dev\n" +
			"  cosfit prepare nq --in simplified-nq-train.jsonl.gz --provider openai --model text-embedding-3-small --out nq",
		Flags:  slices.Concat(nqFlags(), splitFlags(), similarityFlags("hashing"), draftFlags()),
		Action: prepareNQ,
	}
}

func nqFlags() []cli.Flag {
	const input, text, negatives = "INPUT", "TEXT", "NEGATIVES"
	o := nq.Defaults()
	return []cli.Flag{
		&cli.StringFlag{Name: "in", Usage: "a file of NQ, or a folder with files *.jsonl and *.jsonl.gz", Category: input},
		&cli.IntFlag{Name: "rows", Usage: "how many rows to read, with and without an answer", DefaultText: "all", Category: input},
		&cli.StringFlag{Name: "annotations", Value: "first", Usage: annotations().list() + ": whose answer counts where five people marked one", Category: input},
		threadsFlag(),
		&cli.StringFlag{Name: "html", Value: "lines", Usage: "lines|seed: a line for each paragraph, item and row of a table; or the text that the notebook makes", Category: text},
		&cli.BoolFlag{Name: "keep-tables", Value: true, Usage: "rows of a table are lines, their cells separated by tabs; else a table is one line", Category: text},
		&cli.IntFlag{Name: "max-tokens", Value: maxTokens, Usage: "tokens (as --encoding says, else cl100k_base) after which a text is cut; 0 cuts none", Category: text},
		&cli.IntFlag{Name: "weak", Value: 2, Usage: "passages of other pages for each question, drawn at random within its split", Category: negatives},
		&cli.IntFlag{Name: "hard", Value: 2, Usage: "passages of its own page for each question, the most similar ones that are no answer", Category: negatives},
		&cli.IntFlag{Name: "min-chars", Value: o.MinChars, Usage: "characters of a passage that may become a negative, at least", Category: negatives},
		&cli.IntFlag{Name: "pool", Value: o.Pool, Usage: "passages of a page that hard negatives are chosen from, at most, the longest first", Category: negatives},
	}
}

// maxTokens is what OpenAI's embedding models take.
const maxTokens = 8191

func annotations() table[nq.Annotations] {
	return table[nq.Annotations]{"first": nq.First, "majority": nq.Majority}
}

// nqSourceFrom reads the flags of nqFlags.
func nqSourceFrom(c *cli.Context) (*nq.Source, error) {
	s := &nq.Source{Options: nq.Defaults()}
	for name, to := range map[string]*int{"min-chars": &s.MinChars, "pool": &s.Pool, "threads": &s.Threads} {
		if *to = c.Int(name); *to < 0 || *to > math.MaxInt32 {
			return nil, usage("--%s is %d, want 0 or more", name, *to)
		}
	}
	if s.Rows = int64(c.Int("rows")); c.IsSet("rows") && s.Rows < 1 {
		return nil, usage("--rows is %d, want 1 or more", s.Rows)
	}
	var err error
	if s.Annotations, err = annotations().get("annotations", c.String("annotations")); err != nil {
		return nil, err
	}
	s.FlatTables = !c.Bool("keep-tables")
	switch rule := c.String("html"); rule {
	case "lines":
	case "seed":
		if s.Notebook = true; s.FlatTables {
			return nil, usage("--keep-tables=false does not go with --html seed, which always makes a line of a row")
		}
	default:
		return nil, usage("--html %q is unknown; there are: lines, seed", rule)
	}
	encoding, err := encodingFrom(c, embed.Cl100k())
	if err != nil {
		return nil, err
	}
	switch most := c.Int("max-tokens"); {
	case most < 0:
		return nil, usage("--max-tokens is %d, want 1 or more, or 0 to cut nothing", most)
	case most > 0:
		s.Cut = encoding.Cutter(most)
	}
	s.Paths, err = nqFiles(c.String("in"))
	return s, err
}

// nqFiles lists the files that --in names.
func nqFiles(in string) (files []string, err error) {
	if in == "" {
		return nil, usage("--in is missing: name a file of NQ, such as simplified-nq-train.jsonl.gz, or a folder of them")
	}
	info, err := os.Stat(in)
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, fmt.Errorf("--in %s: %w", in, p.Err)
	}
	if !info.IsDir() {
		return []string{in}, nil
	}
	entries, err := os.ReadDir(in) // in the order of their names
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".jsonl") || strings.HasSuffix(name, ".jsonl.gz") {
			files = append(files, filepath.Join(in, name))
		}
	}
	if files == nil {
		return nil, fmt.Errorf("%s has no files *.jsonl or *.jsonl.gz: name a file of NQ with --in", in)
	}
	return files, nil
}

// An nqPlan is what to do.
type nqPlan struct {
	source    *nq.Source
	split     prepare.SplitOptions
	negatives negatives.Options
	jobs      []embedJob // for hard negatives
	out       string
}

func nqPlanFrom(c *cli.Context) (p nqPlan, err error) {
	if p.source, err = nqSourceFrom(c); err != nil {
		return p, err
	}
	if p.split, err = splitFrom(c); err != nil {
		return p, err
	}
	if p.negatives.Weak, err = countFrom(c, "weak", c.Int("weak")); err != nil {
		return p, err
	}
	if p.negatives.Hard, err = countFrom(c, "hard", c.Int("hard")); err != nil {
		return p, err
	}
	p.negatives.Seed = c.Uint64("seed")
	p.negatives.Threads = cmp.Or(c.Int("threads"), runtime.GOMAXPROCS(0))
	if p.negatives.Hard == 0 && c.IsSet("provider") {
		return p, usage("--provider chooses hard negatives: say how many each question gets with --hard")
	}
	if p.negatives.Hard > 0 {
		if p.jobs, err = embedJobs(c); err != nil {
			return p, err
		}
	}
	p.out, err = outFrom(c)
	return p, err
}

func prepareNQ(c *cli.Context) error {
	p, err := nqPlanFrom(c)
	if err != nil {
		return err
	}
	d, err := draftFrom(c)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := readNQ(c, p.source, d); err != nil {
		return err
	}
	if len(p.source.Questions) == 0 {
		return fmt.Errorf("%s: none of %s rows has an answer with text, so there is nothing to learn from", c.String("in"), humanize.Comma(d.Tally.Rows))
	}
	r := nqReportOf(p.out, d, &p.source.Stats)
	if r.Split, err = d.Split(c.Context, p.split); err != nil {
		return err
	}
	if r.Negatives, err = p.addNegatives(c, d); err != nil {
		return err
	}
	if err := d.Write(p.out, prepare.WriteOptions{Replace: c.Bool("force")}); err != nil {
		return err
	}
	r.Data = d.Summarize()
	if c.Bool("json") {
		return writeJSON(c.App.Writer, r)
	}
	r.tell(c.App.Writer, c.String("in"), p.source.MinChars)
	return nil
}

// addNegatives adds what is asked for: hard ones from the pools of the questions.
func (p *nqPlan) addNegatives(c *cli.Context, d *prepare.Draft) (negatives.Report, error) {
	o := p.negatives
	left := make(map[[2]int32]bool, d.Pairs.Len()) // pairs that were not left out, so that splits share nothing
	for i := range d.Pairs.Left {
		left[[2]int32{d.Pairs.Left[i], d.Pairs.Right[i]}] = true
	}
	o.Pools = []negatives.Pool{}
	for _, q := range p.source.Questions {
		if left[[2]int32{q.Query, q.Answer}] {
			o.Pools = append(o.Pools, negatives.Pool{Query: q.Query, Answer: q.Answer, Candidates: q.Hard})
		}
	}
	return draftNegatives(c, d, o, p.jobs)
}

// readNQ reads the source, with a bar.
func readNQ(c *cli.Context, source *nq.Source, d *prepare.Draft) error {
	const unit = 1_000_000
	var total int64
	for _, path := range source.Paths {
		if info, err := os.Stat(path); err == nil {
			total += info.Size()
		}
	}
	bar := newRowBar(c.App.ErrWriter, isTerminal(c.App.ErrWriter), total/unit, "MB")
	defer bar.stop()
	source.Progress = func(bytes int64) { bar.show(bytes / unit) }
	if err := source.Read(c.Context, d); err != nil {
		return err
	}
	return d.Tally.End()
}

// An nqReport is what prepare nq found. Lengths are in characters.
type nqReport struct {
	Folder     string   `json:"folder"`
	Rows       int64    `json:"rows"`
	Bad        int64    `json:"bad"`
	FirstBad   []string `json:"first_bad,omitempty"`
	Questions  int64    `json:"questions"`
	Unanswered int64    `json:"without_answer"`
	Blank      int64    `json:"answers_without_text"`
	Repeated   int      `json:"repeated"`
	Short      int64    `json:"questions_without_long_passages"`
	Cut        int      `json:"texts_cut"`
	Texts      int      `json:"texts"`

	Passages nq.Summary    `json:"passages_per_question"`
	Long     nq.Summary    `json:"long_passages_per_question"`
	Pool     nq.Summary    `json:"pool_per_question"`
	Lengths  nq.Summary    `json:"passage_lengths"`
	Below    []lengthShare `json:"passages_shorter_than"`

	Split     prepare.SplitReport `json:"split"`
	Negatives negatives.Report    `json:"negatives"`
	Data      prepare.Summary     `json:"data"`
}

type lengthShare struct {
	Chars int     `json:"characters"`
	Share float64 `json:"share"`
}

func nqReportOf(folder string, d *prepare.Draft, s *nq.Stats) nqReport {
	r := nqReport{
		Folder: folder, Rows: d.Tally.Rows, Bad: d.Tally.Bad, FirstBad: d.Tally.First, Questions: s.Questions, Unanswered: s.Unanswered,
		Blank: s.Blank, Repeated: d.Repeated, Short: s.Short, Cut: s.Cut, Texts: d.Texts(),
		Passages: s.Passages.Summary(), Long: s.Long.Summary(), Pool: s.Pool.Summary(), Lengths: s.Lengths.Summary(),
	}
	for _, n := range nq.Thresholds() {
		r.Below = append(r.Below, lengthShare{n, s.Lengths.Below(n)})
	}
	return r
}

// tell prints the report as tables.
func (r nqReport) tell(w io.Writer, in string, minChars int) {
	fmt.Fprintf(w, "\ncosfit prepare nq · %s → %s\n\n", oneLine(in), oneLine(r.Folder))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(n int64, what string) { fmt.Fprintf(t, "%12s\t%s\n", humanize.Comma(n), what) }
	line(r.Rows, "rows")
	line(r.Unanswered, "without an answer")
	line(r.Questions, "questions")
	for _, more := range []struct {
		n    int64
		what string
	}{
		{r.Blank, "rows whose answer has no text"}, {r.Bad, "bad rows"}, {int64(r.Repeated), "questions that were there before, with the same answer"},
		{r.Short, fmt.Sprintf("questions without a passage of %s characters", humanize.Comma(int64(minChars)))}, {int64(r.Cut), "texts cut, since they had too many tokens"},
	} {
		if more.n > 0 {
			line(more.n, more.what)
		}
	}
	t.Flush()
	for _, bad := range r.FirstBad {
		fmt.Fprintf(w, "  bad: %s\n", oneLine(bad))
	}
	fmt.Fprintln(w)
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tmean\tlower quartile\tmedian\tupper quartile\tmax\t")
	for _, s := range []struct {
		name string
		nq.Summary
	}{
		{"passages per question", r.Passages}, {"long ones", r.Long}, {"may be hard negatives", r.Pool}, {"characters per passage", r.Lengths},
	} {
		fmt.Fprintf(t, "%s\t%.1f\t%g\t%g\t%g\t%s\t\n", s.name, s.Mean, s.Lower, s.Median, s.Upper, humanize.Comma(int64(s.Max)))
	}
	t.Flush()
	fmt.Fprint(w, "\nPassages shorter than")
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t)
	for _, b := range r.Below {
		fmt.Fprintf(t, "%s\t", humanize.Comma(int64(b.Chars)))
	}
	fmt.Fprintln(t)
	for _, b := range r.Below {
		fmt.Fprintf(t, "%.1f %%\t", 100*b.Share)
	}
	fmt.Fprintln(t)
	t.Flush()
	fmt.Fprintln(w)
	tellCounts(w, r.Data)
	for _, s := range r.Split.Sentences() {
		fmt.Fprintf(w, "\nNote: %s.\n", s)
	}
	for _, note := range describeNegatives(r.Negatives, true) {
		fmt.Fprintf(w, "\nNote: %s.\n", note)
	}
	fmt.Fprintf(w, "\nNext: cosfit embed --data %s\n", shell.Quote(r.Folder))
}
