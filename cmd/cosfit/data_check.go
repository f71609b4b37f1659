package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/prepare"
	"github.com/cosfit/cosfit/loader/sample"
)

func dataCheckCommand() *cli.Command {
	flags := append(dataFlagsWithout("strict"),
		&cli.BoolFlag{Name: "strict", Usage: "fail on warnings too"},
		&cli.BoolFlag{Name: "fix-leakage", Usage: "write the data set to --out without the pairs that share a group, a text or almost a text with a split that is more held out: first validation pairs that share with test, then training pairs that share with either"},
		&cli.StringFlag{Name: "out", Usage: "what --fix-leakage writes: a wide file where the name ends in .parquet, else a folder"},
		&cli.BoolFlag{Name: "force", Usage: "replace what is in --out"},
	)
	return &cli.Command{
		Name:      "check",
		Usage:     "look for everything that can be wrong with a data set",
		UsageText: usageText("data check", "FILE|FOLDER|sample"),
		Description: "Ids, texts, labels, splits, pairs that come again, vectors where there are some, and\n" +
			"what splits share: groups, texts, and texts that are almost the same. Findings that\n" +
			"break training make the exit code 1; warnings do with --strict.\n\n" +
			"Examples:\n" +
			"  cosfit data check questions\n" +
			"  cosfit data check questions --fix-leakage --out questions-clean",
		Flags:  append(flags, jsonFlag()),
		Action: checkData,
	}
}

// A checkup is what check found and did.
type checkup struct {
	Data     string          `json:"data"`
	Findings loader.Findings `json:"findings"`
	Mended   *mended         `json:"mended,omitempty"`
}

// mended is what --fix-leakage did.
type mended struct {
	Out  string         `json:"out"`
	Gone map[string]int `json:"pairs_left_out"` // of each split
	Left int            `json:"pairs"`
}

func checkData(c *cli.Context) error {
	source, err := sourceFrom(c, rundir.Data{})
	if err != nil {
		return err
	}
	out := c.String("out")
	switch {
	case c.Bool("fix-leakage") && out == "":
		return usage("--fix-leakage writes another data set: name it with --out")
	case !c.Bool("fix-leakage") && out != "":
		return usage("--out goes with --fix-leakage: checking writes nothing")
	case out != "":
		if err := checkConverted(source.Path, out, c.Bool("force")); err != nil {
			return err
		}
	}
	opts, err := loaderOptions(c, source)
	if err != nil {
		return err
	}
	done := checkup{Data: source.Path}
	if source.Path == sample.Name {
		done.Findings, err = loader.CheckFS(c.Context, sample.FS(), sample.Name, opts)
	} else {
		done.Findings, err = loader.Check(c.Context, source.Path, opts)
	}
	if err != nil {
		return err
	}
	if out != "" && !done.Findings.Break() {
		if done.Mended, err = mend(c, source.Path, opts, out); err != nil {
			return err
		}
	}
	if err := done.report(c); err != nil {
		return err
	}
	return done.verdict(c)
}

// mend writes a data set without its leaks. From a folder to a folder, vectors are
// copied as they are, of all models, where it has some.
func mend(c *cli.Context, path string, opts loader.Options, out string) (*mended, error) {
	opts.Strict = false
	convert := &prepare.Conversion{Scratch: opts.Scratch}
	if folder := folderOf(path); folder != nil && !isWide(out) {
		opts.PairsOnly = true
		if info, err := fs.Stat(folder, "embeddings"); err == nil && info.IsDir() {
			if convert.Embeddings, err = fs.Sub(folder, "embeddings"); err != nil {
				return nil, err
			}
		}
	}
	data, err := openWith(c.Context, path, opts)
	if err != nil {
		return nil, err
	}
	defer data.Close()
	data.SplitGiven = true // else another would be drawn of what is left
	keep, gone, err := data.MendLeaks(c.Context)
	if err != nil {
		return nil, err
	}
	m := &mended{Out: out, Gone: map[string]int{}, Left: data.Pairs.Len()}
	for s, n := range gone {
		m.Gone[loader.Split(s).String()] = n
		m.Left -= n
	}
	if n := gone[loader.Train]; n == len(data.Indices(loader.Train)) {
		return nil, fmt.Errorf("%s: all %d training pairs share something with validation or test, so that nothing would be left to learn from: draw the split anew when you prepare the data", path, n)
	}
	convert.Data, convert.Keep = data, keep
	if isWide(out) {
		_, err = convert.Wide(c.Context, out)
		return m, err
	}
	return m, convert.Folder(c.Context, out, c.Bool("force"))
}

// folderOf is a data set folder, or nil.
func folderOf(path string) fs.FS {
	if path == sample.Name {
		return sample.FS()
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return os.DirFS(path)
	}
	return nil
}

func (d checkup) report(c *cli.Context) error {
	if c.Bool("json") {
		if d.Findings == nil {
			d.Findings = loader.Findings{}
		}
		return writeJSON(c.App.Writer, d)
	}
	w := c.App.Writer
	for _, f := range d.Findings {
		kind := "warning"
		if f.Breaks {
			kind = "error"
		}
		fmt.Fprintf(w, "%s: %s\n", kind, oneLine(f.Text))
	}
	if len(d.Findings) == 0 {
		fmt.Fprintf(w, "%s: nothing found\n", d.Data)
	}
	if m := d.Mended; m != nil {
		comma := func(n int) string { return humanize.Comma(int64(n)) }
		fmt.Fprintf(w, "%s: %s pairs, without %s training and %s validation pairs that shared something with a split that is more held out\n",
			m.Out, comma(m.Left), comma(m.Gone[loader.Train.String()]), comma(m.Gone[loader.Validation.String()]))
	}
	return nil
}

// verdict fails where something breaks training, or is wrong at all and --strict
// is set; what was mended counts as right.
func (d checkup) verdict(c *cli.Context) error {
	broken, warned := 0, 0
	for _, f := range d.Findings {
		switch {
		case f.Breaks:
			broken++
		case d.Mended == nil || f.Name != "leak" && f.Name != "alike":
			warned++
		}
	}
	switch {
	case broken > 0 && c.String("out") != "":
		return fmt.Errorf("%s: it cannot be trained on, so that nothing was mended", d.Data)
	case broken > 0:
		return errors.New(d.Data + ": it cannot be trained on")
	case warned > 0 && c.Bool("strict"):
		return errors.New(d.Data + ": there are warnings, and --strict is set")
	}
	return nil
}
