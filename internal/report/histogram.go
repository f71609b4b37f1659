package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/cosfit/cosfit/internal/rundir"
)

const (
	histogramWidth  = 36 // columns, one bin each
	histogramHeight = 3  // rows
	histogramGap    = "    "
)

var blocks = []rune(" ▁▂▃▄▅▆▇█")

// histograms draws the distribution of cosine for similar and dissimilar
// pairs, before, where there is any, beside after, over one common axis. Graded labels are cut at
// the middle of their range, which is 0.5 or 0.
func (p printer) histograms(scores []rundir.Score, split string, before, after rundir.Figure) {
	var own []rundir.Score
	middle := float32(0.5)
	for _, s := range scores {
		if s.Label < 0 {
			middle = 0
		}
		if s.Split == split {
			own = append(own, s)
		}
	}
	if len(own) == 0 {
		return
	}
	axis := newAxis(own)
	var bins [2][2][]int // similar, then before/after
	for kind := range bins {
		for at := range bins[kind] {
			bins[kind][at] = make([]int, histogramWidth)
		}
	}
	for _, s := range own {
		kind := 1
		if s.Label >= middle {
			kind = 0
		}
		bins[kind][0][axis.bin(s.Before)]++
		bins[kind][1][axis.bin(s.After)]++
	}
	ticks := p.style.dim(axis.ticks())
	if own[0].Before != own[0].Before {
		for kind, name := range []string{"similar", "dissimilar"} {
			p.line("")
			p.line(p.style.dim(" cosine of " + name + " pairs"))
			for _, row := range bars(bins[kind][1]) {
				p.line(" " + string(row))
			}
		}
		p.line(" " + axis.mark(after))
		p.line(" " + ticks)
		return
	}
	for kind, name := range []string{"similar", "dissimilar"} {
		p.line("")
		p.line(p.style.dim(fmt.Sprintf(" %-*s%s%s", histogramWidth, "cosine of "+name+" pairs, before", histogramGap, "after")))
		b, a := bars(bins[kind][0]), bars(bins[kind][1])
		for row := range histogramHeight {
			p.line(" " + string(b[row]) + histogramGap + string(a[row]))
		}
	}
	p.line(" " + axis.mark(before) + histogramGap + axis.mark(after))
	p.line(" " + ticks + histogramGap + ticks)
}

// bars draws counts as rows of block characters, the top one first. The
// highest bar fills the height; a bin that is not empty shows.
func bars(counts []int) [histogramHeight][]rune {
	highest := 1
	for _, c := range counts {
		highest = max(highest, c)
	}
	var rows [histogramHeight][]rune
	for row := range rows {
		rows[row] = make([]rune, len(counts))
		base := (histogramHeight - 1 - row) * 8
		for i, c := range counts {
			level := int(math.Ceil(float64(c) / float64(highest) * 8 * histogramHeight))
			rows[row][i] = blocks[min(max(level-base, 0), 8)]
		}
	}
	return rows
}

// An axis maps cosines to bins.
type axis struct{ low, high float64 }

// newAxis covers all cosines, in steps of 0.1.
func newAxis(scores []rundir.Score) axis {
	low, high := math.Inf(1), math.Inf(-1)
	for _, s := range scores {
		low, high = min(low, float64(s.After)), max(high, float64(s.After))
		if s.Before == s.Before { // no NaN
			low, high = min(low, float64(s.Before)), max(high, float64(s.Before))
		}
	}
	a := axis{math.Floor(low*10) / 10, math.Ceil(high*10) / 10}
	if a.high <= a.low {
		a.high = a.low + 0.1
	}
	return a
}

func (a axis) position(v float64) int {
	return min(max(int((v-a.low)/(a.high-a.low)*histogramWidth), 0), histogramWidth-1)
}

func (a axis) bin(v float32) int { return a.position(float64(v)) }

// mark is the line below the bars with the threshold on it.
func (a axis) mark(threshold rundir.Figure) string {
	line := []rune(strings.Repeat("─", histogramWidth))
	if threshold.Known() {
		at := a.position(float64(threshold))
		line[at] = '┴'
		text := []rune(fmt.Sprintf(" threshold %.2f ", float64(threshold)))
		from := at + 1
		if from+len(text) > histogramWidth {
			from = at - len(text)
		}
		copy(line[max(0, from):], text)
	}
	return string(line)
}

// ticks labels both ends and the middle.
func (a axis) ticks() string {
	left, middle, right := fmt.Sprintf("%.1f", a.low), fmt.Sprintf("%.2f", (a.low+a.high)/2), fmt.Sprintf("%.1f", a.high)
	line := []rune(strings.Repeat(" ", histogramWidth))
	copy(line, []rune(left))
	copy(line[(histogramWidth-len(middle))/2:], []rune(middle))
	copy(line[histogramWidth-len(right):], []rune(right))
	return string(line)
}
