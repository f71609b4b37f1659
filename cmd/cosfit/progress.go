package main

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/trainer"
)

// A progress shows how far a training is: a bar on a terminal, a line for each
// epoch elsewhere.
type progress struct {
	w     io.Writer
	lines bool
	bars  *mpb.Progress
	bar   *mpb.Bar
	state atomic.Pointer[string] // beside the bar, which another goroutine draws
	folds *rowBar                // of a cross-validation, which comes first; nil outside it
	next  time.Time              // of a line about that
}

// newProgress announces the data. Without lines nothing is written to what is
// not a terminal.
func newProgress(w io.Writer, data string, lines bool) *progress {
	return newProgressOn(w, isTerminal(w), data, lines)
}

// newProgressOn is newProgress where it is known whether w is a terminal.
func newProgressOn(w io.Writer, terminal bool, data string, lines bool) *progress {
	p := &progress{w: w, lines: lines && !terminal, next: time.Now().Add(lineEvery)}
	if terminal {
		p.bars = mpb.New(mpb.WithOutput(w), mpb.ForceTTY(), mpb.WithAutoRefresh())
	}
	if p.lines || terminal {
		fmt.Fprintln(w, data)
	}
	return p
}

func isTerminal(w io.Writer) bool {
	f, ok := fileOf(w)
	return ok && term.IsTerminal(int(f.Fd()))
}

// show is called after each epoch; epoch 0 is the start.
func (p *progress) show(now trainer.Progress) {
	p.stopFolds()
	switch {
	case p.bars != nil:
		state := describeEpoch(now, now.Rows[len(now.Rows)-1:]) // the split that decides
		p.state.Store(&state)
		if p.bar == nil {
			p.bar = p.addBar(now.Epochs)
		}
		p.bar.SetCurrent(int64(now.Epoch))
	case p.lines:
		fmt.Fprintf(p.w, "epoch %2d/%d  %s\n", now.Epoch, now.Epochs, describeEpoch(now, now.Rows))
	}
}

// showFolds is called while few pairs are cross-validated, before the first epoch.
func (p *progress) showFolds(done, all int) {
	if p.folds == nil {
		p.folds = newRowBar(p.w, p.bars != nil, int64(all), "cross-validation")
	}
	p.folds.show(int64(done))
	if now := time.Now(); p.lines && now.After(p.next) {
		p.next = now.Add(lineEvery)
		fmt.Fprintf(p.w, "cross-validation %d of %d\n", done, all)
	}
}

func (p *progress) stopFolds() {
	if p.folds != nil {
		p.folds.stop()
		p.folds = nil
	}
}

// addBar makes a bar that shows p.state, which must be set. A terminal shows
// Ctrl-C as ^C where the cursor is, hence the carriage return.
func (p *progress) addBar(epochs int) *mpb.Bar {
	state := func(decor.Statistics) string { return *p.state.Load() }
	return p.bars.AddBar(int64(epochs), mpb.BarWidth(24), mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.CountersNoUnit("\repoch %d/%d")),
		mpb.AppendDecorators(decor.Any(state)))
}

// describeEpoch puts the rows of an epoch into a few words.
func describeEpoch(now trainer.Progress, rows []rundir.Epoch) (text string) {
	for _, r := range rows {
		if text != "" {
			text += "  "
		}
		text += r.Split
		if r.Loss.Known() { // one of the projected vectors is only taken of batches
			text += fmt.Sprintf(" loss %.4f", r.Loss)
		}
		switch {
		case r.Selection.Known():
			text += fmt.Sprintf(" %s %.3f", now.Figure, r.Selection)
		case r.ROCAUC.Known():
			text += fmt.Sprintf(" ROC AUC %.3f", r.ROCAUC)
		}
	}
	return text
}

// stop takes the bar away.
func (p *progress) stop() {
	p.stopFolds()
	if p.bar != nil {
		p.bar.Abort(true)
	}
	if p.bars != nil {
		p.bars.Wait()
		fmt.Fprint(p.w, "\r  \r") // over a ^C
	}
}
