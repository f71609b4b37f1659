package report

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/cosfit/cosfit/internal/rundir"
)

// LearningCurve draws what a recipe reaches with more and more labels.
func LearningCurve(w io.Writer, c rundir.LearningCurve, title string, next []Command, style Style) {
	p := printer{w, style}
	p.line("")
	p.line(" " + style.bold(title))
	p.line("")
	name := map[string]string{"roc_auc": "ROC AUC", "spearman": "Spearman", "ndcg_at_10": "nDCG@10"}[c.Figure] + " on " + c.Split
	p.line(style.dim(fmt.Sprintf(" %7s %9s  %-32s %s", "groups", "pairs", name, "gain (standard error)")))
	low, high := c.Start, c.Start
	for _, point := range c.Points {
		low, high = min(low, point.Mean), max(high, point.Mean)
	}
	row := func(groups, pairs int, value rundir.Figure, gain string) {
		p.line(fmt.Sprintf(" %7s %9s  %.3f %-26s %s", thousands(groups), thousands(pairs), value, bar(float64(value), float64(low), float64(high), 24), gain))
	}
	row(0, 0, c.Start, "")
	for _, point := range c.Points {
		gain := ""
		if point.Gain.Known() {
			gain = signed("%.3f", float64(point.Gain))
		}
		if point.GainSE.Known() {
			gain += fmt.Sprintf(" (%.3f)", point.GainSE)
		}
		row(point.Groups, point.Pairs, point.Mean, gain)
	}
	p.line("")
	p.wrap(c.Text, " ", func(line string) string { return style.bold(line) })
	p.next(next)
	p.line("")
}

// bar draws where a value lies between two others, in eighths of a column; the
// lowest still shows.
func bar(value, low, high float64, width int) string {
	eighths := 1
	if high > low {
		eighths = max(1, int(math.Round((value-low)/(high-low)*float64(8*width))))
	}
	return strings.Repeat("█", eighths/8) + strings.TrimRight(string([]rune(" ▏▎▍▌▋▊▉")[eighths%8]), " ")
}
