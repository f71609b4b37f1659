package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/cuda"
	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/internal/kernel"
	"github.com/cosfit/cosfit/internal/rundir"
)

// A place is where to compute and how.
type place struct {
	device    string         // a name in backends
	number    int            // of the GPU
	precision cuda.Precision // of training steps; empty for the device's own
	threads   int            // of the CPU; 0 means all
	run       string         // folder of the run that goes on there; empty for one that begins
	note      string         // what open has to tell; empty for nothing
}

// precisions are the values of --precision.
func precisions() []string {
	return []string{string(cuda.FP32), string(cuda.TF32), string(cuda.BF16)}
}

func deviceFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "device", Value: "auto", Usage: "where to compute: " + backends().list() + ", or cuda:1 for the second GPU; auto takes a GPU where there is one"},
		&cli.StringFlag{Name: "precision", Usage: "of a training step's products: " + strings.Join(precisions(), "|") + "; less than fp32 on a GPU, or a processor with a matrix engine (AMX). Scoring is in fp32", DefaultText: "tf32 on a GPU, fp32 on the CPU"},
	}
}

// placeFrom reads --device, --precision and --threads.
func placeFrom(c *cli.Context) (*place, error) { return placeOn(c, c.String("device")) }

// placeOn is placeFrom for one device of several.
func placeOn(c *cli.Context, device string) (*place, error) {
	p := &place{threads: c.Int("threads"), precision: cuda.Precision(c.String("precision"))}
	name, number, numbered := strings.Cut(device, ":")
	if _, err := backends().get("device", name); err != nil {
		return p, err
	}
	p.device = name
	if numbered {
		n, err := strconv.Atoi(number)
		if name != "cuda" || err != nil || n < 0 {
			return p, usage("--device is %q, want one of %s, or cuda:1 for the second GPU", device, strings.Join(backends().names(), ", "))
		}
		p.number = n
	}
	if p.precision != "" && !slices.Contains(precisions(), string(p.precision)) {
		return p, usage("--precision %q is unknown; there are: %s", p.precision, strings.Join(precisions(), ", "))
	}
	return p, nil
}

// open opens the backend. What there is to tell is told later, when nothing
// else can be wrong with the command line.
func (p *place) open() (graph.Backend, error) {
	b, err := backends()[p.device](p)
	switch {
	case err == nil:
	case p.run != "":
		err = fmt.Errorf("%s was begun with --device %s and goes on only there: %w", p.run, p.device, err)
	case errors.Is(err, cuda.ErrNoGPU):
		instead := "--device cpu"
		if p.coarse() {
			instead += " --precision fp32"
		}
		err = fmt.Errorf("%w; %s computes without one", err, instead)
	}
	return b, err
}

// tell writes what open had to tell.
func (p *place) tell(w io.Writer) {
	if p.note != "" {
		fmt.Fprintf(w, "cosfit: %s\n", oneLine(p.note))
	}
}

func openCPU(p *place) (graph.Backend, error) {
	if err := kernel.Check(); err != nil {
		return nil, usage("%w", err)
	}
	if p.coarse() {
		b, err := cpu.NewCoarse(p.threads, string(p.precision))
		if err != nil {
			return nil, fmt.Errorf("--precision %s: %w; --precision fp32 computes without one", p.precision, err)
		}
		return b, nil
	}
	return cpu.New(p.threads), nil
}

// coarse reports whether less than fp32 is asked for.
func (p *place) coarse() bool { return p.precision != "" && p.precision != cuda.FP32 }

func openCUDA(p *place) (graph.Backend, error) {
	return cuda.Open(p.options())
}

func (p *place) options() cuda.Options {
	return cuda.Options{Device: p.number, Precision: p.precision, Threads: p.threads, Cache: cudaCache()}
}

// cudaCache is the folder for compiled kernels, empty where the user has no
// folder for such things.
func cudaCache() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(cache, "cosfit", "cuda")
}

// openAuto takes a GPU where there is one that works, and else the CPU, which it
// says in a program that was built for a GPU.
func openAuto(p *place) (graph.Backend, error) {
	b, err := openCUDA(p)
	if err == nil {
		return b, nil
	}
	if p.coarse() && !kernel.Engine() {
		return nil, fmt.Errorf("--precision %s needs a GPU or a processor with a matrix engine: %w", p.precision, err)
	}
	if cuda.Supported {
		p.note = "computing on the CPU: " + err.Error()
	}
	return openCPU(p)
}

// goOn sets the flags that a resumed run takes from its beginning, as if they
// had been given.
func goOn(c *cli.Context, begun rundir.Config) error {
	if d := c.String("device"); d == "auto" && begun.Device != "" {
		if err := c.Set("device", begun.Device); err != nil {
			return err
		}
	}
	if c.String("precision") == "" && begun.Precision != "" {
		return c.Set("precision", begun.Precision)
	}
	return nil
}

// placeAgain is where a run goes on that was begun elsewhere or earlier.
func placeAgain(c *cli.Context, begun rundir.Config, run string) (*place, error) {
	p, err := placeFrom(c)
	if err != nil {
		return nil, err
	}
	if p.device != begun.Device || begun.Precision != "" && string(p.precision) != begun.Precision {
		return nil, fmt.Errorf("%s was begun with --device %s --precision %s, not --device %s --precision %s: resume with the same, or train into another folder",
			run, begun.Device, begun.Precision, p.device, p.precision)
	}
	p.run = run
	return p, nil
}
