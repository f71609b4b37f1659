package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/cosfit/cosfit/internal/rundir"
)

// A Sweep is what the panel of a search for settings shows.
type Sweep struct {
	Title      string
	Counts     string   // of trials
	Figure     string   // that was searched for, in words
	Columns    []string // the parameters
	Ranking    []SweepRow
	Importance []Importance // the most important first; nil where nothing can be said
	Method     string       // by which importance is measured
	Sentences  []string     // what to think of it
	Next       []Command
}

// A SweepRow is a trial.
type SweepRow struct {
	Trial    int
	State    string
	Value    rundir.Figure
	Epochs   int
	Settings []string // in the order of Columns, "" where a trial has none
}

// An Importance is how much of the differences between trials a parameter
// explains.
type Importance struct {
	Name  string
	Share float64 // of 1
}

// SweepPanel draws the result of a sweep.
func SweepPanel(w io.Writer, s Sweep, style Style) {
	p := printer{w, style}
	p.line("")
	p.line(" " + style.bold(s.Title))
	p.line("")
	p.line(" " + s.Counts)
	p.line("")
	p.ranking(s)
	if s.Importance != nil {
		p.line("")
		p.line(" What made the difference (" + s.Method + ")")
		p.importance(s.Importance)
	}
	for _, sentence := range s.Sentences {
		p.line("")
		p.wrap(sentence, " ", func(line string) string { return line })
	}
	p.next(s.Next)
	p.line("")
}

// ranking draws the trials, with the names of parameters broken at their
// dashes.
func (p printer) ranking(s Sweep) {
	rows := [][]string{{}}
	heads := append([]string{"trial", s.Figure, "epochs"}, s.Columns...)
	height := 0
	for _, h := range heads {
		height = max(height, len(words(h)))
	}
	rows = rows[:0]
	for i := range height {
		var row []string
		for _, h := range heads {
			parts := words(h)
			if at := i - (height - len(parts)); at >= 0 {
				row = append(row, parts[at])
			} else {
				row = append(row, "")
			}
		}
		rows = append(rows, row)
	}
	for _, t := range s.Ranking {
		value := "-"
		if t.Value.Known() {
			value = fmt.Sprintf("%.4f", t.Value)
		}
		epochs := fmt.Sprint(t.Epochs)
		if t.State != "complete" {
			epochs += " " + t.State
		}
		row := []string{fmt.Sprint(t.Trial), value, epochs}
		for _, setting := range t.Settings {
			if setting == "" {
				setting = "-"
			}
			row = append(row, setting)
		}
		rows = append(rows, row)
	}
	widths := make([]int, len(heads))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for i, row := range rows {
		line := ""
		for j, cell := range row {
			line += " " + cell + strings.Repeat(" ", widths[j]-utf8.RuneCountInString(cell)+1)
		}
		switch {
		case i < height:
			line = p.style.dim(line)
		case i == height:
			line = p.style.bold(line)
		}
		p.line(line)
	}
}

func words(head string) []string {
	return strings.FieldsFunc(head, func(r rune) bool { return r == '-' || r == ' ' })
}

// importance draws bars.
func (p printer) importance(all []Importance) {
	longest := 0
	for _, i := range all {
		longest = max(longest, len(i.Name))
	}
	for _, i := range all {
		const full = 40
		p.line(fmt.Sprintf(" %-*s %3.0f %% %s", longest, i.Name, 100*i.Share, strings.Repeat("█", int(full*i.Share+0.5))))
	}
}
