package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/negatives"
	"github.com/cosfit/cosfit/loader/prepare"
)

func preparePairsCommand() *cli.Command {
	return &cli.Command{
		Name:  "pairs",
		Usage: "labelled pairs, triplets, classes, questions with their passages",
		Description: "Reads CSV, TSV, JSON, Parquet, SQuAD's JSON, a BEIR folder or LlamaIndex' fine-tuning\n" +
			"JSON, packed with gzip, zstd, bzip2 or not. Columns are guessed from their names and said.\n\n" +
			"Examples:\n" +
			"  cosfit prepare pairs --in pairs.csv --out data\n" +
			"  cosfit prepare pairs --train-file train.tsv --test-file test.tsv --score-range 0:5 --out data\n" +
			"  cosfit prepare pairs --in squad.json --hard 4 --out data",
		Flags:  slices.Concat(pairsFlags(), similarityFlags(""), draftFlags()),
		Action: preparePairs,
	}
}

// pairsFlags say what to read and how. All of them decide what the data set is.
func pairsFlags() []cli.Flag {
	const input, columns, pairs = "INPUT", "COLUMNS (of tables, guessed from the usual names; - means none)", "PAIRS"
	text := func(name, usage, category, standard string) cli.Flag {
		return &cli.StringFlag{Name: name, Usage: usage, Category: category, DefaultText: standard}
	}
	count := func(name, usage, standard string) cli.Flag {
		return &cli.IntFlag{Name: name, Usage: usage, Category: pairs, DefaultText: standard}
	}
	column := func(role, usage string) cli.Flag { return text(role+"-column", usage, columns, "") }
	return append([]cli.Flag{
		text("in", "a file, or a folder in BEIR's form", input, ""),
		text("train-file", "instead of --in, a file of the training split", input, ""),
		text("validation-file", "one of the validation split", input, ""),
		text("test-file", "one of the test split", input, ""),
		text("format", sources().list(), input, "auto: told by first bytes, keys and name"),
		text("delimiter", "between the fields of csv: a character, or tab", input, "the first line tells"),
		text("quotes", "double|none: whether quotation marks around a field of csv and tsv are taken off", input, "double"),
		&cli.BoolFlag{Name: "no-header", Usage: "csv and tsv have no line of names: columns are called 1, 2, …", Category: input},
		column("left", "left texts, such as queries"),
		column("right", "right texts, such as passages"),
		column("negative", "right texts that are dissimilar; NAME means NAME_1, NAME_2 and so on as well"),
		column("label", "0 and 1, -1 and 1, true and false, or scores; without it all pairs are similar"),
		column("text", "texts that have a class, instead of left and right"),
		column("class", "classes: texts of one are similar"),
		column("group", "what a split must not tear, instead of the left text"),
		column("split", "train, validation or test"),
		column("kind", strings.Join(loader.KindNames(), ", ")),
		column("source", "documents that the right texts come from"),
		text("score-range", "scale of the labels, such as 0:5 or 0..5", pairs, "0:1, or -1:1 where one is negative"),
		text("unit", "paragraph|sentence: what answers a question of squad", pairs, "paragraph"),
		count("pairs-per-text", "pairs drawn with each text that has a class, similar and as many dissimilar ones", "2"),
		count("weak", "negatives for each query, drawn at random from other groups and sources", "2 where all pairs are similar, else 0"),
		count("hard", "negatives for each query, from the passages of the same source: the most similar ones under the vectors of a provider, or drawn at random", "0"),
		&cli.BoolFlag{Name: "all-passages", Usage: "keep passages that are in no pair as well, for cosfit mine to find negatives in; they are embedded too", Category: pairs},
	}, splitFlags()...)
}

// A pairsPlan is what to read and how.
type pairsPlan struct {
	form   string
	files  []prepare.File
	source prepare.Source
	weak   int
	drawn  bool // weak was said
	hard   int
	jobs   []embedJob // by whose vectors hard negatives are chosen; none means at random
	seed   uint64
	split  prepare.SplitOptions
}

// pairsPlanFrom reads the flags of pairsFlags.
func pairsPlanFrom(c *cli.Context) (p pairsPlan, err error) {
	if p.files, err = pairsFiles(c); err != nil {
		return p, err
	}
	if p.form, err = formOf(c, p.files); err != nil {
		return p, err
	}
	create, err := sources().get("format", p.form)
	if err != nil {
		return p, err
	}
	if err := formFlags(c, p.form); err != nil {
		return p, err
	}
	if p.source, err = create(c, p.files); err != nil {
		return p, err
	}
	if p.weak, err = countFrom(c, "weak", 0); err != nil {
		return p, err
	}
	if p.split, err = splitFrom(c); err != nil {
		return p, err
	}
	p.drawn, p.seed = c.IsSet("weak"), c.Uint64("seed")
	p.hard, err = countFrom(c, "hard", 0)
	return p, err
}

// pairsFiles lists the files that are named, with their splits.
func pairsFiles(c *cli.Context) (files []prepare.File, err error) {
	for _, split := range loader.SplitNames() {
		if path := c.String(split + "-file"); path != "" {
			files = append(files, prepare.File{Path: path, Split: split})
		}
	}
	const each = "--train-file, --validation-file and --test-file"
	switch in := c.String("in"); {
	case in != "" && len(files) > 0:
		return nil, usage("--in and --%s-file both name data: give one file of all splits, or a file for each with %s", files[0].Split, each)
	case in != "":
		return []prepare.File{{Path: in}}, nil
	case len(files) == 0:
		return nil, usage("--in is missing: name a file of pairs, or one for each split with %s", each)
	}
	return files, nil
}

// formOf is the form of the files, which must be the same.
func formOf(c *cli.Context, files []prepare.File) (form string, err error) {
	if form = c.String("format"); form != "" && form != "auto" {
		return form, nil
	}
	for i, file := range files {
		own, err := prepare.Detect(c.Context, file.Path)
		if err != nil {
			return "", err
		}
		if i > 0 && own != form {
			return "", usage("%s is %s and %s is %s: all files need the same form, or say it with --format", files[0].Path, form, file.Path, own)
		}
		form = own
	}
	return form, nil
}

// formFlags refuses flags that say nothing about a form.
func formFlags(c *cli.Context, form string) error {
	csv := []string{prepare.FormCSV, prepare.FormTSV}
	tables := append(csv, prepare.FormJSONLines, prepare.FormJSON, prepare.FormParquet)
	of := map[string][]string{
		"delimiter": {prepare.FormCSV}, "quotes": csv, "no-header": csv, "pairs-per-text": tables,
		"score-range": append(tables, prepare.FormBEIR), "unit": {prepare.FormSQuAD},
	}
	for role := range columnsFrom(c, &prepare.Columns{}) {
		of[role] = tables
	}
	for _, f := range c.Command.Flags {
		name := f.Names()[0]
		if forms := of[name]; forms != nil && c.IsSet(name) && !slices.Contains(forms, form) {
			return usage("--%s goes with %s, not %s", name, strings.Join(forms, ", "), form)
		}
	}
	return nil
}

// columnsFrom reads the flags that name columns, and returns them.
func columnsFrom(c *cli.Context, to *prepare.Columns) map[string]*string {
	flags := map[string]*string{
		"left-column": &to.Left, "right-column": &to.Right, "negative-column": &to.Negative, "label-column": &to.Label,
		"text-column": &to.Text, "class-column": &to.Class, "group-column": &to.Group, "split-column": &to.Split,
		"kind-column": &to.Kind, "source-column": &to.Source,
	}
	for flag, field := range flags {
		*field = c.String(flag)
	}
	return flags
}

// tableFrom reads the flags of tables.
func tableFrom(c *cli.Context, files []prepare.File) (t prepare.Table, err error) {
	t.Files = files
	columnsFrom(c, &t.Columns)
	if t.Scale, err = scaleFrom(c); err != nil {
		return t, err
	}
	if t.Classes.PairsPerText, err = countFrom(c, "pairs-per-text", 0); err == nil && c.IsSet("pairs-per-text") && t.Classes.PairsPerText == 0 {
		err = usage("--pairs-per-text is 0, want 1 or more")
	}
	t.Classes.Seed = c.Uint64("seed")
	return t, err
}

func scaleFrom(c *cli.Context) (prepare.Scale, error) {
	s, err := prepare.ParseScale(c.String("score-range"))
	if err != nil {
		return s, usage("--score-range: %w", err)
	}
	return s, nil
}

func csvFrom(c *cli.Context, files []prepare.File) (prepare.Source, error) {
	t, err := tableFrom(c, files)
	s := &prepare.CSV{Table: t, NoHeader: c.Bool("no-header")}
	switch quotes := c.String("quotes"); quotes {
	case "", "double":
	case "none":
		s.NoQuotes = true
	default:
		return nil, usage("--quotes %q is unknown; there are: double, none", quotes)
	}
	switch text := []rune(c.String("delimiter")); {
	case len(text) == 0:
	case string(text) == "tab" || string(text) == `\t`:
		s.Comma = '\t'
	case len(text) == 1 && !strings.ContainsRune("\"\r\n", text[0]) && text[0] != '\uFFFD':
		s.Comma = text[0]
	default:
		return nil, usage("--delimiter is %q, want one character, or tab", string(text))
	}
	return s, err
}

func tsvFrom(c *cli.Context, files []prepare.File) (prepare.Source, error) {
	s, err := csvFrom(c, files)
	if err == nil {
		s.(*prepare.CSV).Comma = '\t'
	}
	return s, err
}

func jsonLinesFrom(c *cli.Context, files []prepare.File) (prepare.Source, error) {
	t, err := tableFrom(c, files)
	return &prepare.JSONLines{Table: t}, err
}

func jsonArrayFrom(c *cli.Context, files []prepare.File) (prepare.Source, error) {
	t, err := tableFrom(c, files)
	return &prepare.JSONArray{Table: t}, err
}

func parquetFrom(c *cli.Context, files []prepare.File) (prepare.Source, error) {
	t, err := tableFrom(c, files)
	return &prepare.Parquet{Table: t}, err
}

func squadFrom(c *cli.Context, files []prepare.File) (prepare.Source, error) {
	unit := c.String("unit")
	if unit != "" && unit != "paragraph" && unit != "sentence" {
		return nil, usage("--unit %q is unknown; there are: paragraph, sentence", unit)
	}
	return &prepare.SQuAD{Files: files, Sentences: unit == "sentence"}, nil
}

func beirFrom(c *cli.Context, files []prepare.File) (prepare.Source, error) {
	if len(files) > 1 || files[0].Split != "" {
		return nil, usage("a folder in BEIR's form has all splits: name it with --in")
	}
	scale, err := scaleFrom(c)
	return &prepare.BEIR{Folder: files[0].Path, Scale: scale}, err
}

func llamaIndexFrom(_ *cli.Context, files []prepare.File) (prepare.Source, error) {
	return &prepare.LlamaIndex{Files: files}, nil
}

// read reads the source into a draft and adds the negatives that are asked for.
func (p *pairsPlan) read(c *cli.Context, d *prepare.Draft) error {
	err := prepare.Read(c.Context, p.source, d)
	if errors.Is(err, prepare.ErrNoPairs) {
		err = fmt.Errorf("%s: %w", p.files[0].Path, err)
	}
	if err != nil {
		return err
	}
	only := d.OnlyPositives()
	if only && !p.drawn {
		p.weak = 2
	}
	split := p.split
	if only || p.weak+p.hard > 0 {
		// Negatives that are drawn join what has nothing to do with each other, so
		// there would be no parts to judge in: a query's answer would be known, and as
		// a wrong one alone. Without dissimilar pairs a search judges, never in parts.
		split.Undivided = 0
	}
	report, err := d.Split(c.Context, split)
	if err != nil {
		return err
	}
	said := report.Sentences()
	if report.By == loader.ByColumn { // which the table shows
		said = said[1:]
	}
	d.Notes = append(d.Notes, said...)
	if only && !p.drawn {
		d.Notes = append(d.Notes, fmt.Sprintf("all pairs are similar, so each query gets %d dissimilar ones, drawn at random (--weak)", p.weak))
	}
	o := negatives.Options{Weak: p.weak, Hard: p.hard, Seed: p.seed, Threads: runtime.GOMAXPROCS(0)}
	found, err := draftNegatives(c, d, o, p.jobs)
	if err != nil {
		return err
	}
	d.Notes = append(d.Notes, describeNegatives(found, len(p.jobs) > 0)...)
	if d.OnlyNegatives() {
		d.Notes = append(d.Notes, "there are no similar pairs, which training needs")
	}
	if d.OnlyPositives() {
		d.Notes = append(d.Notes, "there are no dissimilar pairs, which training needs: there may be too few texts, or ask for more with --weak and --hard")
	}
	return nil
}

func preparePairs(c *cli.Context) error {
	plan, err := pairsPlanFrom(c)
	if err != nil {
		return err
	}
	out, err := outFrom(c)
	if err != nil {
		return err
	}
	if plan.hard == 0 && c.IsSet("provider") {
		return usage("--provider chooses hard negatives: say how many each query gets with --hard")
	}
	if plan.jobs, err = similarityJobs(c); err != nil {
		return err
	}
	summary, err := plan.write(c, out, c.Bool("force"))
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, struct {
			Format string `json:"format"`
			Folder string `json:"folder"`
			prepare.Summary
		}{plan.form, out, summary})
	}
	tellPrepared(c.App.Writer, summary, "cosfit prepare pairs · "+plan.form, plan.files, out)
	return nil
}

// write reads the source and writes the data set.
func (p *pairsPlan) write(c *cli.Context, out string, replace bool) (s prepare.Summary, err error) {
	d, err := draftFrom(c)
	if err != nil {
		return s, err
	}
	defer d.Close()
	if err := p.read(c, d); err != nil {
		return s, err
	}
	if err := d.Write(out, prepare.WriteOptions{Replace: replace, Passages: c.Bool("all-passages")}); err != nil {
		return s, err
	}
	return d.Summarize(), nil
}

// name is what the user named.
func (p *pairsPlan) name() string {
	var paths []string
	for _, f := range p.files {
		paths = append(paths, oneLine(f.Path))
	}
	return strings.Join(paths, ", ")
}

// title names the file, or says how many there are, and the form.
func (p *pairsPlan) title() string {
	name := filepath.Base(p.files[0].Path)
	if len(p.files) > 1 {
		name = fmt.Sprintf("%d files", len(p.files))
	}
	return oneLine(name) + " · " + p.form
}
