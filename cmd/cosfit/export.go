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
			&cli.StringFlag{Name: "format", Usage: formats().list(), DefaultText: "by the file's name, else safetensors"},
			&cli.StringFlag{Name: "out", Usage: "file to write"},
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
			if format == "" {
				format = formatByName(out)
			}
			if _, err := formats().get("format", format); err != nil {
				return err
			}
			if err := checkOutFile(out, c.Bool("force")); err != nil {
				return err
			}
			dir, err := rundir.Open(run)
			if err != nil {
				return err
			}
			if err := export(dir, format, out); err != nil {
				return err
			}
			return reportExport(c, dir, format, out)
		},
	}
}

// formatByName chooses the format whose name is the file's extension.
func formatByName(out string) string {
	name := strings.TrimPrefix(filepath.Ext(out), ".")
	if _, ok := formats()[name]; ok {
		return name
	}
	return "safetensors"
}

// export writes a run's matrix and checks what can be read back.
func export(dir rundir.Dir, format, out string) error {
	write, err := formats().get("format", format)
	if err != nil {
		return err
	}
	p, err := dir.ReadMatrix()
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

func reportExport(c *cli.Context, dir rundir.Dir, format, out string) error {
	p, err := dir.ReadMatrix()
	if err != nil {
		return err
	}
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
