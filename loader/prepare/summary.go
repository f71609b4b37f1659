package prepare

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cosfit/cosfit/loader"
)

// Read reads a source into a draft, up to the checks that come after its last
// row.
func Read(ctx context.Context, s Source, d *Draft) error {
	if err := s.Read(ctx, d); err != nil {
		return err
	}
	if err := d.Tally.End(); err != nil {
		return err
	}
	if d.Pairs.Len() == 0 {
		return ErrNoPairs
	}
	if n := d.Torn(); n > 0 {
		d.Notes = append(d.Notes, fmt.Sprintf("%d queries are in several splits: each is a group of its own in each", n))
	}
	return nil
}

// ErrNoPairs is what is wrong with a source that has none.
var ErrNoPairs = errors.New("there are no pairs in it")

// OnlyPositives reports whether no pair is dissimilar, so that negatives have to
// be drawn.
func (d *Draft) OnlyPositives() bool {
	_, dissimilar := d.balance()
	return dissimilar == 0
}

// OnlyNegatives reports whether all pairs are as dissimilar as can be.
func (d *Draft) OnlyNegatives() bool {
	low, _, _ := loader.ParseRange(d.scale())
	return !slices.ContainsFunc(d.Pairs.Label, func(l float32) bool { return l != low })
}

// scale is the range of the labels, also where the draft leaves it to whoever
// reads the data set.
func (d *Draft) scale() string {
	switch {
	case d.LabelRange != "":
		return d.LabelRange
	case d.lowest < 0:
		return "-1..1"
	}
	return "0..1"
}

// middle is the least label of similar pairs.
func (d *Draft) middle() float32 {
	low, high, _ := loader.ParseRange(d.scale())
	return (low + high) / 2
}

func (d *Draft) balance() (similar, dissimilar int) {
	middle := d.middle()
	for _, l := range d.Pairs.Label {
		if l >= middle {
			similar++
		} else {
			dissimilar++
		}
	}
	return similar, dissimilar
}

// A Summary says what became of a source.
type Summary struct {
	Rows         int64       `json:"rows"` // read, bad ones among them
	Bad          int64       `json:"bad_rows"`
	FirstBad     []string    `json:"first_bad_rows"`
	Repeated     int         `json:"repeated_rows"`
	Contradicted int         `json:"contradicted_rows"`
	Columns      []ColumnUse `json:"columns"`
	LabelRange   string      `json:"label_range"`
	Pairs        int         `json:"pairs"`
	Similar      int         `json:"similar"`
	Queries      int         `json:"queries"`  // different left texts
	Passages     int         `json:"passages"` // different right texts
	Groups       int         `json:"groups"`
	Kinds        []Count     `json:"kinds"`
	Splits       []Count     `json:"splits"` // none where no split was drawn
	Notes        []string    `json:"notes"`
}

// A Count counts pairs.
type Count struct {
	Name     string `json:"name"`
	Pairs    int    `json:"pairs"`
	Similar  int    `json:"similar"`
	Queries  int    `json:"queries"`
	Passages int    `json:"passages"`
}

// Summarize counts what the draft has.
func (d *Draft) Summarize() Summary {
	t, p := &d.Tally, &d.Pairs
	all := d.count("", func(int) bool { return true })
	s := Summary{
		Rows: t.Rows, Bad: t.Bad, FirstBad: t.First, Repeated: d.Repeated, Contradicted: d.Contradicted,
		Columns: d.Columns, LabelRange: d.scale(), Notes: d.Notes,
		Pairs: all.Pairs, Similar: all.Similar, Queries: all.Queries, Passages: all.Passages, Groups: len(p.Groups),
	}
	for _, name := range loader.KindNames() {
		kind, _ := loader.ParseKind(name)
		if c := d.count(name, func(i int) bool { return p.Kind[i] == kind }); c.Pairs > 0 {
			s.Kinds = append(s.Kinds, c)
		}
	}
	for _, name := range loader.SplitNames() {
		split, _ := loader.ParseSplit(name)
		if c := d.count(name, func(i int) bool { return len(p.Split) > 0 && p.Split[i] == split }); c.Pairs > 0 {
			s.Splits = append(s.Splits, c)
		}
	}
	return s
}

// count counts the pairs that some have in common.
func (d *Draft) count(name string, of func(i int) bool) Count {
	c := Count{Name: name}
	middle := d.middle()
	left, right := make([]bool, d.Texts()), make([]bool, d.Texts())
	for i, label := range d.Pairs.Label {
		if !of(i) {
			continue
		}
		c.Pairs++
		if label >= middle {
			c.Similar++
		}
		if l := d.Pairs.Left[i]; !left[l] {
			left[l] = true
			c.Queries++
		}
		if r := d.Pairs.Right[i]; !right[r] {
			right[r] = true
			c.Passages++
		}
	}
	return c
}
