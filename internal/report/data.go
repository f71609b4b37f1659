package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/profile"
)

// Data draws what is in a data set: splits, labels, lengths, what is wrong, and
// examples.
func Data(w io.Writer, d profile.Profile, style Style) {
	p := printer{w, style}
	p.line("")
	p.line(" " + style.bold(fmt.Sprintf("%s · %s pairs · %s groups", d.Name, thousands(d.Pairs), thousands(d.Groups))))
	p.notes(d.Notes)
	p.splits(d)
	p.labels(d)
	p.lengths("left texts", d.Left)
	p.lengths("right texts", d.Right)
	p.line("")
	p.spread("each group", "pairs", d.PairsOfGroup)
	p.spread("", "similar pairs", d.PassagesOfGroup)
	p.counts(d)
	for _, e := range d.Examples {
		p.example(e)
	}
	p.line("")
}

func (p printer) splits(d profile.Profile) {
	var kinds []string // that occur
	for k := range loader.Kind(loader.NumKinds) {
		name := k.String()
		if slices.ContainsFunc(d.Splits, func(s profile.Split) bool { return s.Kinds[name] > 0 }) {
			kinds = append(kinds, name)
		}
	}
	row := func(name string, cells ...string) string {
		for _, c := range cells {
			name += fmt.Sprintf(" %8s", c)
		}
		return name
	}
	p.line("")
	p.line(p.style.dim(row(fmt.Sprintf(" %-10s", ""), append([]string{"pairs", "groups", "texts", "similar"}, kinds...)...)))
	for _, s := range d.Splits {
		cells := []string{thousands(s.Pairs), thousands(s.Groups), thousands(s.Texts), fmt.Sprintf("%.1f %%", 100*float64(s.Similar)/float64(s.Pairs))}
		for _, kind := range kinds {
			cells = append(cells, thousands(s.Kinds[kind]))
		}
		p.line(row(fmt.Sprintf(" %-10s", s.Name), cells...))
	}
}

// labels draws how many pairs have which label, where they are graded: else the
// splits say it.
func (p printer) labels(d profile.Profile) {
	if !d.Graded {
		return
	}
	p.line("")
	p.line(p.style.dim(fmt.Sprintf(" labels, on the scale %s", d.LabelRange)))
	most := 1
	for _, b := range d.Labels {
		most = max(most, b.Pairs)
	}
	for _, b := range d.Labels {
		const width = 40
		p.line(fmt.Sprintf(" %5.2g to %-5.2g %-*s %s", b.Low, b.High, width, strings.Repeat("█", (b.Pairs*width+most-1)/most), thousands(b.Pairs)))
	}
}

// lengths draws how long texts are.
func (p printer) lengths(what string, l profile.Lengths) {
	if l.Count == 0 {
		return
	}
	p.line("")
	p.line(p.style.dim(fmt.Sprintf(" characters of the %s %s", thousands(l.Count), what)))
	drawn := bars(l.Bins)
	for _, row := range drawn {
		p.line(" " + string(row))
	}
	left, right := fmt.Sprint(l.Least), fmt.Sprint(l.Most)
	p.line(" " + strings.Repeat("─", histogramWidth))
	p.line(fmt.Sprintf(" %s%*s  mean %.0f, quartiles %d, %d, %d", left, histogramWidth-len(left), right, l.Mean, l.Lower, l.Median, l.Upper))
}

func (p printer) spread(name, what string, s profile.Spread) {
	p.hanging(p.style.dim(fmt.Sprintf(" %-*s", factWidth, name)), factWidth+1,
		fmt.Sprintf("%.1f %s on average, %d to %d, quartiles %d, %d, %d", s.Mean, what, s.Least, s.Most, s.Lower, s.Median, s.Upper))
}

// counts says what may be wrong.
func (p printer) counts(d profile.Profile) {
	var odd []string
	for _, c := range []struct {
		n    int
		what string
	}{
		{d.Repeated, "that come again with the same label"},
		{d.Contradicted, "that come again with another label"},
		{d.Itself, "with the same text on both sides"},
	} {
		if c.n > 0 {
			odd = append(odd, c.what+": "+thousands(c.n))
		}
	}
	fact := func(name, what string) {
		p.hanging(p.style.dim(fmt.Sprintf(" %-*s", factWidth, name)), factWidth+1, what)
	}
	if len(odd) > 0 {
		fact("pairs", strings.Join(odd, ", "))
	}
	if d.Unpaired > 0 {
		fact("texts", "in no pair: "+thousands(d.Unpaired))
	}
	if d.Unknown > 0 {
		fact("texts", "of pairs, but not among the texts: "+thousands(d.Unknown))
	}
}

func (p printer) example(e profile.Example) {
	p.line("")
	p.line(p.style.dim(fmt.Sprintf(" %s · %s · label %.3g", e.Split, e.Kind, e.Label)))
	for _, side := range []struct{ name, text string }{{"left", e.Left}, {"right", e.Right}} {
		p.hanging(fmt.Sprintf(" %-5s", side.name), 6, shortened(side.text))
	}
}

// shortened is a text in a few lines, in which control characters, which could
// do things to a terminal, are blanks.
func shortened(text string) string {
	const most = 280
	runes := []rune(strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f && r < 0xa0 }), " "))
	if len(runes) > most {
		return string(runes[:most]) + " …"
	}
	return string(runes)
}
