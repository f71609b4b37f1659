package main

import (
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/cosfit/cosfit/internal/rundir"
)

// What Linux tells in /proc and /sys. What is missing, or written in another
// way, is unknown.

// readCPUInfo returns the model of the processor and the number of logical
// CPUs. ARM's kernel names no model.
func readCPUInfo(system fs.FS) (model string, count int) {
	for line := range strings.Lines(systemText(system, "proc/cpuinfo")) {
		name, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(name) {
		case "processor":
			count++
		case "model name":
			model = strings.Join(strings.Fields(value), " ")
		}
	}
	return model, count
}

func systemText(system fs.FS, name string) string {
	text, err := fs.ReadFile(system, name)
	if err != nil {
		return ""
	}
	return string(text)
}

// number reads the first word of a text. The control groups' "max" is no
// number, and so no limit.
func number(text string) rundir.Figure {
	words := strings.Fields(text)
	if len(words) == 0 {
		return rundir.None
	}
	x, err := strconv.ParseFloat(words[0], 64)
	if err != nil || !(x >= 0) {
		return rundir.None
	}
	return rundir.Figure(x)
}

// named reads the number behind a name that begins a line.
func named(text, name string) rundir.Figure {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name); ok {
			return number(value)
		}
	}
	return rundir.None
}

// lower is the lower of two limits, of which none need be known.
func lower(a, b rundir.Figure) rundir.Figure {
	if a < b || !b.Known() {
		return a
	}
	return b
}

// readMemory combines the machine's memory with the control groups' limit.
func readMemory(system fs.FS, groups controlGroups) memory {
	text := systemText(system, "proc/meminfo")
	const kB = 1024
	m := memory{Total: named(text, "MemTotal:") * kB, Available: named(text, "MemAvailable:") * kB, Limit: rundir.None}
	if groups.memory < m.Total || !m.Total.Known() {
		m.Limit = groups.memory
		m.Available = lower(m.Available, groups.free)
	}
	return m
}

// controlGroups are the limits of the groups that this process is in.
type controlGroups struct {
	cpus   rundir.Figure // CPUs' worth of time
	memory rundir.Figure // bytes
	free   rundir.Figure // bytes of memory left in the tightest group
}

// readControlGroups takes the lowest limits on the way from this process's
// group to the root, of both versions. Source: the kernel's
// admin-guide/cgroup-v2 and cgroup-v1.
func readControlGroups(system fs.FS) controlGroups {
	g := controlGroups{rundir.None, rundir.None, rundir.None}
	const root = "sys/fs/cgroup"
	for line := range strings.Lines(systemText(system, "proc/self/cgroup")) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for _, dir := range upwards(parts[2]) {
			switch {
			case parts[1] == "":
				g.readV2(system, path.Join(root, dir))
			case hasController(parts[1], "memory"):
				g.limitMemory(system, path.Join(root, "memory", dir), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ")
			case hasController(parts[1], "cpu"):
				g.limitCPUs(systemText(system, path.Join(root, parts[1], dir, "cpu.cfs_quota_us")),
					systemText(system, path.Join(root, parts[1], dir, "cpu.cfs_period_us")))
			}
		}
	}
	return g
}

func hasController(list, name string) bool {
	for c := range strings.SplitSeq(list, ",") {
		if c == name {
			return true
		}
	}
	return false
}

// upwards lists a group and those above it. In a container the path may be the
// host's, of which only the root can be seen.
func upwards(group string) (dirs []string) {
	for group = path.Join("/", group); group != "/"; group = path.Dir(group) {
		dirs = append(dirs, group)
	}
	return append(dirs, "/")
}

func (g *controlGroups) readV2(system fs.FS, dir string) {
	g.limitMemory(system, dir, "memory.max", "memory.current", "inactive_file ")
	if quota, period, ok := strings.Cut(systemText(system, path.Join(dir, "cpu.max")), " "); ok {
		g.limitCPUs(quota, period)
	}
}

// limitMemory counts cached files that nobody uses as free: the kernel drops
// them first.
func (g *controlGroups) limitMemory(system fs.FS, dir, limit, usage, inactive string) {
	bytes := number(systemText(system, path.Join(dir, limit)))
	if !bytes.Known() {
		return
	}
	g.memory = lower(g.memory, bytes)
	free := bytes - number(systemText(system, path.Join(dir, usage)))
	if cached := named(systemText(system, path.Join(dir, "memory.stat")), inactive); cached.Known() {
		free += cached
	}
	g.free = lower(g.free, max(0, free))
}

func (g *controlGroups) limitCPUs(quota, period string) {
	q, p := number(quota), number(period)
	if q > 0 && p > 0 {
		g.cpus = lower(g.cpus, q/p)
	}
}

// readGPUs names the graphics processors that NVIDIA's driver shows.
func readGPUs(system fs.FS) []string {
	names := []string{}
	files, err := fs.Glob(system, "proc/driver/nvidia/gpus/*/information")
	if err != nil {
		return names // the pattern is right, so there is no error
	}
	for _, file := range files {
		for line := range strings.Lines(systemText(system, file)) {
			if model, ok := strings.CutPrefix(line, "Model:"); ok {
				names = append(names, strings.TrimSpace(model))
			}
		}
	}
	return names
}
