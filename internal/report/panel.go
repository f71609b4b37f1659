package report

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cosfit/cosfit/internal/rundir"
)

// Width is the number of columns that a panel fits into.
const Width = 80

// A Style says how a panel is drawn. The zero value is plain text.
type Style struct{ Color bool }

func (s Style) paint(code, text string) string {
	if !s.Color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s Style) bold(text string) string  { return s.paint("1", text) }
func (s Style) dim(text string) string   { return s.paint("2", text) }
func (s Style) green(text string) string { return s.paint("32", text) }
func (s Style) red(text string) string   { return s.paint("31", text) }

// Panel draws before and after on one split: the figures with their intervals,
// the histograms of cosine, the judgement and the commands to type next.
func Panel(w io.Writer, s rundir.Summary, scores []rundir.Score, split, title string, next []Command, style Style) {
	p := printer{w, style}
	p.line("")
	p.line(" " + style.bold(title))
	p.notes(s.Data.Notes)
	p.line("")
	before, after := s.Before[split], s.After[split]
	p.line(fmt.Sprintf(" %s split: %s pairs%s", capital(split), thousands(after.Pairs), p.flattering(s, split)))
	p.epochs(s)
	p.line("")
	p.figures(before, after, s.Comparisons[split])
	if w := s.WithoutShared; w != nil && split == w.Split {
		p.withoutShared(w)
	}
	p.histograms(scores, split, before.Threshold, after.Threshold)
	p.line("")
	p.wrap(s.Judgement.Text, " ", func(line string) string { return style.bold(line) })
	p.account(s)
	p.next(next)
	p.line("")
}

// account says what puts the gain into proportion, where anything does.
func (p printer) account(s rundir.Summary) {
	var remarks []string
	if s.Account != nil {
		remarks = append(remarks, s.Account.Remarks...)
	}
	if g := s.Guard; g != nil {
		remarks = append(remarks, fmt.Sprintf("On texts it was not learned for (%s), %.0f %% of the %d nearest neighbours stay, and Spearman's correlation of cosines before and after is %.2f.",
			filepath.Base(g.Path), 100*g.NeighboursKept, g.Neighbours, g.Spearman))
	}
	if len(remarks) > 0 {
		p.line("")
		p.wrap(strings.Join(remarks, " "), " ", func(line string) string { return line })
	}
}

// A Command is something to type next, and why.
type Command struct{ Why, Line string }

type printer struct {
	w     io.Writer
	style Style
}

func (p printer) line(text string) { fmt.Fprintln(p.w, strings.TrimRight(text, " ")) }

// notes say what was decided for the user.
func (p printer) notes(notes []string) {
	for _, n := range notes {
		p.wrap("Note: "+n+".", " ", p.style.dim)
	}
}

// flattering warns in the headline where the split is not held out.
func (p printer) flattering(s rundir.Summary, split string) string {
	switch {
	case split == s.SelectedOn && split == crossValidation:
		return ", each judged by a training without its part"
	case split == s.SelectedOn:
		return ", which chose the epoch"
	case split == "test" && s.SelectedOn != "":
		return ", scored once at the end"
	}
	return ""
}

// crossValidation is what figures call pairs that were judged in parts.
const crossValidation = "cross-validation"

// epochs says which epoch is shown and how long the training went on.
func (p printer) epochs(s rundir.Summary) {
	switch {
	case s.SelectedOn == crossValidation:
		text := fmt.Sprintf(" Few pairs: all %d epochs on all of them, judged by training %d times without a part", s.Epochs, s.Config.CrossValidate)
		if s.Epochs < s.Config.Epochs {
			text = fmt.Sprintf(" Few pairs: %d of %d epochs, chosen and judged by %d trainings without a part", s.Epochs, s.Config.Epochs, s.Config.CrossValidate)
		}
		p.line(p.style.dim(text))
		p.learned(s.LearnedLoss)
		return
	case s.BestEpoch == 0:
		return
	}
	text := fmt.Sprintf(" Epoch %d of %d was the best on %s", s.BestEpoch, s.Epochs, s.SelectedOn)
	if s.Epochs < s.Config.Epochs {
		text += fmt.Sprintf("; %d more brought nothing better", s.Epochs-s.BestEpoch)
	}
	p.line(p.style.dim(text))
	p.learned(s.LearnedLoss)
}

// learned says what the loss learned beside the matrix.
func (p printer) learned(loss *rundir.Part) {
	if loss == nil {
		return
	}
	var settings map[string]any
	if json.Unmarshal(loss.Settings, &settings) != nil {
		return // written by something else
	}
	var numbers []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if v, ok := settings[name].(float64); ok {
			numbers = append(numbers, fmt.Sprintf("%s %.3g", name, v))
		}
	}
	p.line(p.style.dim(fmt.Sprintf(" Learned beside the matrix: %s of %s", strings.Join(numbers, ", "), loss.Name)))
}

// figures draws the table. What is not known before has one column.
func (p printer) figures(before, after rundir.Metrics, c map[string]rundir.Comparison) {
	heading := fmt.Sprintf(" %-11s %-20s %-20s %s", "", "before", "after", "gain [95 % interval]")
	for _, x := range c {
		if !x.Before.Known() {
			heading = fmt.Sprintf(" %-11s %s", "", "with the matrix [95 % interval]")
		}
	}
	p.line(p.style.dim(heading))
	for _, f := range []struct {
		name, key string
		scale     float64
		verb      string
	}{
		{"ROC AUC", "roc_auc", 1, "%.3f"},
		{"Spearman", "spearman", 1, "%.3f"},
		{"accuracy %", "accuracy", 100, "%.1f"},
	} {
		if x, ok := c[f.key]; ok {
			p.compared(f.name, x, f.scale, f.verb)
		}
	}
	p.plain("majority %", before.Majority, after.Majority, 100, "%.1f")
	p.plain("F1 similar", before.F1, after.F1, 1, "%.3f")
	search := func(name, key string, before, after rundir.Figure, scale float64, verb string) {
		if x, ok := c[key]; ok {
			p.compared(name, x, scale, verb)
			return
		}
		p.plain(name, before, after, scale, verb)
	}
	search("MRR", "mrr", before.MRR, after.MRR, 1, "%.3f")
	p.plain("recall@1 %", before.RecallAt1, after.RecallAt1, 100, "%.1f")
	search("recall@10 %", "recall_at_10", before.RecallAt10, after.RecallAt10, 100, "%.1f")
	search("nDCG@10", "ndcg_at_10", before.NDCGAt10, after.NDCGAt10, 1, "%.3f")
}

// withoutShared draws the figures of the pairs that share nothing with training,
// where there are enough.
func (p printer) withoutShared(w *rundir.WithoutShared) {
	p.line("")
	switch {
	case w.After.Pairs == 0:
		p.wrap("Each of these pairs shares a text or a group with training, so there are no figures without those.", " ", p.style.dim)
		return
	case w.TooFew:
		p.wrap(fmt.Sprintf("%s of these pairs share a text or a group with training. Of the others, %s, there are too few for figures of their own.", thousands(w.SharedPairs), thousands(w.After.Pairs)), " ", p.style.dim)
		return
	}
	p.wrap(fmt.Sprintf("Without the %s pairs that share a text or a group with training, %s are left:", thousands(w.SharedPairs), thousands(w.After.Pairs)), " ",
		func(line string) string { return line })
	p.line("")
	p.figures(w.Before, w.After, w.Comparisons)
}

// compared draws a figure with its intervals.
func (p printer) compared(name string, c rundir.Comparison, scale float64, verb string) {
	number := func(f rundir.Figure) string { return fmt.Sprintf(verb, scale*float64(f)) }
	signed := func(f rundir.Figure) string { return signed(verb, scale*float64(f)) }
	with := func(f rundir.Figure, i rundir.Interval) string {
		if !i.Low.Known() {
			return number(f)
		}
		return fmt.Sprintf("%s [%s, %s]", number(f), number(i.Low), number(i.High))
	}
	if !c.Before.Known() {
		p.line(fmt.Sprintf(" %-11s %s", name, with(c.After, c.AfterInterval)))
		return
	}
	gain := signed(c.Gain)
	if c.GainInterval.Low.Known() {
		gain = fmt.Sprintf("%s [%s, %s]", gain, signed(c.GainInterval.Low), signed(c.GainInterval.High))
	}
	switch {
	case c.GainInterval.Low > 0:
		gain = p.style.green(gain)
	case c.GainInterval.High < 0:
		gain = p.style.red(gain)
	}
	p.line(fmt.Sprintf(" %-11s %-20s %-20s %s", name, with(c.Before, c.BeforeInterval), with(c.After, c.AfterInterval), gain))
}

// plain draws a figure without intervals, unless it is unknown.
func (p printer) plain(name string, before, after rundir.Figure, scale float64, verb string) {
	if !after.Known() {
		return
	}
	if !before.Known() {
		p.line(fmt.Sprintf(" %-11s %s", name, fmt.Sprintf(verb, scale*float64(after))))
		return
	}
	b, a := scale*float64(before), scale*float64(after)
	gain := ""
	if a != b {
		gain = signed(verb, a-b)
	}
	p.line(fmt.Sprintf(" %-11s %-20s %-20s %s", name, fmt.Sprintf(verb, b), fmt.Sprintf(verb, a), gain))
}

// signed writes a difference; one that rounds to nothing is +0.
func signed(verb string, x float64) string {
	text := fmt.Sprintf(strings.Replace(verb, "%", "%+", 1), x)
	if strings.Trim(text, "-0.") == "" {
		return "+" + text[1:]
	}
	return text
}

func (p printer) next(commands []Command) {
	for _, c := range commands {
		p.line("")
		p.line(" " + c.Why)
		p.line("   " + p.style.bold(c.Line))
	}
}

// wrap prints text in lines that fit, each indented and styled.
func (p printer) wrap(text, indent string, style func(string) string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(indent)+len([]rune(line))+1+len([]rune(word)) > Width {
			p.line(indent + style(line))
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		p.line(indent + style(line))
	}
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// thousands writes a number with separators: 11,034.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
