package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/cpu"
	"golang.org/x/term"

	"github.com/cosfit/cosfit/cuda"
	engine "github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/internal/report"
	"github.com/cosfit/cosfit/internal/rundir"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "show what this machine offers, and what to do about what is missing",
		Description: "Looks at processor, memory, disk and terminal, measures the speed of arithmetic\n" +
			"and memory for about two seconds, and checks a training step against double precision.\n" +
			"Only a failed check makes it exit with 1.\n\n" +
			"Examples:\n" +
			"  cosfit doctor\n" +
			"  cosfit doctor --json",
		Flags:  []cli.Flag{jsonFlag()},
		Action: doctor,
	}
}

func doctor(c *cli.Context) error {
	m := look(systemFiles(), runtime.NumCPU(), runtime.GOMAXPROCS(0))
	m.Terminal = lookAtTerminal(c)
	m.Disk = lookAtDisk()
	m.SelfTest = selfTest(engine.New(0), selfTestTolerance)
	m.GPU = cudaRoom().look(m.GPU.Present)
	var err error
	if m.Speed, err = measure(c.Context, m.CPU.Used, m.Memory.Available); err != nil {
		return err
	}
	m.Bounds = bounds(m.Speed)
	m.ToDo = m.advice(os.Getenv)
	if c.Bool("json") {
		err = writeJSON(c.App.Writer, m)
	} else {
		report.Facts(c.App.Writer, m.title(), m.facts(), m.ToDo, styleFor(c.App.Writer))
	}
	if err == nil && !m.SelfTest.Passed {
		err = fmt.Errorf("the self-test failed: %s", m.SelfTest.Text)
	}
	if test := m.GPU.SelfTest; err == nil && test != nil && !test.Passed {
		err = fmt.Errorf("the self-test of the GPU failed: %s", test.Text)
	}
	return err
}

// A machine is what doctor found. Unknown figures are null in JSON.
type machine struct {
	Version  string   `json:"version"`
	Go       string   `json:"go"`
	OS       string   `json:"os"`
	Arch     string   `json:"arch"`
	CPU      cpus     `json:"cpu"`
	Memory   memory   `json:"memory"`
	Disk     []disk   `json:"disk"`
	GPU      gpus     `json:"gpu"`
	Speed    speed    `json:"speed"`
	Bounds   []bound  `json:"bounds"` // of training steps
	SelfTest check    `json:"self_test"`
	Terminal terminal `json:"terminal"`
	ToDo     []string `json:"to_do"`
}

type cpus struct {
	Model    string        `json:"model"`   // empty where unknown
	Present  int           `json:"present"` // logical CPUs of the machine; 0 where unknown
	Logical  int           `json:"logical"` // of these, what this process may run on
	Limit    rundir.Figure `json:"limit"`   // CPUs' worth of time that the control group grants
	Used     int           `json:"used"`    // GOMAXPROCS
	Features []feature     `json:"features"`
	Kernel   string        `json:"kernel"`
}

type feature struct {
	Name    string `json:"name"`
	Present bool   `json:"present"`
}

type memory struct {
	Total     rundir.Figure `json:"total_bytes"`
	Limit     rundir.Figure `json:"limit_bytes"` // of the control group
	Available rundir.Figure `json:"available_bytes"`
}

type disk struct {
	Use  string        `json:"use"`
	Path string        `json:"path"` // empty where there is none
	Free rundir.Figure `json:"free_bytes"`
}

type terminal struct {
	Present bool `json:"present"`
	Width   int  `json:"width"` // columns; 0 where unknown
	Color   bool `json:"color"`
}

// look finds out what stands in the system's files, which are those of Linux or
// none.
func look(system fs.FS, logical, used int) machine {
	model, present := readCPUInfo(system)
	if model == "" {
		model = cpuModel()
	}
	groups := readControlGroups(system)
	m := machine{Version: version(), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	m.CPU = cpus{Model: model, Present: present, Logical: logical, Limit: groups.cpus, Used: used,
		Features: cpuFeatures(), Kernel: engine.New(0).Kernel()}
	m.Memory = readMemory(system, groups)
	m.GPU = gpus{Supported: cuda.Supported, Present: readGPUs(system), Devices: []gpu{}, Libraries: []library{}, Text: noGPUSupport}
	return m
}

// cpuFeatures are the extensions that fast kernels can use, of this
// architecture.
func cpuFeatures() []feature {
	switch runtime.GOARCH {
	case "amd64", "386":
		return []feature{{"AVX2", cpu.X86.HasAVX2}, {"FMA", cpu.X86.HasFMA}, {"AVX512F", cpu.X86.HasAVX512F},
			{"AVX512BW", cpu.X86.HasAVX512BW}, {"AVX512VL", cpu.X86.HasAVX512VL}, {"AVX512VNNI", cpu.X86.HasAVX512VNNI},
			{"AVX512BF16", cpu.X86.HasAVX512BF16}, {"AMX-BF16", cpu.X86.HasAMXBF16}}
	case "arm64":
		return []feature{{"NEON", cpu.ARM64.HasASIMD}, {"FP16", cpu.ARM64.HasASIMDHP}, {"SVE", cpu.ARM64.HasSVE}}
	}
	return []feature{}
}

func lookAtTerminal(c *cli.Context) terminal {
	t := terminal{Present: isTerminal(c.App.Writer), Color: styleFor(c.App.Writer).Color}
	if f, ok := fileOf(c.App.Writer); ok && t.Present {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			t.Width = width
		}
	}
	return t
}

func lookAtDisk() []disk {
	here, cache := disk{Use: "current folder"}, disk{Use: "cache folder"}
	here.Path, _ = os.Getwd() // an empty path says that there is none
	cache.Path, _ = os.UserCacheDir()
	disks := []disk{here, cache}
	for i := range disks {
		disks[i].Free = freeBelow(disks[i].Path)
	}
	return disks
}

// freeBelow is the free space where a folder is, or would be.
func freeBelow(path string) rundir.Figure {
	if path == "" {
		return rundir.None
	}
	for {
		_, err := os.Stat(path)
		parent := filepath.Dir(path)
		if !errors.Is(err, fs.ErrNotExist) || parent == path {
			return freeBytes(path)
		}
		path = parent
	}
}

func (m machine) title() string {
	return fmt.Sprintf("cosfit doctor · %s · %s/%s", m.Version, m.OS, m.Arch)
}

func (m machine) facts() [][]report.Fact {
	return [][]report.Fact{
		{
			{Name: "processor", What: orUnknown(m.CPU.Model)},
			{Name: "threads", What: m.CPU.threads()},
			{Name: "features", What: m.CPU.features()},
			{Name: "kernel", What: m.CPU.Kernel},
		},
		m.GPU.facts(),
		append([]report.Fact{{Name: "memory", What: m.Memory.describe()}}, m.space()...),
		{
			{Name: "peak", What: m.Speed.peaks()},
			{Name: "product", What: m.Speed.products(m.CPU.Used)},
			{Name: "copying", What: figure(m.Speed.CopyGBPerSecond, "%.1f GB/s", "not measured: too little memory")},
		},
		boundFacts(m.Bounds),
		{
			{Name: "self-test", What: m.SelfTest.Text},
			{Name: "terminal", What: m.Terminal.describe()},
		},
	}
}

func (m machine) space() (facts []report.Fact) {
	for i, d := range m.Disk {
		name := ""
		if i == 0 {
			name = "free disk"
		}
		facts = append(facts, report.Fact{Name: name, What: d.describe()})
	}
	return facts
}

func (d disk) describe() string {
	if d.Path == "" {
		return "there is no " + d.Use
	}
	return fmt.Sprintf("%s in the %s, %s", bytesText(d.Free), d.Use, d.Path)
}

func orUnknown(text string) string {
	if text == "" {
		return "unknown"
	}
	return text
}

func (c cpus) threads() string {
	text := fmt.Sprintf("%d in use, of %d logical CPUs", c.Used, c.Logical)
	if c.Present > c.Logical {
		text += fmt.Sprintf(" that this process may use and %d that there are", c.Present)
	}
	if c.Limit.Known() {
		text += fmt.Sprintf("; the control group grants the time of %.3g", float64(c.Limit))
	}
	return text
}

func (c cpus) features() string {
	var yes, no []string
	for _, f := range c.Features {
		if f.Present {
			yes = append(yes, f.Name)
		} else {
			no = append(no, f.Name)
		}
	}
	text := strings.Join(yes, ", ")
	if len(no) > 0 {
		text += "; not " + strings.Join(no, ", ")
	}
	return orUnknown(strings.TrimPrefix(text, "; "))
}

func (m memory) describe() string {
	if !m.Total.Known() && !m.Limit.Known() {
		return "unknown on this system"
	}
	text := bytesText(m.Total)
	if m.Limit.Known() {
		text += ", limited to " + bytesText(m.Limit) + " by the control group"
	}
	return text + ", " + bytesText(m.Available) + " available"
}

func (t terminal) describe() string {
	switch {
	case !t.Present:
		return "none: plain text, a line for each epoch"
	case !t.Color:
		return fmt.Sprintf("%d columns, without colour", t.Width)
	}
	return fmt.Sprintf("%d columns, with colour", t.Width)
}

// figure formats what is known.
func figure(f rundir.Figure, format, unknown string) string {
	if !f.Known() {
		return unknown
	}
	return fmt.Sprintf(format, float64(f))
}

// bytesText is a size in decimal units, as disks are sold.
func bytesText(f rundir.Figure) string {
	if !f.Known() {
		return "unknown"
	}
	for _, unit := range []struct {
		name string
		size float64
	}{{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}} {
		if float64(f) >= unit.size {
			return fmt.Sprintf("%.3g %s", min(float64(f)/unit.size, 1e6), unit.name)
		}
	}
	return fmt.Sprintf("%.0f bytes", float64(f))
}

// Below these, training of any size meets its end.
const (
	littleMemory = 1e9
	littleDisk   = 1e9
)

// advice is what to do about what is missing.
func (m machine) advice(environment func(string) string) []string {
	todo := []string{} // so that JSON has a list
	add := func(format string, args ...any) { todo = append(todo, fmt.Sprintf(format, args...)) }
	if !m.SelfTest.Passed {
		add("Do not trust results of this machine: try again with COSFIT_CPU=generic in the environment, and report what cosfit doctor --json prints.")
	}
	c := m.CPU
	switch granted := math.Ceil(float64(c.Limit)); {
	case c.Used < c.Logical && environment("GOMAXPROCS") != "":
		add("Only %d of %d CPUs are used, because GOMAXPROCS is set in the environment: unset it.", c.Used, c.Logical)
	case granted < float64(c.Logical):
		add("Only %.3g of %d CPUs' time is granted by the control group (its CPU quota): raise it with docker run --cpus, resources.limits.cpu in Kubernetes, or systemd's CPUQuota.",
			float64(c.Limit), c.Logical)
	}
	if c.Present > c.Logical {
		add("Only %d of %d CPUs may be used by this process: look for taskset, a batch system's allocation or the container's cpuset.", c.Logical, c.Present)
	}
	if strings.HasPrefix(c.Kernel, "generic") && environment("COSFIT_CPU") != "" {
		add("The portable arithmetic is in use, because COSFIT_CPU is set to %q: unset it.", environment("COSFIT_CPU"))
	}
	if m.Memory.Available < littleMemory {
		add("Only %s of memory is available: close other programs, or raise the limit of the container.", bytesText(m.Memory.Available))
	}
	for _, d := range m.Disk {
		switch {
		case d.Path == "":
			add("There is no %s: set HOME, or XDG_CACHE_HOME, in the environment.", d.Use)
		case d.Free < littleDisk:
			add("Only %s is free in the %s: make room, or keep runs elsewhere with --out.", bytesText(d.Free), d.Use)
		}
	}
	return append(todo, m.GPU.advice()...)
}

// interrupted is how a measurement ends early.
func interrupted(ctx context.Context) error {
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return nil
}
