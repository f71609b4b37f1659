package report

import (
	"fmt"
	"io"
	"strings"
)

// A Fact is a name and what is so. What may be longer than a line.
type Fact struct{ Name, What string }

// factWidth is the columns that names take.
const factWidth = 12

// Facts draws a panel of groups of facts under a title, and then, each with a
// dash, what there is to do.
func Facts(w io.Writer, title string, groups [][]Fact, todo []string, style Style) {
	p := printer{w, style}
	p.line("")
	p.line(" " + style.bold(title))
	for _, group := range groups {
		p.line("")
		for _, f := range group {
			p.hanging(style.dim(fmt.Sprintf(" %-*s", factWidth, f.Name)), factWidth+1, f.What)
		}
	}
	if len(todo) > 0 {
		p.line("")
		p.line(" " + style.bold("What you can do"))
	}
	for _, t := range todo {
		p.hanging(" -", 2, t)
	}
	p.line("")
}

// hanging prints text beside a first word, and its further lines below its
// first.
func (p printer) hanging(first string, width int, text string) {
	indent := strings.Repeat(" ", width+1)
	var lines strings.Builder
	printer{&lines, p.style}.wrap(text, indent, func(line string) string { return line })
	fmt.Fprint(p.w, first+" "+strings.TrimPrefix(lines.String(), indent))
}
