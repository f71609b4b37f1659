package benchmarks

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cosfit/cosfit/internal/rundir"
)

// title names a task in a heading.
func (t Task) title() string {
	text := t.Benchmark
	switch t.Benchmark {
	case Machine:
		text = t.What
		if t.What == sgemm || t.What == gemm {
			text = fmt.Sprintf("%s of %d³", t.What, t.Batch)
		}
	case Core:
		text = fmt.Sprintf("%s, %s rows, %s × %s", t.What, thousands(t.Batch), thousands(t.D), thousands(t.K))
	case Step:
		text = fmt.Sprintf("step of %s pairs, %s → %s", thousands(t.Batch), thousands(t.D), thousands(t.K))
	case Run:
		text = fmt.Sprintf("run, %s + %s pairs, %s → %s, %s", thousands(t.Pairs), thousands(t.Test), thousands(t.D), thousands(t.K), count(t.Epochs, "epoch"))
	case Load:
		switch t.What {
		case opening:
			text = fmt.Sprintf("opening a file of %s pairs, %s dimensions", thousands(t.Pairs), thousands(t.D))
		case streaming:
			text = fmt.Sprintf("streaming an epoch of %s pairs, %s dimensions", thousands(t.Pairs), thousands(t.D))
		case consuming:
			text = fmt.Sprintf("what a step consumes, %s pairs, %s → %s", thousands(t.Batch), thousands(t.D), thousands(t.K))
		}
	}
	return text + ", " + t.where()
}

// where names what does a task.
func (t Task) where() string {
	if t.Device != "" {
		return strings.TrimSpace(string(t.Precision) + " on the GPU")
	}
	return count(t.Threads, "thread")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return thousands(n) + " " + what + "s"
}

func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// groups divides rows by their tasks, the machine's apart.
func (r Result) groups() (machine []Row, tasks [][]Row) {
	for _, row := range r.Rows {
		switch {
		case row.Benchmark == Machine:
			machine = append(machine, row)
		case len(tasks) > 0 && tasks[len(tasks)-1][0].Task == row.Task:
			tasks[len(tasks)-1] = append(tasks[len(tasks)-1], row)
		default:
			tasks = append(tasks, []Row{row})
		}
	}
	return machine, tasks
}

// peakOf is the most that a task's contenders could run at, in GFLOP/s: the FMA
// peak that took turns with them, or cuBLASLt's large product at their
// precision. None where nothing like that was measured.
func (r Result) peakOf(rows []Row) rundir.Figure {
	from, is := rows, func(row Row) bool { return row.Who == peak }
	if t := rows[0].Task; t.Device != "" {
		from, is = r.Rows, func(row Row) bool { return row.What == gemm && row.Precision == t.Precision }
	}
	i := slices.IndexFunc(from, is)
	if i < 0 {
		return rundir.None
	}
	return from[i].GFLOPS
}

// peakName is what peakOf finds.
func (t Task) peakName() string {
	if t.Device != "" {
		return "cuBLASLt 8192³"
	}
	return "FMA peak"
}

// what was measured, in a title.
func (h Host) what() string {
	if h.GPU != "" {
		return h.GPU
	}
	return h.CPU + ", " + count(h.Cores, "CPU")
}

// rate is a row's speed and its unit.
func (r Row) rate() (rundir.Figure, string) {
	switch {
	case r.GBPerSecond.Known():
		return r.GBPerSecond, "GB/s"
	case r.PairsPerSecond.Known():
		return r.PairsPerSecond, "pairs/s"
	}
	return r.GFLOPS, "GFLOP/s"
}

// Print draws a table for each task: the median of each contender, its
// spread, its speed, and how many times its time cosfit's is.
func (r Result) Print(w io.Writer) {
	machine, tasks := r.groups()
	m := r.Machine
	line(w, "")
	if m.GPU != "" {
		line(w, " cosfit bench · "+m.GPU)
		line(w, " "+m.CPU+" · "+count(m.Cores, "CPU")+" · kernel "+m.Kernel)
	} else {
		line(w, fmt.Sprintf(" cosfit bench · %s · %s · kernel %s", m.CPU, count(m.Cores, "CPU"), m.Kernel))
	}
	if len(machine) > 0 {
		line(w, "")
		line(w, " the machine")
		for _, row := range machine {
			speed, unit := row.rate()
			line(w, fmt.Sprintf("   %-26s%10s %-8s%s", fit(row.Who, 26), digits(speed), unit, row.where()))
		}
	}
	for _, rows := range tasks {
		r.printTask(w, rows)
	}
	line(w, "")
	for _, p := range m.Peers {
		if p.With != "" {
			wrap(w, fmt.Sprintf("%s: %s", p.Who, p.With))
		}
	}
	for _, n := range r.Notes {
		wrap(w, n)
	}
	line(w, "")
}

func (r Result) printTask(w io.Writer, rows []Row) {
	_, unit := rows[0].rate()
	line(w, "")
	line(w, " "+rows[0].title())
	line(w, fmt.Sprintf(taskLine, "", "ms", "least–most", unit, "peak", "×"))
	ours := slices.IndexFunc(rows, func(row Row) bool { return isCosfit(row.Who) })
	for _, row := range rows {
		speed, _ := row.rate()
		share, times := "", ""
		if top := r.peakOf(rows); top.Known() && row.GFLOPS.Known() {
			share = fmt.Sprintf("%.0f %%", 100*row.GFLOPS/top)
		}
		if ours >= 0 {
			times = ratio(row.MS / rows[ours].MS)
		}
		line(w, fmt.Sprintf(taskLine, fit(row.label(), whoWidth), milliseconds(row.MS),
			milliseconds(row.MSMin)+"–"+milliseconds(row.MSMax), digits(speed), share, times))
	}
}

// label tells contenders of one name apart: our own arithmetics, and what the
// notebook ran on.
func (r Row) label() string {
	switch {
	case isCosfit(r.Who) && r.Benchmark == Core && r.Device == "":
		return r.Who + " " + r.With
	case r.Who == "notebook":
		on, _, _ := strings.Cut(r.With, ",")
		return r.Who + ", " + strings.Join(strings.Fields(on)[:min(2, len(strings.Fields(on)))], " ")
	}
	return r.Who
}

// taskLine is a line of a task's table, whoWidth its first column.
const taskLine, whoWidth = "   %-31s%8s  %-15s%9s%6s%6s", 31

func line(w io.Writer, text string) { fmt.Fprintln(w, strings.TrimRight(text, " ")) }

// wrap prints a sentence, at most 80 columns to a line.
func wrap(w io.Writer, text string) {
	out := ""
	for word := range strings.FieldsSeq(text) {
		if utf8.RuneCountInString(out)+utf8.RuneCountInString(word) > 78 {
			line(w, out)
			out = "  "
		}
		out += " " + word
	}
	line(w, out)
}

func fit(text string, width int) string {
	if r := []rune(text); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return text
}

func milliseconds(ms float64) string {
	switch {
	case ms >= 1000:
		return thousands(int(ms + 0.5))
	case ms >= 100:
		return fmt.Sprintf("%.0f", ms)
	case ms < 0.1:
		return fmt.Sprintf("%.3f", ms)
	}
	return fmt.Sprintf("%.3g", ms)
}

func ratio(x float64) string {
	if x >= 100 {
		return thousands(int(x + 0.5))
	}
	return fmt.Sprintf("%.2f", x)
}

// digits writes three of them, or a whole number.
func digits(f rundir.Figure) string {
	switch {
	case !f.Known():
		return "–"
	case f >= 1000:
		return thousands(int(f + 0.5))
	}
	return fmt.Sprintf("%.3g", float64(f))
}
