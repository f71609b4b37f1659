package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/cosfit/cosfit/internal/atomicfile"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/projection"
	"github.com/cosfit/cosfit/trainer"
)

func applyCommand() *cli.Command {
	return &cli.Command{
		Name:  "apply",
		Usage: "customise a file of embeddings with a learned matrix",
		Description: "Writes the file again with each vector multiplied by the matrix: Parquet with all\n" +
			"other columns as they are, or npy. It is read and written in pieces, so it may be\n" +
			"larger than memory, and appears whole or not at all.\n\n" +
			"Examples:\n" +
			"  cosfit apply --run cosfit-demo --in passages.parquet --column embedding --out custom.parquet\n" +
			"  cosfit apply --matrix matrix.npy --in vectors.npy --out custom.npy --normalize",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "run", Usage: "folder of the run"},
			&cli.StringFlag{Name: "matrix", Usage: "a matrix file (.safetensors or .npy) instead of a run"},
			&cli.StringFlag{Name: "in", Usage: "file of embeddings: " + strings.Join(loader.VectorFormats(), " or ")},
			&cli.StringFlag{Name: "out", Usage: "file to write, in the same format"},
			&cli.StringFlag{Name: "column", Usage: "vectors in a Parquet file", DefaultText: "the only one that fits the matrix"},
			&cli.BoolFlag{Name: "normalize", Usage: "divide each result by its length", DefaultText: "as the matrix file says, else false"},
			&cli.StringFlag{Name: "side", Usage: "which side of a pair the texts are, left (queries) or right (passages), where it matters"},
			&cli.BoolFlag{Name: "force", Usage: "replace the file where it exists"},
			threadsFlag(), jsonFlag(),
		},
		Action: apply,
	}
}

// An application is what apply did.
type application struct {
	In         string  `json:"in"`
	Out        string  `json:"out"`
	Format     string  `json:"format"`
	Column     string  `json:"column,omitempty"`
	Rows       int64   `json:"rows"`
	Before     int     `json:"dimensions_before"`
	After      int     `json:"dimensions_after"`
	Normalized bool    `json:"normalized"`
	Seconds    float64 `json:"seconds"`
	Rate       float64 `json:"vectors_per_second"`
}

func apply(c *cli.Context) error {
	in, out := c.String("in"), c.String("out")
	if err := checkPaths(in, out, c.Bool("force")); err != nil {
		return err
	}
	p, _, err := matrixFrom(c)
	if err != nil {
		return err
	}
	if p, err = sideOf(p, c.String("side")); err != nil {
		return err
	}
	a := application{In: in, Out: out, Before: p.In, After: p.Out, Normalized: p.Metadata.Normalize}
	if c.IsSet("normalize") {
		a.Normalized = c.Bool("normalize")
	}
	f, err := loader.OpenVectors(in, c.String("column"), loader.Transform{In: p.In, Out: p.Out, Apply: func(dst, x []float32) {
		p.ApplyAll(dst, x, a.Normalized, c.Int("threads"))
	}})
	if err != nil {
		return err
	}
	defer f.Close()
	if name := strings.TrimPrefix(filepath.Ext(out), "."); name != f.Format && slices.Contains(loader.VectorFormats(), name) {
		return usage("--out %s has the name of another format: apply writes what it reads, here %s", out, f.Format)
	}
	a.Format, a.Column, a.Rows = f.Format, f.Column, f.Rows
	if f.Guessed && !c.Bool("json") {
		fmt.Fprintf(c.App.ErrWriter, "%s: column %s, the only one that fits the matrix's %d rows\n", in, f.Column, p.In)
	}
	if trainer.OtherModel(p.Metadata.Model, f.Model) {
		fmt.Fprintf(c.App.ErrWriter, "%s: the matrix was learned from vectors of %s, and these are of %s: it means nothing to them\n", in, p.Metadata.Model, f.Model)
	}
	start := time.Now()
	if err := customise(c.Context, f, out, newRowBar(c.App.ErrWriter, isTerminal(c.App.ErrWriter), f.Rows, "row")); err != nil {
		return err
	}
	a.Seconds = time.Since(start).Seconds()
	a.Rate = float64(a.Rows) / a.Seconds
	return a.report(c)
}

// checkPaths refuses what would lose a file.
func checkPaths(in, out string, force bool) error {
	switch {
	case in == "":
		return usage("--in is missing: name the file of embeddings, such as --in vectors.parquet")
	case out == "":
		return usage("--out is missing: name the file to write, such as --out custom.parquet")
	}
	if sameFile(in, out) {
		return usage("--out is the same file as --in: choose another name")
	}
	return checkOutFile(out, force)
}

// sideOf returns the projection for the texts of a side, which may be left out
// where it makes no difference.
func sideOf(p *projection.Projection, side string) (*projection.Projection, error) {
	learned := p.Metadata.Side
	oneSided := learned == projection.SideQuery || learned == projection.SideLeft
	switch {
	case !slices.Contains([]string{"", "left", "right"}, side):
		return nil, usage("--side %q is unknown; there are: left, right", side)
	case p.MatrixRight != nil && side == "":
		return nil, usage("--side is missing: the run has a matrix for each side, left (queries) and right (passages)")
	case oneSided && side == "":
		return nil, usage("--side is missing: the matrix is for left-side texts (queries) only, so say --side left where the file holds those")
	case oneSided && side == "right":
		return nil, errors.New("the matrix is for left-side texts (queries) only: right-side texts (passages) keep their embeddings as they are")
	case learned == projection.SideRight && side != "right":
		return nil, usage("--side right is missing: the matrix is for right-side texts (passages) only")
	case side == "right":
		return p.Right(), nil
	}
	return p.Left(), nil
}

// customise writes the file of vectors.
func customise(ctx context.Context, f *loader.VectorFile, out string, bar *rowBar) error {
	defer bar.stop()
	var failed error // in reading, which is not an error in writing out
	err := atomicfile.Write(out, func(w io.Writer) error {
		s := &sink{w: w}
		err := f.Write(ctx, s, bar.show)
		if s.err == nil {
			failed = err
		}
		return err
	})
	switch {
	case errors.Is(failed, context.Canceled):
		return fmt.Errorf("interrupted: %s was not written", out)
	case failed != nil:
		return failed
	}
	return err
}

// A sink remembers that it could not be written to.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	if err != nil {
		s.err = err
	}
	return n, err
}

func (a application) report(c *cli.Context) error {
	if c.Bool("json") {
		return writeJSON(c.App.Writer, a)
	}
	normalized := ""
	if a.Normalized {
		normalized = ", normalised"
	}
	_, err := fmt.Fprintf(c.App.Writer, "%s: %d rows, %d → %d%s, %.1f s, %.0f vectors/s\n",
		a.Out, a.Rows, a.Before, a.After, normalized, a.Seconds, a.Rate)
	return err
}

// A rowBar shows on a terminal how many rows, or other things, are done, and
// nothing elsewhere.
type rowBar struct {
	w    io.Writer
	bars *mpb.Progress
	bar  *mpb.Bar
}

func newRowBar(w io.Writer, terminal bool, rows int64, unit string) *rowBar {
	b := &rowBar{w: w}
	if terminal {
		if f, ok := fileOf(w); ok {
			w = f // which has a width
		}
		b.bars = mpb.New(mpb.WithOutput(w), mpb.ForceTTY(), mpb.WithAutoRefresh())
		// A terminal shows Ctrl-C as ^C where the cursor is, hence the \r.
		b.bar = b.bars.AddBar(rows, mpb.BarWidth(24), mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.CountersNoUnit("\r"+unit+" %d/%d")),
			mpb.AppendDecorators(decor.Percentage()))
	}
	return b
}

func (b *rowBar) show(rows int64) {
	if b.bar != nil {
		b.bar.SetCurrent(rows)
	}
}

// stop takes the bar away.
func (b *rowBar) stop() {
	if b.bar != nil {
		b.bar.Abort(true)
		b.bars.Wait()
		fmt.Fprint(b.w, "\r  \r") // over a ^C
	}
}
