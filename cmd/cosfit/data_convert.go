package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader/prepare"
)

func dataConvertCommand() *cli.Command {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "in", Usage: "a data set folder, a wide Parquet file, or \"sample\""},
		&cli.StringFlag{Name: "out", Usage: "what to write: a wide file where the name ends in .parquet, else a folder"},
		&cli.BoolFlag{Name: "force", Usage: "replace a file or a data set that is there"},
	}
	flags = append(flags, dataFlagsWithout("data", "strict")...)
	return &cli.Command{
		Name:  "convert",
		Usage: "write a data set folder as a wide file, or a wide file as a folder",
		Description: "Vectors, labels with their scale, groups, splits and kinds stay as they are, bit by\n" +
			"bit. A wide file has no texts that are in no pair. A folder needs the texts. Either\n" +
			"appears whole or not at all, and may be larger than memory.\n\n" +
			"Examples:\n" +
			"  cosfit data convert --in sample --out sample.parquet\n" +
			"  cosfit data convert --in sample.parquet --out folder",
		Flags:  append(flags, jsonFlag()),
		Action: convertData,
	}
}

// A conversion is what convert did.
type conversion struct {
	In       string  `json:"in"`
	Out      string  `json:"out"`
	Layout   string  `json:"layout"` // of out
	Pairs    int     `json:"pairs"`
	Texts    int     `json:"texts"`
	LeftOut  int     `json:"texts_left_out,omitempty"`
	Seconds  float64 `json:"seconds"`
	PairRate float64 `json:"pairs_per_second"`
}

func convertData(c *cli.Context) error {
	in, out, force := c.String("in"), c.String("out"), c.Bool("force")
	switch {
	case in == "":
		return usage("--in is missing: name a data set folder, a wide Parquet file, or \"sample\"")
	case out == "":
		return usage("--out is missing: name what to write, a file such as --out pairs.parquet or a folder")
	}
	if err := checkConverted(in, out, force); err != nil {
		return err
	}
	source, err := sourceFrom(c, rundir.Data{Path: in})
	if err != nil {
		return err
	}
	opts, err := loaderOptions(c, source)
	if err != nil {
		return err
	}
	data, err := openWith(c.Context, source.Path, opts)
	if err != nil {
		return err
	}
	defer data.Close()
	done := conversion{In: in, Out: out, Pairs: data.Pairs.Len(), Texts: data.Vectors.Rows(), Layout: "folder"}
	start := time.Now()
	bar := newRowBar(c.App.ErrWriter, isTerminal(c.App.ErrWriter), int64(data.Pairs.Len()), "pair")
	convert := &prepare.Conversion{Data: data, Scratch: c.String("scratch"), Show: bar.show}
	if isWide(out) {
		done.Layout = "wide"
		done.LeftOut, err = convert.Wide(c.Context, out)
	} else {
		err = convert.Folder(c.Context, out, force)
	}
	bar.stop()
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted: %s was not written", out)
	}
	if err != nil {
		return err
	}
	done.Seconds = time.Since(start).Seconds()
	done.PairRate = float64(done.Pairs) / done.Seconds
	if c.Bool("json") {
		return writeJSON(c.App.Writer, done)
	}
	left := ""
	if done.LeftOut > 0 {
		left = fmt.Sprintf(", %s texts that are in no pair left out", humanize.Comma(int64(done.LeftOut)))
	}
	fmt.Fprintf(c.App.Writer, "%s: %s pairs of %s texts, %d dimensions%s, %.1f s\n", out, humanize.Comma(int64(done.Pairs)), humanize.Comma(int64(done.Texts)), data.Vectors.Dim, left, done.Seconds)
	return nil
}

func isWide(path string) bool { return strings.HasSuffix(path, ".parquet") }

// checkConverted refuses what would lose something, before work is spent on it.
func checkConverted(in, out string, force bool) error {
	if sameFile(in, out) {
		return usage("--out is the same as --in: choose another name")
	}
	if !isWide(out) {
		return prepare.CheckOut(out, force)
	}
	return checkOutFile(out, force)
}
