package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/internal/shell"
	"github.com/cosfit/cosfit/loader/prepare"
)

func prepareCommand() *cli.Command {
	return &cli.Command{
		Name:  "prepare",
		Usage: "turn what you have into a data set",
		Description: "Reads labelled pairs and writes the folder that the other commands take as --data.\n\n" +
			"Examples:\n" +
			"  cosfit prepare pairs --in pairs.csv --out data\n" +
			"  cosfit embed --data data --provider hashing && cosfit train --data data --out runs/first",
		Action:      needsSubcommand,
		Subcommands: []*cli.Command{preparePairsCommand(), prepareNQCommand()},
	}
}

// draftFlags are what all ways to prepare data have in common, and where they
// write to.
func draftFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "out", Usage: "folder of the data set, new or empty"},
		&cli.BoolFlag{Name: "force", Usage: "replace a data set that is in --out"},
		&cli.Uint64Flag{Name: "seed", Usage: "of what is drawn"},
		maxBadFlag(),
		&cli.StringFlag{Name: "scratch", Usage: "folder for a file of the texts while they are read", DefaultText: "the user's cache folder"},
		jsonFlag(),
	}
}

func maxBadFlag() cli.Flag {
	return &cli.StringFlag{Name: "max-bad", Value: "1%", Usage: "share of the rows that may be bad; more is an error"}
}

// maxBadFrom reads "1%" or "0.01".
func maxBadFrom(c *cli.Context) (float64, error) {
	text := c.String("max-bad")
	number, percent := strings.CutSuffix(text, "%")
	x, err := strconv.ParseFloat(number, 64)
	if percent {
		x /= 100
	}
	if err != nil || !(x >= 0 && x <= 1) {
		return 0, usage("--max-bad is %q, want a share such as 1%% or 0.01", text)
	}
	return x, nil
}

// outFrom reads --out, and refuses a folder that cannot become a data set.
func outFrom(c *cli.Context) (string, error) {
	out := c.String("out")
	if out == "" {
		return "", usage("--out is missing: name a folder for the data set, such as --out data")
	}
	return out, prepare.CheckOut(out, c.Bool("force"))
}

// draftFrom begins a draft as the flags say. The caller closes it.
func draftFrom(c *cli.Context) (*prepare.Draft, error) {
	most, err := maxBadFrom(c)
	if err != nil {
		return nil, err
	}
	d := prepare.NewDraft(c.String("scratch"))
	d.Tally.Most = most
	return d, nil
}

// tellPrepared says what became of files, as tables.
func tellPrepared(w io.Writer, s prepare.Summary, title string, files []prepare.File, out string) {
	fmt.Fprintf(w, "\n%s\n\n", title)
	n := func(x int) string { return humanize.Comma(int64(x)) }
	rows := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, f := range files {
		split := ""
		if f.Split != "" {
			split = " (" + f.Split + ")"
		}
		fmt.Fprintf(rows, "%s\t%s%s\n", heading("files", i), oneLine(f.Path), split)
	}
	for i, c := range s.Columns {
		guessed := ""
		if c.Guessed {
			guessed = " (guessed)"
		}
		fmt.Fprintf(rows, "%s\t%s: %s%s\n", heading("columns", i), c.Role, oneLine(c.Column), guessed)
	}
	fmt.Fprintf(rows, "rows\t%s read, %s bad, %s repeated, %s contradicted\n", humanize.Comma(s.Rows), humanize.Comma(s.Bad), n(s.Repeated), n(s.Contradicted))
	fmt.Fprintf(rows, "labels\t%s\n", s.LabelRange)
	fmt.Fprintf(rows, "texts\t%s left, %s right\n", n(s.Queries), n(s.Passages))
	rows.Flush()
	for _, bad := range s.FirstBad {
		fmt.Fprintf(w, "  bad: %s\n", oneLine(bad))
	}
	fmt.Fprintln(w)
	tellCounts(w, s)
	for _, note := range s.Notes {
		fmt.Fprintf(w, "\nNote: %s.\n", note)
	}
	if out != "" {
		fmt.Fprintf(w, "\nNext: cosfit embed --data %s\n", shell.Quote(out))
	}
}

// tellCounts shows the pairs by kind and by split.
func tellCounts(w io.Writer, s prepare.Summary) {
	n := func(x int) string { return humanize.Comma(int64(x)) }
	const columns = "%-10s %10s %10s %10s %10s %11s\n"
	fmt.Fprintf(w, columns, "", "pairs", "similar", "dissimilar", "left texts", "right texts")
	line := func(c prepare.Count) {
		fmt.Fprintf(w, columns, c.Name, n(c.Pairs), n(c.Similar), n(c.Pairs-c.Similar), n(c.Queries), n(c.Passages))
	}
	for _, c := range s.Kinds {
		line(c)
	}
	for _, c := range s.Splits {
		line(c)
	}
	line(prepare.Count{Name: "all", Pairs: s.Pairs, Similar: s.Similar, Queries: s.Queries, Passages: s.Passages})
}

// heading is a name before the first of its lines only.
func heading(name string, line int) string {
	if line > 0 {
		return ""
	}
	return name
}

// countFrom reads a flag that counts; standard is what it is where it is not
// set.
func countFrom(c *cli.Context, name string, standard int) (int, error) {
	if !c.IsSet(name) {
		return standard, nil
	}
	n := c.Int(name)
	if n < 0 || n > math.MaxInt16 {
		return 0, usage("--%s is %d, want 0 to %d", name, n, math.MaxInt16)
	}
	return n, nil
}
