package main

import (
	"fmt"

	"github.com/cosfit/cosfit/internal/report"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/dustin/go-humanize"
)

// A bound says what a training step will take most of its time for.
type bound struct {
	Batch     int           `json:"batch"`
	D         int           `json:"d"`
	K         int           `json:"k"`
	ComputeMS rundir.Figure `json:"compute_ms"` // at the measured speed of products
	MemoryMS  rundir.Figure `json:"memory_ms"`  // at the measured speed of copying, if nothing stays in the caches
	BoundBy   string        `json:"bound_by"`   // "arithmetic" or "memory"; empty where one is unknown
}

// bounds looks at steps of usual sizes on all threads.
func bounds(s speed) (all []bound) {
	for _, size := range [][3]int{{1000, 1536, 1024}, {64, 1536, 1024}, {64, 384, 384}} {
		b := bound{Batch: size[0], D: size[1], K: size[2]}
		batch, d, k := rundir.Figure(b.Batch), rundir.Figure(b.D), rundir.Figure(b.K)
		b.ComputeMS = 8 * batch * d * k / s.AllThreads / 1e6
		b.MemoryMS = stepBytes(batch, d, k) / s.CopyGBPerSecond / 1e6
		if b.ComputeMS.Known() && b.MemoryMS.Known() {
			b.BoundBy = "arithmetic"
			if b.MemoryMS > b.ComputeMS {
				b.BoundBy = "memory"
			}
		}
		all = append(all, b)
	}
	return all
}

// stepBytes is what a step with momentum reads and writes. Of X [2B, d]:
// gathered, packed, and read by two products. Of P and dP [2B, k]: written each,
// and read by the cosines, for dP, and by the product. Of M [d, k]: packed, read,
// its gradient written and read, and with its velocity read and written.
func stepBytes(batch, d, k rundir.Figure) rundir.Figure {
	return 4 * (4*2*batch*d + 5*2*batch*k + 9*d*k)
}

func boundFacts(all []bound) (facts []report.Fact) {
	for i, b := range all {
		name := ""
		if i == 0 {
			name = "bound by"
		}
		size := fmt.Sprintf("steps of %s pairs, %s → %s", humanize.Comma(int64(b.Batch)), humanize.Comma(int64(b.D)), humanize.Comma(int64(b.K)))
		what := fmt.Sprintf("arithmetic: %s, %.2g ms against %.2g", size, float64(b.ComputeMS), float64(b.MemoryMS))
		switch b.BoundBy {
		case "memory":
			what = fmt.Sprintf("memory: %s, %.2g ms against %.2g", size, float64(b.MemoryMS), float64(b.ComputeMS))
		case "":
			what = size + ", " + figure(b.ComputeMS, "%.2g ms of arithmetic", "not measured")
		}
		facts = append(facts, report.Fact{Name: name, What: what})
	}
	return facts
}
