// Package profile says what is in a data set: its splits, kinds and labels, how
// long its texts are, what its splits share, and examples.
package profile

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"unicode/utf8"

	"github.com/cosfit/cosfit/loader"
)

// A Profile is what is in a data set.
type Profile struct {
	Name       string   `json:"name"`
	Pairs      int      `json:"pairs"`
	Groups     int      `json:"groups"`
	LabelRange string   `json:"label_range"`
	Graded     bool     `json:"graded"`
	SplitGiven bool     `json:"split_given"` // else it is what training would draw
	Notes      []string `json:"notes,omitempty"`

	Splits []Split `json:"splits"` // that have pairs
	Labels []Bin   `json:"labels"` // how many pairs have which label
	Left   Lengths `json:"left_texts"`
	Right  Lengths `json:"right_texts"`

	PairsOfGroup    Spread `json:"pairs_of_group"`
	PassagesOfGroup Spread `json:"similar_passages_of_group"`

	Repeated     int `json:"repeated_pairs"`     // the same two texts with the same label again
	Contradicted int `json:"contradicted_pairs"` // the same two texts with another label
	Itself       int `json:"pairs_of_one_text"`  // the same text on both sides
	Unpaired     int `json:"unpaired_texts"`     // texts that no pair has
	Unknown      int `json:"unknown_texts"`      // texts that pairs have and nothing tells

	Leaks    []loader.Leak `json:"leaks,omitempty"`
	Examples []Example     `json:"examples"`
}

// A Split is what is in one.
type Split struct {
	Name    string         `json:"name"`
	Pairs   int            `json:"pairs"`
	Groups  int            `json:"groups"`
	Texts   int            `json:"texts"`
	Similar int            `json:"similar"` // pairs whose label is at least the middle of the range
	Kinds   map[string]int `json:"kinds"`
}

// A Bin counts the labels from Low to High.
type Bin struct {
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	Pairs int     `json:"pairs"`
}

// An Example is a pair.
type Example struct {
	Split string  `json:"split"`
	Kind  string  `json:"kind"`
	Label float64 `json:"label"`
	Group string  `json:"group"`
	Left  string  `json:"left"`
	Right string  `json:"right"`
}

// Options say which examples are shown.
type Options struct {
	Examples int
	Seed     uint64
}

// Of looks at a data set, which needs no vectors.
func Of(ctx context.Context, d *loader.Dataset, o Options) (Profile, error) {
	p := Profile{
		Name: d.Name, Pairs: d.Pairs.Len(), Groups: len(d.Pairs.Groups), LabelRange: d.Labels.String(), Graded: d.Labels.Graded,
		SplitGiven: d.SplitGiven, Notes: d.Notes, Leaks: d.Leaks(),
	}
	p.splits(d)
	p.labels(d)
	p.groups(d)
	p.repeats(d)
	return p, p.texts(ctx, d, o)
}

func (p *Profile) splits(d *loader.Dataset) {
	for s := range loader.Split(loader.NumSplits) {
		split := Split{Name: s.String(), Kinds: map[string]int{}}
		groups, texts := map[int32]bool{}, map[int32]bool{}
		for _, i := range d.Indices(s) {
			split.Pairs++
			groups[d.Pairs.Group[i]] = true
			texts[d.Pairs.Left[i]], texts[d.Pairs.Right[i]] = true, true
			split.Kinds[d.Pairs.Kind[i].String()]++
			if d.Labels.Positive(d.Pairs.Label[i]) {
				split.Similar++
			}
		}
		split.Groups, split.Texts = len(groups), len(texts)
		if split.Pairs > 0 {
			p.Splits = append(p.Splits, split)
		}
	}
}

// labels counts the two ends of the range, or, where there are labels between,
// tenths of it.
func (p *Profile) labels(d *loader.Dataset) {
	const tenths = 10
	low, width := d.Labels.Min, d.Labels.Max-d.Labels.Min
	if !d.Labels.Graded {
		p.Labels = []Bin{{Low: low, High: low}, {Low: low + width, High: low + width}}
		for _, l := range d.Pairs.Label {
			if d.Labels.Positive(l) {
				p.Labels[1].Pairs++
			} else {
				p.Labels[0].Pairs++
			}
		}
		return
	}
	for i := range tenths {
		p.Labels = append(p.Labels, Bin{Low: low + width*float64(i)/tenths, High: low + width*float64(i+1)/tenths})
	}
	for _, l := range d.Pairs.Label {
		p.Labels[min(int((float64(l)-low)/width*tenths), tenths-1)].Pairs++
	}
}

func (p *Profile) groups(d *loader.Dataset) {
	pairs := make([]int, len(d.Pairs.Groups))
	similar := make([]int, len(d.Pairs.Groups))
	for i, g := range d.Pairs.Group {
		pairs[g]++
		if d.Labels.Positive(d.Pairs.Label[i]) {
			similar[g]++
		}
	}
	p.PairsOfGroup, p.PassagesOfGroup = newSpread(pairs), newSpread(similar)
}

func (p *Profile) repeats(d *loader.Dataset) {
	d.Repeats(func(_ int, what loader.Repeat) {
		switch what {
		case loader.Again:
			p.Repeated++
		case loader.Contradicted:
			p.Contradicted++
		case loader.OneText:
			p.Itself++
		}
	})
}

// texts measures the texts and fills in the examples.
func (p *Profile) texts(ctx context.Context, d *loader.Dataset, o Options) error {
	pairs := rand.New(rand.NewPCG(o.Seed, 0)).Perm(d.Pairs.Len())
	pairs = pairs[:min(o.Examples, len(pairs))]
	slices.Sort(pairs)
	wanted := map[int32]string{}
	for _, i := range pairs {
		wanted[d.Pairs.Left[i]], wanted[d.Pairs.Right[i]] = "", ""
	}
	onLeft, onRight := make([]bool, d.Vectors.Rows()), make([]bool, d.Vectors.Rows())
	for i := range d.Pairs.Left {
		onLeft[d.Pairs.Left[i]], onRight[d.Pairs.Right[i]] = true, true
	}
	var left, right []int
	known := make([]bool, d.Vectors.Rows())
	err := d.Texts(func(row int32, t loader.Text) error {
		if row < 0 {
			p.Unpaired++
			return ctx.Err()
		}
		known[row] = true
		n := utf8.RuneCountInString(t.Text)
		if onLeft[row] {
			left = append(left, n)
		}
		if onRight[row] {
			right = append(right, n)
		}
		if _, ok := wanted[row]; ok {
			wanted[row] = t.Text
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	for _, k := range known {
		if !k {
			p.Unknown++
		}
	}
	p.Left, p.Right = newLengths(left), newLengths(right)
	text := func(row int32) string {
		if t := wanted[row]; t != "" {
			return t
		}
		return fmt.Sprintf("(text %s)", d.Vectors.IDs[row])
	}
	for _, i := range pairs {
		p.Examples = append(p.Examples, Example{
			Split: d.Pairs.Split[i].String(), Kind: d.Pairs.Kind[i].String(), Label: float64(d.Pairs.Label[i]),
			Group: d.Pairs.Groups[d.Pairs.Group[i]], Left: text(d.Pairs.Left[i]), Right: text(d.Pairs.Right[i]),
		})
	}
	return nil
}
