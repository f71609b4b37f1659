package benchmarks

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Sizes of the chart, in pixels.
const (
	chartWidth = 760
	labelWidth = 230
	valueWidth = 130
	barHeight  = 18
	barStep    = 24
	titleStep  = 34
)

// chartStyle has colours that read on white and on black.
const chartStyle = `text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600}.quiet{fill:#59636e}
.own{fill:#0969da}.peer{fill:#8c959f}.peak{stroke:#bc4c00;stroke-width:1.5;stroke-dasharray:4 3}.top{fill:#bc4c00}
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.quiet{fill:#9198a1}.own{fill:#4493f8}.peer{fill:#656c76}.peak{stroke:#f0883e}.top{fill:#f0883e}}`

// Chart draws bars of speed as SVG: a group for each task that shows something
// (of products those with all threads at the size of a step), cosfit's bar in
// colour, the measured FMA peak as a line.
func (r Result) Chart(w io.Writer) error {
	_, tasks := r.groups()
	tasks = slices.DeleteFunc(tasks, func(rows []Row) bool {
		t := rows[0].Task
		return t.Benchmark == Core && (t.Batch != seedBatch || t.Threads == 1 && r.Machine.Cores > 1)
	})
	order := []string{Step, Run, Core, Load}
	slices.SortStableFunc(tasks, func(a, b []Row) int {
		return slices.Index(order, a[0].Benchmark) - slices.Index(order, b[0].Benchmark)
	})
	var body strings.Builder
	y := 24
	fmt.Fprintf(&body, `<text class="title" x="12" y="%d">%s</text>`+"\n", y, escaped("cosfit beside its peers, "+r.Machine.what()))
	y += 20
	fmt.Fprintf(&body, `<text class="quiet" x="12" y="%d">%s</text>`+"\n", y, escaped("longer is faster; medians; "+r.Machine.Date+", "+r.Machine.Version))
	for _, rows := range tasks {
		y = r.chartTask(&body, rows, y+titleStep)
	}
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img" aria-label="speed of cosfit and its peers">
<style>%s</style>
%s</svg>
`, chartWidth, y+12, chartStyle, body.String())
	return err
}

// chartTask draws one task's group from y down and returns where it ends.
func (r Result) chartTask(w io.Writer, rows []Row, y int) int {
	_, unit := rows[0].rate()
	fmt.Fprintf(w, `<text class="title" x="12" y="%d">%s</text>`+"\n", y, escaped(rows[0].title()))
	top := r.peakOf(rows)
	rows = slices.DeleteFunc(slices.Clone(rows), func(row Row) bool { return row.Who == peak })
	longest := 0.0
	if top.Known() {
		longest = float64(top)
	}
	for _, row := range rows {
		speed, _ := row.rate()
		longest = max(longest, float64(speed))
	}
	scale := float64(chartWidth-labelWidth-valueWidth) / longest
	y += 10
	if top.Known() {
		x := labelWidth + float64(top)*scale
		fmt.Fprintf(w, `<line class="peak" x1="%.1f" x2="%.1[1]f" y1="%d" y2="%d"/>`, x, y-4, y+len(rows)*barStep)
		fmt.Fprintf(w, `<text class="top" x="%.1f" y="%d" text-anchor="end">%s %s</text>`+"\n", x, y-8, rows[0].peakName(), digits(top))
	}
	for _, row := range rows {
		speed, _ := row.rate()
		class, label := "peer", digits(speed)+" "+unit
		if isCosfit(row.Who) {
			class = "own"
		}
		if row.Benchmark == Run {
			label = fmt.Sprintf("%.3g s", row.MS/1e3)
		}
		length := float64(speed) * scale
		fmt.Fprintf(w, `<text x="%d" y="%d" text-anchor="end">%s</text>`, labelWidth-8, y+13, escaped(fit(row.label(), 32)))
		fmt.Fprintf(w, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d" rx="2"/>`, class, labelWidth, y, max(length, 1), barHeight)
		fmt.Fprintf(w, `<text x="%.1f" y="%d">%s</text>`+"\n", labelWidth+length+8, y+13, escaped(label))
		y += barStep
	}
	return y
}

func escaped(text string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(text)) // a Builder never fails
	return b.String()
}
