package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/urfave/cli/v2"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer/sweep"
	"github.com/cosfit/cosfit/trainer/sweep/search"
	"github.com/cosfit/cosfit/trainer/sweep/space"
	"github.com/cosfit/cosfit/trainer/sweep/study"
)

// A sweepProgress shows how far a sweep is: on a terminal a table with a line
// for each worker and one for all, elsewhere a line for each trial that ends.
type sweepProgress struct {
	w        io.Writer
	lines    bool
	searched searched
	trials   int // there are to be; 0 where nobody knows
	count    sweep.Count
	best     float64
	bestIs   int // its number

	bars  *mpb.Progress
	rows  []atomic.Pointer[string] // of the workers, then of all
	table []*mpb.Bar
}

// newSweepProgress announces the sweep. Begun are trials that were made before.
func newSweepProgress(c *cli.Context, data *loader.Dataset, searched searched, workers, trials int, begun []study.Trial) *sweepProgress {
	p := &sweepProgress{w: c.App.ErrWriter, lines: !c.Bool("json"), searched: searched, trials: trials, count: sweep.CountOf(begun), bestIs: -1}
	p.count.Running = 0 // they begin again
	if best, ok := sweep.Best(begun); ok {
		p.best, p.bestIs = best.Value, best.Number
	}
	p.begin(isTerminal(p.w), describeData(data), workers)
	return p
}

// begin shows the table on a terminal, and what is about to happen.
func (p *sweepProgress) begin(terminal bool, data string, workers int) {
	p.lines = p.lines && !terminal
	if terminal || p.lines {
		fmt.Fprintln(p.w, data)
		fmt.Fprintln(p.w, p.plan(workers))
	}
	if terminal {
		p.bars = mpb.New(mpb.WithOutput(p.w), mpb.ForceTTY(), mpb.WithAutoRefresh())
		p.rows = make([]atomic.Pointer[string], workers+1)
		for i := range p.rows {
			p.set(i, "")
			p.table = append(p.table, p.bars.New(0, mpb.NopStyle(), mpb.BarRemoveOnComplete(),
				mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return "\r" + *p.rows[i].Load() }))))
		}
		p.set(workers, p.total())
	}
}

// plan says what is about to happen.
func (p *sweepProgress) plan(workers int) string {
	text := "trials"
	if p.trials > 0 {
		text = strconv.Itoa(p.trials) + " " + text
	}
	done := p.done()
	if p.trials > 0 && done >= p.trials {
		return text + ", all of them done before: a larger --trials makes more"
	}
	if done > 0 {
		text += fmt.Sprintf(", %d of them done before", done)
	}
	return fmt.Sprintf("%s, %d at a time, of %s", text, workers, strings.Join(p.searched.names(), ", "))
}

func (s searched) names() (names []string) {
	for _, p := range s.space {
		names = append(names, p.Name)
	}
	return names
}

func (p *sweepProgress) done() int { return p.count.Complete + p.count.Pruned + p.count.Failed }

func (p *sweepProgress) set(row int, text string) { p.rows[row].Store(&text) }

// show is called whenever something has become of a trial.
func (p *sweepProgress) show(now sweep.Progress) {
	switch now.State {
	case search.Complete:
		p.count.Complete++
		if p.bestIs < 0 || now.Value > p.best {
			p.best, p.bestIs = now.Value, now.Trial
		}
	case search.Pruned:
		p.count.Pruned++
	case search.Failed:
		p.count.Failed++
	}
	if p.bars != nil {
		p.set(now.Worker, p.line(now))
		p.set(len(p.rows)-1, p.total())
	} else if p.lines && now.State != search.Running {
		fmt.Fprintln(p.w, p.line(now)+p.bestSoFar())
	}
}

// stateWord is a trial's state for people.
func stateWord(s search.State) string {
	return map[search.State]string{search.Running: "running", search.Complete: "complete", search.Pruned: "pruned", search.Failed: "failed", search.Waiting: "waiting"}[s]
}

// line is what there is to say of a trial.
func (p *sweepProgress) line(now sweep.Progress) string {
	text := fmt.Sprintf("trial %3d  %-8s %2d/%d ", now.Trial, stateWord(now.State), now.Epoch, now.Epochs)
	switch {
	case now.Err != nil:
		return text + " " + oneLine(now.Err.Error())
	case now.Value == now.Value:
		text += fmt.Sprintf(" %.4f ", now.Value)
	default:
		text += "        "
	}
	return text + " " + shortSettings(p.searched.space, now.Point)
}

// shortSettings are those of a point with as many digits as people read.
func shortSettings(s space.Space, p space.Point) string {
	var words []string
	for _, setting := range s.Settings(p) {
		words = append(words, setting.Name+" "+short(setting.Value))
	}
	return strings.Join(words, ", ")
}

// short rounds a number to three digits.
func short(value string) string {
	if x, err := strconv.ParseFloat(value, 64); err == nil && strings.ContainsAny(value, ".e") {
		return strconv.FormatFloat(x, 'g', 3, 64)
	}
	return value
}

func (p *sweepProgress) bestSoFar() string {
	if p.bestIs < 0 {
		return ""
	}
	return fmt.Sprintf("  best %.4f (trial %d)", p.best, p.bestIs)
}

// total is the line for all.
func (p *sweepProgress) total() string {
	text := fmt.Sprintf("%d", p.done())
	if p.trials > 0 {
		text += fmt.Sprintf(" of %d", p.trials)
	}
	text += fmt.Sprintf(" trials done, %d pruned", p.count.Pruned)
	if p.count.Failed > 0 {
		text += fmt.Sprintf(", %d failed", p.count.Failed)
	}
	return text + p.bestSoFar()
}

// stop takes the table away.
func (p *sweepProgress) stop() {
	if p.bars == nil {
		return
	}
	for _, row := range p.table {
		row.Abort(true)
	}
	p.bars.Wait()
	fmt.Fprintf(p.w, "\r%s\n", p.total())
}
