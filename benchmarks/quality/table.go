package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cosfit/cosfit/internal/atomicfile"
)

func tableCommand(args []string) error {
	f := flag.NewFlagSet("table", flag.ContinueOnError)
	in := f.String("in", "benchmarks/results/quality", "folder of the results")
	out := f.String("out", "", "file for the tables; without it they are printed")
	short := f.Bool("short", false, "the one table of the README")
	if err := f.Parse(args); err != nil {
		return err
	}
	r, err := readResults(*in)
	if err != nil {
		return err
	}
	write := r.write
	if *short {
		write = r.writeShort
	}
	if *out == "" {
		return write(os.Stdout)
	}
	return atomicfile.Write(*out, write)
}

// results are all files of a folder.
type results struct {
	rows        []Row
	comparisons []Comparison
	adjusted    map[*Comparison]float64 // p after Holm, over all comparisons of the deciding figure
}

func readResults(folder string) (*results, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.jsonl"))
	if err != nil {
		return nil, err
	}
	r := &results{adjusted: map[*Comparison]float64{}}
	for _, file := range files {
		if strings.HasSuffix(file, ".comparisons.jsonl") {
			list, err := readLines[Comparison](file)
			if err != nil {
				return nil, err
			}
			r.comparisons = append(r.comparisons, list...)
			continue
		}
		list, err := readLines[Row](file)
		if err != nil {
			return nil, err
		}
		r.rows = append(r.rows, lastOf(list)...)
	}
	if len(r.comparisons) == 0 {
		return nil, fmt.Errorf("%s has no comparisons: run the study first", folder)
	}
	var decided []*Comparison
	var p []float64
	for i := range r.comparisons {
		if c := &r.comparisons[i]; c.Figure != "accuracy" {
			decided, p = append(decided, c), append(p, c.P)
		}
	}
	for i, q := range holm(p) {
		r.adjusted[decided[i]] = q
	}
	return r, nil
}

// lastOf keeps the last row of each key, as the study itself does.
func lastOf(list []Row) (kept []Row) {
	at := map[string]int{}
	for _, row := range list {
		if i, ok := at[row.key()]; ok {
			kept[i] = row
			continue
		}
		at[row.key()] = len(kept)
		kept = append(kept, row)
	}
	return kept
}

// A studyCase is a line of a table.
type studyCase struct {
	set, model string
	size       int
	unseen     bool
}

func (c studyCase) cells() []string {
	name, size := c.set, "all"
	if c.unseen {
		name += ", unseen texts"
	}
	if c.size > 0 {
		size = fmt.Sprint(c.size)
	}
	return []string{name, c.model, size}
}

func caseOf(c *Comparison) studyCase { return studyCase{c.Set, c.Model, c.Size, c.Unseen} }

// cases lists the lines that there are, sets and sizes as the study has them.
func (r *results) cases() (list []studyCase) {
	for i := range r.comparisons {
		if c := caseOf(&r.comparisons[i]); !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	place := map[string]int{}
	for i, s := range sets() {
		place[s.name] = i
	}
	order := func(size int) int {
		if size == 0 {
			return 1 << 30
		}
		return size
	}
	falseFirst := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	slices.SortFunc(list, func(a, b studyCase) int {
		return cmp.Or(cmp.Compare(place[a.set], place[b.set]), falseFirst(a.unseen)-falseFirst(b.unseen),
			strings.Compare(a.model, b.model), order(a.size)-order(b.size))
	})
	return list
}

// titles are what tables call methods, in the order of their columns.
func titles() [][2]string {
	return [][2]string{
		{untrained, "untrained"}, {bestClosed, "best closed form"}, {notebook, "notebook"},
		{"dense", "Dense"}, {"dense-cosine", "Dense, cosine loss"}, {"llamaindex", "LlamaIndex"}, {"linear-adapter-trainer", "LinearAdapterTrainer"},
		{"dense" + tunedSuffix, "Dense, tuned"}, {"llamaindex" + tunedSuffix, "LlamaIndex, tuned"}, {"linear-adapter-trainer" + tunedSuffix, "LinearAdapterTrainer, tuned"},
		{ours, "default"}, {ours + tunedSuffix, "default, tuned"}, {oursQuery, "default, query only"}, {oursQuery + tunedSuffix, "default, query only, tuned"},
	}
}

// find returns a comparison, or nil.
func (r *results) find(at studyCase, method, against, figure string) *Comparison {
	for i := range r.comparisons {
		c := &r.comparisons[i]
		if caseOf(c) == at && c.Method == method && c.Against == against && (c.Figure == figure || figure == "" && c.Figure != "accuracy") {
			return c
		}
	}
	return nil
}

func (r *results) write(w io.Writer) error {
	var b strings.Builder
	b.WriteString("Made of the files beside it by `go run ./benchmarks/quality table`. Figures of test pairs, means over the draws: ROC AUC, of stsb and patent Spearman's correlation. " +
		"Gains have 95 % intervals over resampled groups; in bold those that differ from 0 after Holm's correction over all comparisons here (p < 0.05). " +
		"Searches ran on some of the draws alone: a gain is over the draws that both methods have.\n")
	r.means(&b)
	r.gains(&b, ours, "Gain of the default recipe over", "")
	r.gains(&b, ours+tunedSuffix, "Gain of the default recipe, tuned, over", "")
	r.gains(&b, oursQuery, "Gain of the default recipe with `--side query` over", "")
	r.gains(&b, oursQuery+tunedSuffix, "Gain of the default recipe with `--side query`, tuned, over", "")
	r.gains(&b, ours, "Accuracy at the validation threshold, in points: gain of the default recipe over", "accuracy")
	r.worse(&b)
	r.seconds(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func heading(b *strings.Builder, title string, columns []string) {
	fmt.Fprintf(b, "\n### %s\n\n| set | vectors | pairs | %s |\n|---|---|---|%s\n", title, strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
}

func line(b *strings.Builder, cells []string) { fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | ")) }

// means are the figures themselves, each line over the draws that all its methods
// have, so that they compare.
func (r *results) means(b *strings.Builder) {
	var all []string
	for _, t := range titles() {
		all = append(all, t[0])
	}
	r.grid(b, "Means", func(c studyCase, method string) string { return r.cellOf(c, method, r.common(c, all)) })
	b.WriteString("\nDraws of these means: ")
	for i, c := range r.cases() {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(b, "%s %d", strings.Join(c.cells(), " "), len(r.common(c, all)))
	}
	b.WriteString(".\n")
}

// figures are the deciding figures of a method, by draw.
func (r *results) figures(c studyCase, method string) map[int]float64 {
	out := map[int]float64{}
	for _, row := range r.rows {
		if row.Set != c.set || row.Model != c.model || row.Size != c.size || row.Method != method || row.Incomplete != "" {
			continue
		}
		f := row.Test
		if c.unseen {
			if row.Unseen == nil {
				continue
			}
			f = *row.Unseen
		}
		out[row.Draw] = f.primary(row.Graded)
	}
	return out
}

// mean of a method's figures over some draws, or over all of its own where those
// are nil. A method without figures has none.
func (r *results) mean(c studyCase, method string, draws []int) (mean float64, ok bool) {
	figures := r.figures(c, method)
	if draws == nil {
		draws = slices.Sorted(maps.Keys(figures))
	}
	sum := 0.0
	for _, d := range draws {
		sum += figures[d]
	}
	return sum / float64(len(draws)), len(figures) > 0
}

// common are the draws that all methods have of those that have any.
func (r *results) common(c studyCase, methods []string) (draws []int) {
	count, with := map[int]int{}, 0
	for _, m := range methods {
		figures := r.figures(c, m)
		if len(figures) > 0 {
			with++
		}
		for d := range figures {
			count[d]++
		}
	}
	for _, d := range slices.Sorted(maps.Keys(count)) {
		if count[d] == with {
			draws = append(draws, d)
		}
	}
	return draws
}

// writeShort writes the table of the README: of the peers at their defaults it
// has the one that is best on the very figures that are shown. Means are over the
// draws that all methods have, a gain over all that both have.
func (r *results) writeShort(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| set | vectors | pairs | draws | untrained | best closed form | notebook | best peer | default | gain over untrained [95 % interval] |\n|---|---|---|---|---|---|---|---|---|---|\n")
	var shown []string
	for _, t := range titles() {
		if !strings.HasSuffix(t[0], tunedSuffix) && t[0] != oursQuery {
			shown = append(shown, t[0])
		}
	}
	for _, c := range r.cases() {
		gain := r.find(c, ours, untrained, "")
		draws := r.common(c, shown)
		if c.unseen || gain == nil || len(draws) == 0 {
			continue
		}
		cells := append(c.cells(), fmt.Sprint(len(draws)))
		for _, method := range []string{untrained, bestClosed, notebook} {
			cells = append(cells, r.cellOf(c, method, draws))
		}
		peer, best := "", math.Inf(-1)
		for _, t := range titles() {
			own := t[0] == untrained || t[0] == bestClosed || t[0] == notebook || strings.HasPrefix(t[0], ours)
			if mean, ok := r.mean(c, t[0], draws); ok && !own && !strings.HasSuffix(t[0], tunedSuffix) && mean > best {
				peer, best = fmt.Sprintf("%.3f (%s)", mean, t[1]), mean
			}
		}
		text := fmt.Sprintf("%+.3f [%+.3f, %+.3f]", gain.Gain, gain.Low, gain.High)
		line(&b, append(cells, peer, r.cellOf(c, ours, draws), text))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *results) cellOf(c studyCase, method string, draws []int) string {
	mean, ok := r.mean(c, method, draws)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%.3f", mean)
}

// grid is a table of the methods that have anything in it.
func (r *results) grid(b *strings.Builder, title string, cell func(c studyCase, method string) string) {
	cases := r.cases()
	var columns []string
	lines := make([][]string, len(cases))
	for i, c := range cases {
		lines[i] = c.cells()
	}
	for _, t := range titles() {
		column, any := make([]string, len(cases)), false
		for i, c := range cases {
			column[i] = cell(c, t[0])
			any = any || column[i] != ""
		}
		if !any {
			continue
		}
		columns = append(columns, t[1])
		for i := range lines {
			lines[i] = append(lines[i], column[i])
		}
	}
	if len(columns) == 0 {
		return
	}
	heading(b, title, columns)
	for _, l := range lines {
		if strings.Join(l[3:], "") != "" {
			line(b, l)
		}
	}
}

func (r *results) gains(b *strings.Builder, method, title, figure string) {
	r.grid(b, title, func(at studyCase, against string) string {
		c := r.find(at, method, against, figure)
		switch {
		case c == nil:
			return ""
		case figure == "accuracy":
			return fmt.Sprintf("%+.1f [%+.1f, %+.1f]", 100*c.Gain, 100*c.Low, 100*c.High)
		}
		text := fmt.Sprintf("%+.3f [%+.3f, %+.3f]", c.Gain, c.Low, c.High)
		if r.adjusted[c] < 0.05 {
			text = "**" + text + "**"
		}
		return text
	})
}

// worse says how often the default recipe does harm.
func (r *results) worse(b *strings.Builder) {
	heading(b, "Draws in which the default recipe is below no matrix by more than one standard error", []string{"draws", "of them worse", "mean gain"})
	for _, at := range r.cases() {
		if c := r.find(at, ours, untrained, ""); c != nil {
			line(b, append(at.cells(), fmt.Sprint(c.Draws), fmt.Sprint(c.Worse), fmt.Sprintf("%+.3f", c.Gain)))
		}
	}
}

// seconds are medians of what learning took.
func (r *results) seconds(b *strings.Builder) {
	r.grid(b, "Seconds of learning, medians; of a search all trials", func(c studyCase, method string) string {
		var all []float64
		for _, row := range r.rows {
			if row.Set == c.set && row.Model == c.model && row.Size == c.size && row.Method == method && row.Incomplete == "" && !c.unseen && method != untrained {
				all = append(all, row.Seconds)
			}
		}
		if len(all) == 0 {
			return ""
		}
		slices.Sort(all)
		return fmt.Sprintf("%.1f", all[len(all)/2])
	})
}
