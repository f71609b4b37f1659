package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/internal/atomicfile"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/projection"
)

func exportCommand() *cli.Command {
	return &cli.Command{
		Name:  "export",
		Usage: "write a run's matrix as a file for numpy, PyTorch and others",
		Description: "Writes the matrix, reads it back and compares.\n\n" +
			"Example:\n" +
			"  cosfit export --run cosfit-demo --format npy --out matrix.npy\n" +
			"  python -c \"import numpy as np; print(np.load('matrix.npy').shape)\"",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "run", Usage: "folder of the run"},
			&cli.StringFlag{Name: "format", Usage: formats().list(), DefaultText: "by the ending of --out"},
			&cli.StringFlag{Name: "out", Usage: "file to write"},
			&cli.IntFlag{Name: "dims", Usage: "the first columns alone, for vectors that were learned to be cut with --matryoshka", DefaultText: "all"},
			&cli.BoolFlag{Name: "force", Usage: "replace the file where it exists"},
			jsonFlag(),
		},
		Action: func(c *cli.Context) error {
			run, format, out := c.String("run"), c.String("format"), c.String("out")
			switch {
			case run == "":
				return usage("--run is missing: name the folder of a run, such as --run cosfit-demo")
			case out == "":
				return usage("--out is missing: name the file to write, such as --out matrix.npy")
			}
			format, err := formatOf(format, out)
			if err != nil {
				return err
			}
			if err := checkOutFile(out, c.Bool("force")); err != nil {
				return err
			}
			dir, err := rundir.Open(run)
			if err != nil {
				return err
			}
			p, err := dir.ReadMatrix()
			if err == nil && c.IsSet("dims") {
				if p, err = p.Cut(c.Int("dims")); err != nil {
					err = usage("--dims: %w", err)
				}
			}
			if err != nil {
				return err
			}
			if err := export(p, format, out); err != nil {
				return err
			}
			return reportExport(c, p, format, out)
		},
	}
}

// formatOf returns the format that a flag asks for, else the one that the file's
// ending names.
func formatOf(flag, out string) (string, error) {
	ending := strings.TrimPrefix(filepath.Ext(out), ".")
	_, named := formats()[ending]
	switch {
	case flag != "":
		if _, err := formats().get("format", flag); err != nil {
			return "", err
		}
		if named && ending != flag {
			return "", usage("--out %s has the name of another format than --format %s: choose another name", out, flag)
		}
		return flag, nil
	case !named:
		return "", usage("--out %s does not end in the name of a format: choose one with --format, there are: %s", out, strings.Join(formats().names(), ", "))
	}
	return ending, nil
}

// export writes a matrix and checks what can be read back.
func export(p *projection.Projection, format, out string) error {
	write, err := formats().get("format", format)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(out, func(w io.Writer) error { return write(p, w) }); err != nil {
		return err
	}
	back, err := projection.Load(out)
	if err == nil && (back.In != p.In || back.Out != p.Out || !slices.Equal(back.Matrix, p.Matrix)) {
		err = fmt.Errorf("%s: reads back as another matrix", out)
	}
	if err != nil {
		os.Remove(out)
		return fmt.Errorf("the export failed its check and was removed: %w", err)
	}
	return nil
}

func reportExport(c *cli.Context, p *projection.Projection, format, out string) error {
	if c.Bool("json") {
		return writeJSON(c.App.Writer, struct {
			Out    string `json:"out"`
			Format string `json:"format"`
			Rows   int    `json:"rows"`
			Cols   int    `json:"columns"`
		}{out, format, p.In, p.Out})
	}
	fmt.Fprintf(c.App.Writer, "%s: %d × %d, %s, read back and equal\n", out, p.In, p.Out, format)
	return nil
}
