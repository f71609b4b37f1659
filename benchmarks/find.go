package benchmarks

import (
	"context"
	_ "embed"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/cosfit/cosfit/internal/kernel"
)

// find looks for everybody who can take part.
func (m *meter) find(ctx context.Context) {
	if m.GPU != nil {
		m.findGPU(ctx)
		return
	}
	m.enter(ceiling(peak), ceiling(enginePeak), ceiling(copying), ourselves())
	if kernel.Engine() {
		m.note("The peak that shares are of is that of fused multiply-add in vector registers; cosfit computes on the matrix engine, whose own is the %s.", enginePeak)
		if !m.Quick {
			m.enter(coarsely("tf32"), coarsely("bf16"))
		}
	}
	if len(m.Self) > 0 && m.Benchmark == Core {
		m.findForced(ctx, command{path: m.Self[0], args: m.Self[1:]})
	}
	m.enter(plainGorgonia("gorgonia", "gonum's BLAS", stock()))
	if len(m.Self) > 0 && linked {
		m.findOpenBLAS(ctx, command{path: m.Self[0], args: m.Self[1:]})
	}
	for _, python := range m.Pythons {
		m.findPython(ctx, python)
	}
	if slices.ContainsFunc(m.entrants, func(c contender) bool { return inBF16(c.peer()) }) {
		m.note("tf32 and bf16 round what a step multiplies: cosfit's rows are those of --precision, PyTorch's of torch.set_float32_matmul_precision(\"medium\").")
	}
}

// inBF16 reports whether a peer rounds what it multiplies. There is no time for those
// where all has to be quick.
func inBF16(p Peer) bool { return strings.HasSuffix(p.Who, " bf16") }

// findGPU looks for everybody who can compute on the GPU.
func (m *meter) findGPU(ctx context.Context) {
	m.enter(m.GPU.contenders()...)
	for _, name := range m.Pythons {
		path, err := exec.LookPath(name)
		if err != nil {
			m.note("%s is not there: PyTorch and the notebook are missing; name an interpreter with --python.", name)
			continue
		}
		m.progress("asking %s whether its PyTorch has the GPU", name)
		c := m.start(ctx, name, command{path: path, args: []string{"-c", peerScript, "cuda", strconv.Itoa(m.GPU.Device), string(m.GPU.Precision)}})
		if c == nil {
			continue
		}
		c.calm = true // its threads wait for the GPU
		for _, p := range c.Peers {
			m.enter(&remote{p, c})
		}
		for _, n := range c.Notes {
			m.note("%s: %s.", filepath.Base(name), n)
		}
	}
}

func (m *meter) enter(all ...contender) { m.entrants = append(m.entrants, all...) }

// findForced starts this program with each other arithmetic that the processor
// can run.
func (m *meter) findForced(ctx context.Context, self command) {
	for _, name := range kernel.Names() {
		if kernel.Name() == name || strings.HasPrefix(kernel.Name(), name+"/") {
			continue
		}
		c := m.start(ctx, "COSFIT_CPU="+name, self.with("COSFIT_CPU="+name))
		if c == nil {
			continue
		}
		c.calm = true
		for _, p := range c.Peers {
			if p.Who == Cosfit {
				p.Tasks = []string{Core}
				m.enter(&remote{p, c})
			}
		}
	}
}

// findOpenBLAS starts this program with OpenBLAS's best kernel.
func (m *meter) findOpenBLAS(ctx context.Context, self command) {
	c := m.start(ctx, "OpenBLAS", self.with(m.coreType(ctx, self)...))
	if c == nil {
		return
	}
	for _, p := range c.Peers {
		if p.Who != Cosfit {
			m.enter(&remote{p, c})
		}
	}
	if !m.has("openblas") {
		m.note("OpenBLAS is not there: no libopenblas could be loaded (Debian's package is libopenblas0-pthread).")
	}
}

//go:embed peer.py
var peerScript string

// findPython asks an interpreter what it can import.
func (m *meter) findPython(ctx context.Context, name string) {
	path, err := exec.LookPath(name)
	if err != nil {
		m.note("%s is not there: PyTorch, the notebook and JAX are missing; name an interpreter with --python.", name)
		return
	}
	m.progress("asking %s what it can import", name)
	python := command{path: path, args: []string{"-c", peerScript}}
	c := m.start(ctx, name, python)
	if c == nil {
		return
	}
	uses := slices.ContainsFunc(c.Peers, func(p Peer) bool { return strings.Contains(p.Who, "openblas") })
	if c.OpenBLAS != "" && (uses || !m.has("openblas")) {
		alone := command{path: path, args: append(slices.Clone(python.args), "openblas", c.OpenBLAS)}
		best := m.coreType(ctx, alone)
		if uses && len(best) > 0 {
			c.end()
			if c = m.start(ctx, name, python.with(best...)); c == nil {
				return
			}
		}
		if !m.has("openblas") {
			if o := m.start(ctx, "OpenBLAS", alone.with(best...)); o != nil {
				for _, p := range o.Peers {
					m.enter(&remote{p, o})
				}
			}
		}
	}
	for _, p := range c.Peers {
		if !m.Quick || !inBF16(p) {
			m.enter(&remote{p, c})
		}
	}
	for _, n := range c.Notes {
		m.note("%s: %s.", filepath.Base(name), n) // where it lies is nobody's business who reads the results
	}
}

func (m *meter) has(who string) bool {
	return slices.ContainsFunc(m.entrants, func(c contender) bool { return c.peer().Who == who })
}

// start starts a child that takes part.
func (m *meter) start(ctx context.Context, name string, c command) *child {
	started, err := c.start(ctx)
	if err != nil {
		m.note("%s does not take part: %v.", name, err)
		return nil
	}
	m.children = append(m.children, started)
	return started
}

// coreTypes are the names of OpenBLAS's kernels that can be the best one on a
// processor that the library is too old to know.
func coreTypes() []string {
	return []string{"Haswell", "SkylakeX", "Zen", "Cooperlake", "Sapphirerapids"}
}

// coreType finds by measuring with which OPENBLAS_CORETYPE the library is
// fastest, and returns what to add to the environment, nothing where the
// library's own choice is. An old library that does not know the processor
// chooses a kernel that can be 8 times slower than the best one.
func (m *meter) coreType(ctx context.Context, openBLAS command) (env []string) {
	if runtime.GOARCH != "amd64" {
		return nil
	}
	m.progress("choosing OpenBLAS's kernel")
	best, tried := 0.0, map[string]bool{}
	for _, name := range append([]string{""}, coreTypes()...) {
		var setting []string
		if name != "" {
			setting = []string{"OPENBLAS_CORETYPE=" + name}
		}
		ms, with := timeOpenBLAS(ctx, openBLAS.with(setting...), tried)
		if ms > 0 && (best == 0 || ms < 0.97*best) {
			best, env = ms, setting
			m.progress("OpenBLAS %s: %.1f GFLOP/s on one thread", with, 2*1024*1024*1024/ms/1e6)
		}
	}
	return env
}

// timeOpenBLAS returns the least milliseconds of a product on one thread, 0
// where the library does not run so, or was tried with this kernel before.
func timeOpenBLAS(ctx context.Context, c command, tried map[string]bool) (ms float64, with string) {
	library, err := c.start(ctx)
	if err != nil {
		return 0, ""
	}
	defer library.end()
	i := slices.IndexFunc(library.Peers, func(p Peer) bool { return p.Who == "openblas" })
	if i < 0 || tried[library.Peers[i].With] {
		return 0, ""
	}
	with = library.Peers[i].With
	tried[with] = true
	task := Task{Benchmark: Machine, What: sgemm, Batch: 1024, D: 1024, K: 1024, Threads: 1}
	times, err := library.ask(ctx, request{Who: "openblas", Task: task, Seconds: 0.15, Warm: true})
	if err != nil {
		return 0, "" // such as for an instruction that the processor lacks
	}
	return slices.Min(times), with
}
