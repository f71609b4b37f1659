package prepare

import (
	"fmt"
	"strings"
)

const (
	shownBad = 3   // bad rows that an error shows
	fewRows  = 100 // as many bad rows among fewer are not yet a share
)

// A Place is a line or a row of a file.
type Place struct {
	File string
	Row  int64  // the number of a line, counted from 1, or of a row of Parquet, counted from 0
	Unit string // "line" or "row"; "" means line
}

// Line is a line of a text file, counted from 1.
func Line(file string, n int64) Place { return Place{File: file, Row: n} }

func (p Place) String() string {
	unit := p.Unit
	if unit == "" {
		unit = "line"
	}
	return fmt.Sprintf("%s: %s %d", p.File, unit, p.Row)
}

// A Tally counts the rows that were read and those that were no good. Its zero
// value bears none.
type Tally struct {
	Most  float64 // share of the rows that may be bad
	Rows  int64   // read, bad ones among them
	Bad   int64
	First []string // what was wrong with the first bad rows, with their places
}

// Reject counts a row that is no good. It is an error once they are too many.
func (t *Tally) Reject(at Place, why error) error {
	t.Bad++
	if len(t.First) < shownBad {
		t.First = append(t.First, fmt.Sprintf("%s: %v", at, why))
	}
	if t.Most == 0 || t.Bad > fewRows && t.excessive() {
		return t.tooMany()
	}
	return nil
}

// End is called after the last row. It is an error if too many were bad.
func (t *Tally) End() error {
	if t.excessive() {
		return t.tooMany()
	}
	return nil
}

func (t *Tally) excessive() bool { return float64(t.Bad) > t.Most*float64(t.Rows) }

func (t *Tally) tooMany() error { return &TooManyBadError{*t} }

// A TooManyBadError ends the reading of a source.
type TooManyBadError struct{ Tally Tally }

func (e *TooManyBadError) Error() string {
	t := e.Tally
	if t.Most == 0 {
		return t.First[0]
	}
	return fmt.Sprintf("%d of the first %d rows are bad, more than %g %%: %s", t.Bad, t.Rows, 100*t.Most, strings.Join(t.First, "; "))
}
