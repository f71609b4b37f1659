package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/trainer"
)

func TestProgress(t *testing.T) {
	const epochs = 2
	tests := []struct {
		name            string
		terminal, lines bool
		shown           int    // calls of show, the first with epoch 0
		left            string // what stays on the screen
	}{
		{"lines", false, true, epochs + 1, "data\n" +
			"epoch  0/2  train loss 0.5000  validation loss 0.2500 ROC AUC 0.900\n" +
			"epoch  1/2  train loss 0.5000  validation loss 0.2500 ROC AUC 0.901\n" +
			"epoch  2/2  train loss 0.5000  validation loss 0.2500 ROC AUC 0.902\n"},
		{"quiet", false, false, epochs + 1, ""},
		{"bar of a whole run", true, true, epochs + 1, "data\n"},
		{"bar of a run that stops early", true, true, epochs, "data\n"},
		{"bar of a run that fails at once", true, true, 0, "data\n"},
		{"bar beside JSON", true, false, epochs, "data\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var s screen
			p := newProgressOn(&s, test.terminal, "data", test.lines)
			for epoch := range test.shown {
				p.show(epochOf(epoch, epochs))
				if test.terminal && epoch < epochs {
					s.await(t, fmt.Sprintf("epoch %d/2 [", epoch), fmt.Sprintf("] validation loss 0.2500 ROC AUC 0.90%d", epoch))
				}
			}
			if test.terminal {
				fmt.Fprint(&s, "^C") // the terminal's own echo
			}
			p.stop()
			if got := s.left(); got != test.left {
				t.Errorf("left %q, want %q", got, test.left)
			}
		})
	}
}

// TestProgressOfFolds: the bar of a cross-validation gives way to that of the epochs,
// and elsewhere a line is written now and then.
func TestProgressOfFolds(t *testing.T) {
	var s screen
	p := newProgressOn(&s, true, "data", true)
	p.showFolds(7, 20)
	s.await(t, "cross-validation 7/20 [")
	p.show(epochOf(0, 2))
	s.await(t, "epoch 0/2 [")
	p.stop()
	if got := s.left(); got != "data\n" {
		t.Errorf("a terminal shows %q", got)
	}

	var lines screen
	p = newProgressOn(&lines, false, "data", true)
	p.showFolds(1, 20)
	p.next = time.Now()
	p.showFolds(2, 20)
	p.showFolds(3, 20)
	p.stop()
	if got := lines.left(); got != "data\ncross-validation 2 of 20\n" {
		t.Errorf("written were %q", got)
	}
}

// TestProgressFast shows epochs faster than the bar is drawn, which another
// goroutine does: the race detector watches.
func TestProgressFast(t *testing.T) {
	var s screen
	p := newProgressOn(&s, true, "data", true)
	for epoch := range 400 {
		p.show(epochOf(epoch, 1000))
		time.Sleep(time.Millisecond)
	}
	p.stop()
	if got := s.left(); got != "data\n" {
		t.Errorf("left %q", got)
	}
	lines := 0
	for line := range strings.Lines(s.written()) {
		if lines++; utf8.RuneCountInString(control.ReplaceAllString(line, "")) > 80 {
			t.Errorf("a line of more than 80 columns: %q", line)
		}
	}
	if lines < 2 {
		t.Error("the bar was never drawn")
	}
}

// epochOf is what a trainer reports after an epoch.
func epochOf(epoch, epochs int) trainer.Progress {
	return trainer.Progress{Epoch: epoch, Epochs: epochs, Figure: "ROC AUC", Rows: []rundir.Epoch{
		{Epoch: epoch, Split: "train", Loss: 0.5, ROCAUC: rundir.None, Selection: rundir.None},
		{Epoch: epoch, Split: "validation", Loss: 0.25, ROCAUC: 0.9 + rundir.Figure(epoch%100)/1000, Selection: rundir.None},
	}}
}

// A screen is a terminal without an edge that knows what a bar sends: carriage
// returns and the sequences for "up n lines" and "erase from here".
type screen struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

// written is everything that was ever written.
func (s *screen) written() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// control finds the ends of text: control characters and sequences.
var control = regexp.MustCompile(`[\r\n]|\x1b\[(\d*)([A-Z])`)

// left is what can be seen in the end.
func (s *screen) left() string {
	lines, row, col := [][]rune{nil}, 0, 0
	put := func(text string) {
		for _, r := range text {
			for len(lines[row]) <= col {
				lines[row] = append(lines[row], ' ')
			}
			lines[row][col] = r
			col++
		}
	}
	rest := s.written()
	for at := control.FindStringSubmatch(rest); at != nil; at = control.FindStringSubmatch(rest) {
		text, after, _ := strings.Cut(rest, at[0])
		put(text)
		rest = after
		switch {
		case at[0] == "\r":
			col = 0
		case at[0] == "\n":
			if row, col = row+1, 0; row == len(lines) {
				lines = append(lines, nil)
			}
		case at[2] == "A":
			n, _ := strconv.Atoi(at[1])
			row -= n
		case at[2] == "J":
			lines[row] = lines[row][:min(col, len(lines[row]))]
			lines = lines[:row+1]
		}
	}
	put(rest)
	var seen []string
	for _, line := range lines {
		seen = append(seen, strings.TrimRight(string(line), " "))
	}
	return strings.Join(seen, "\n")
}

// await waits until a line has been drawn that has all parts.
func (s *screen) await(t *testing.T, parts ...string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		for line := range strings.Lines(s.written()) {
			if containsAll(line, parts) {
				return
			}
		}
	}
	t.Fatalf("no line has %q; the screen shows %q", parts, s.left())
}

func containsAll(line string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(line, part) {
			return false
		}
	}
	return true
}
