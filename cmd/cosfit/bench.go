package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/benchmarks"
	"github.com/cosfit/cosfit/cuda"
	"github.com/cosfit/cosfit/internal/kernel"
)

func benchCommand() *cli.Command {
	return &cli.Command{
		Name:  "bench",
		Usage: "measure speed beside the peers that are installed",
		Description: "Times cosfit, plain Gorgonia, and what the interpreter python3 can import (PyTorch,\n" +
			"the notebook's own formulas, JAX, OpenBLAS through ctypes) in one run, in turns, with\n" +
			"as many threads each, and measures what the machine itself can do. A build with\n" +
			"-tags openblas also has OpenBLAS without Python, alone and under Gorgonia.\n\n" +
			"On a GPU the peers are PyTorch, plain, compiled and captured in a CUDA graph, and the\n" +
			"notebook's formulas, and the limits are copying the card's memory and cuBLASLt.\n\n" +
			"Examples:\n" +
			"  cosfit bench step --quick\n" +
			"  cosfit bench run --python venv/bin/python\n" +
			"  cosfit bench core --json > core.json\n" +
			"  cosfit bench step --out benchmarks/results\n" +
			"  cosfit bench step --device cuda --precision bf16",
		HideHelpCommand: true,
		Subcommands: []*cli.Command{
			benchmark(benchmarks.Core, "matrix products of several sizes, with each arithmetic that the processor can run",
				"The products of a step and of a comparison at 64 to 8,192 rows, 1,536 × 1,024, on one\n"+
					"thread and on all."),
			benchmark(benchmarks.Step, "a training step: forward, gradient and update, with dropout",
				"Steps of 1,000 pairs, 1,536 → 1,024, and of 128 and 64 pairs, 384 → 384. Speed counts\n"+
					"8·B·d·k operations a step."),
			benchmark(benchmarks.Run, "the notebook's whole run, on made-up pairs",
				"11,034 training and 4,947 test pairs, 1,536 → 1,024, 20 epochs, both splits scored\n"+
					"after each; one epoch with --quick."),
			benchmark(benchmarks.Load, "opening a Parquet file and streaming from it, beside what a step consumes",
				"Vectors of 1,536 dimensions, from a file that was just written."),
			{Name: servePeer, Hidden: true, HideHelp: true, Action: func(c *cli.Context) error {
				return benchmarks.ServePeer(c.Context, os.Stdin, c.App.Writer)
			}},
		},
		Action: func(c *cli.Context) error {
			if !c.Args().Present() {
				return cli.ShowSubcommandHelp(c)
			}
			return usage("unknown benchmark %q; there are: %s", c.Args().First(), strings.Join(benchmarks.Names(), ", "))
		},
	}
}

// servePeer is the command with which bench starts itself.
const servePeer = "peer"

func benchmark(name, short, long string) *cli.Command {
	return &cli.Command{
		Name: name, Usage: short,
		Description: long + "\n\nExamples:\n" +
			"  cosfit bench " + name + " --quick\n" +
			"  cosfit bench " + name + " --python venv/bin/python --out benchmarks/results",
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "quick", Usage: "end within 45 seconds: fewer sizes, turns and epochs"},
			&cli.StringFlag{Name: "python", Value: "python3", Usage: "interpreters whose packages take part, separated by commas, or - for none"},
			&cli.StringFlag{Name: "out", Usage: "folder for the results as MACHINE-DATE.json and as a chart; those of other benchmarks in the same file stay"},
			&cli.IntFlag{Name: "threads", Usage: "of cosfit and its peers; 0 means all", DefaultText: "all"},
			jsonFlag(),
		}, deviceFlags()...),
		Action: bench,
	}
}

func bench(c *cli.Context) error {
	if err := kernel.Check(); err != nil {
		return usage("%w", err)
	}
	threads := c.Int("threads")
	if threads < 0 || threads > runtime.GOMAXPROCS(0) {
		return usage("--threads is %d, want 0 for all or a number up to the %d there are", threads, runtime.GOMAXPROCS(0))
	}
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	var pythons []string
	if p := c.String("python"); p != "" && p != "-" {
		pythons = strings.Split(p, ",")
	}
	if dir := c.String("out"); dir != "" { // before minutes of measuring
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return fmt.Errorf("--out %s cannot be made a folder: %w: choose another", dir, errors.Unwrap(err))
		}
	}
	gpu, err := gpuFrom(c)
	if err != nil {
		return err
	}
	options := benchmarks.Options{
		Benchmark: c.Command.Name, Quick: c.Bool("quick"), Threads: threads, Host: host(c, gpu), Pythons: pythons, GPU: gpu,
		Progress: func(text string) { fmt.Fprintf(c.App.ErrWriter, "%s\n", text) },
	}
	if self, err := os.Executable(); err == nil {
		options.Self = []string{self, "bench", servePeer}
	}
	result, err := benchmarks.Measure(c.Context, options)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		err = writeJSON(c.App.Writer, result)
	} else {
		result.Print(c.App.Writer)
	}
	if dir := c.String("out"); err == nil && dir != "" {
		files, problem := result.Save(dir)
		for _, f := range files {
			fmt.Fprintf(c.App.ErrWriter, "wrote %s\n", f)
		}
		err = problem
	}
	return err
}

// baseNames leaves the folders out of a list of programs: results are read on
// other machines.
func baseNames(list string) string {
	names := strings.Split(list, ",")
	for i, name := range names {
		names[i] = filepath.Base(name)
	}
	return strings.Join(names, ",")
}

// gpuFrom is the GPU that --device asks to be measured, nil for the CPU.
func gpuFrom(c *cli.Context) (*benchmarks.GPU, error) {
	p, err := placeFrom(c)
	if err != nil {
		return nil, err
	}
	backend, err := p.open()
	if err != nil {
		return nil, err
	}
	defer backend.Close()
	p.tell(c.App.ErrWriter)
	if backend.Name() == "cpu" {
		return nil, nil
	}
	o := p.options()
	o.Precision = cuda.Precision(backend.Precision())
	return &benchmarks.GPU{Options: o, Kernel: backend.Kernel()}, nil
}

// nameOf is a GPU with its driver, as results call it.
func nameOf(g *benchmarks.GPU) string {
	name := "a GPU"
	if devices, err := cuda.Devices(); err == nil && g.Device < len(devices) {
		name = devices[g.Device].Name
	}
	for _, l := range cuda.Libraries() {
		if l.Name == "driver" && l.Err == nil {
			name += ", driver of CUDA " + l.Version
		}
	}
	return name
}

// host describes this machine and this program.
func host(c *cli.Context, gpu *benchmarks.GPU) benchmarks.Host {
	m := look(systemFiles(), runtime.NumCPU(), runtime.GOMAXPROCS(0))
	command := []string{"cosfit", "bench", c.Command.Name}
	for _, f := range c.Command.Flags {
		if name := f.Names()[0]; c.IsSet(name) && !slices.Contains([]string{"json", "out", "config"}, name) {
			value := fmt.Sprint(c.Value(name))
			if name == "python" {
				value = baseNames(value)
			}
			command = append(command, "--"+name+"="+value)
		}
	}
	h := benchmarks.Host{
		CPU: orUnknown(m.CPU.Model), Cores: m.CPU.Logical, OS: m.OS, Arch: m.Arch, Go: m.Go, Version: m.Version,
		Kernel: m.CPU.Kernel, Date: time.Now().Format(time.DateOnly), Command: strings.Join(command, " "), Peers: []benchmarks.Peer{},
	}
	if gpu != nil {
		h.GPU, h.Kernel = nameOf(gpu), gpu.Kernel
	}
	return h
}
