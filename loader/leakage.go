package loader

import (
	"context"
	"fmt"
	"strings"

	"github.com/cosfit/cosfit/loader/alike"
)

// leakExamples is how many shared groups and texts a Leak names.
const leakExamples = 3

// A Leak is what two splits have in common. A held-out split that knows texts
// of training flatters what was learned.
type Leak struct {
	A, B    Split    `json:"-"`
	Splits  []string `json:"splits"` // their names
	Groups  int      `json:"groups"` // in both
	Texts   int      `json:"texts"`  // in both
	Pairs   int      `json:"pairs"`  // of B with such a group or text
	Of      int      `json:"of"`     // pairs of B
	InGroup []string `json:"example_groups,omitempty"`
	InText  []string `json:"example_texts,omitempty"` // ids
}

// String says it in a sentence, without a full stop.
func (l Leak) String() string {
	var shared []string
	name := func(n int, what string, examples []string) {
		if n == 0 {
			return
		}
		if n > 1 {
			what += "s"
		}
		shared = append(shared, fmt.Sprintf("%d %s, such as %s", n, what, strings.Join(examples, ", ")))
	}
	groups := make([]string, len(l.InGroup))
	for i, g := range l.InGroup {
		groups[i] = fmt.Sprintf("%.80q", g)
	}
	name(l.Groups, "group", groups[:min(1, len(groups))])
	name(l.Texts, "text", l.InText[:min(1, len(l.InText))])
	return fmt.Sprintf("%s and %s share %s: %d of the %d %s pairs", l.A, l.B, strings.Join(shared, ", and "), l.Pairs, l.Of, l.B)
}

// leakOrder is the pairs of splits that are compared: what is learned from or
// chosen on first, and then what it flatters.
var leakOrder = [...][2]Split{{Train, Test}, {Train, Validation}, {Validation, Test}}

// Leaks finds the groups and texts that are in two splits. id names a text.
func (p *Pairs) Leaks(f SplitFacts, id func(text int32) string) (leaks []Leak) {
	texts, groups := p.splitsOf(f)
	pairs := p.count()
	for _, order := range leakOrder {
		l := Leak{A: order[0], B: order[1], Splits: []string{order[0].String(), order[1].String()}, Of: pairs[order[1]]}
		for g, in := range groups {
			if in.both(l.A, l.B) {
				if l.Groups++; l.Groups <= leakExamples {
					l.InGroup = append(l.InGroup, p.Groups[g])
				}
			}
		}
		for t, in := range texts.in {
			if texts.is(t) && in.both(l.A, l.B) {
				if l.Texts++; l.Texts <= leakExamples {
					l.InText = append(l.InText, id(int32(t)))
				}
			}
		}
		if l.Groups+l.Texts == 0 {
			continue
		}
		for i, s := range p.Split {
			if s == l.B && (groups[p.Group[i]].has(l.A) || texts.of(p.Left[i]).has(l.A) || texts.of(p.Right[i]).has(l.A)) {
				l.Pairs++
			}
		}
		leaks = append(leaks, l)
	}
	return leaks
}

// SharedWith reports of each pair whether its group or one of its texts is also
// in another split, of those that are listed.
func (p *Pairs) SharedWith(f SplitFacts, others ...Split) []bool {
	texts, groups := p.splitsOf(f)
	shared := make([]bool, p.Len())
	for i, s := range p.Split {
		for _, other := range others {
			if s != other && (groups[p.Group[i]].has(other) || texts.of(p.Left[i]).has(other) || texts.of(p.Right[i]).has(other)) {
				shared[i] = true
			}
		}
	}
	return shared
}

// A splitSet is a set of splits.
type splitSet uint8

func (s splitSet) has(x Split) bool     { return s&(1<<x) != 0 }
func (s splitSet) both(a, b Split) bool { return s.has(a) && s.has(b) }

// textSplits are the splits that texts are in, where some count as one.
type textSplits struct {
	in    []splitSet
	first disjointSet // nil where all differ
}

// is reports whether t stands for itself.
func (s textSplits) is(t int) bool { return s.first == nil || s.first.find(int32(t)) == int32(t) }

func (s textSplits) of(t int32) splitSet {
	if s.first != nil {
		t = s.first.find(t)
	}
	return s.in[t]
}

// splitsOf says which splits each text and each group is in.
func (p *Pairs) splitsOf(f SplitFacts) (texts textSplits, groups []splitSet) {
	texts.in, groups = make([]splitSet, f.Texts), make([]splitSet, len(p.Groups))
	if len(f.Same) > 0 {
		texts.first = newDisjointSet(f.Texts)
		for _, s := range f.Same {
			texts.first.join(s[0], s[1])
		}
	}
	for i, s := range p.Split {
		groups[p.Group[i]] |= 1 << s
		for _, t := range [...]int32{p.Left[i], p.Right[i]} {
			if texts.first != nil {
				t = texts.first.find(t)
			}
			texts.in[t] |= 1 << s
		}
	}
	return texts, groups
}

// Leaks finds the groups and texts that are in two splits.
func (d *Dataset) Leaks() []Leak {
	return d.Pairs.Leaks(d.splitFacts(), func(row int32) string { return d.Vectors.IDs[row] })
}

// SharedWithTraining reports of each pair of another split whether its group or
// one of its texts is in the training split too.
func (d *Dataset) SharedWithTraining() []bool {
	return d.Pairs.SharedWith(d.splitFacts(), Train)
}

// SharedWithTexts reports of each pair whether one of its texts is among those of
// other data. Where these have no texts, their ids are hashes of vectors, so the
// same vectors are recognised too. Where d has none ([Dataset.Textless]) and the
// others have, nothing is.
func (d *Dataset) SharedWithTexts(ids map[string]bool) ([]bool, error) {
	vectors, err := d.Vectors.digests(func(int32) string { return "" })
	if err != nil {
		return nil, err
	}
	p := &d.Pairs
	shared := make([]bool, p.Len())
	for i := range shared {
		for _, row := range [...]int32{p.Left[i], p.Right[i]} {
			shared[i] = shared[i] || ids[d.Vectors.IDs[row]] || ids[vectors[row].String()]
		}
	}
	return shared, nil
}

// noteLeaks notes what splits have in common, or refuses it.
func (d *Dataset) noteLeaks(file string, strict bool) error {
	for _, l := range d.Leaks() {
		if strict {
			return fmt.Errorf("%s: %s: mend it with cosfit data check --fix-leakage, or leave out --strict", file, l)
		}
		d.Notes = append(d.Notes, l.String())
	}
	return nil
}

// MendLeaks takes out the pairs that are less held out than what they share a
// group or a text with: validation pairs that share one with test, then training
// pairs that share one with what is left of the other two. So test stays as it
// is. It returns which pairs stay, and how many of each split go.
func (p *Pairs) MendLeaks(f SplitFacts) (keep []bool, gone [NumSplits]int) {
	left := *p
	keep = make([]bool, p.Len())
	for i := range keep {
		keep[i] = true
	}
	for _, s := range []Split{Validation, Train} {
		shared := left.SharedWith(f, []Split{Validation, Test}[s:]...)
		stay := make([]bool, left.Len())
		at := -1
		for i := range shared {
			for at++; !keep[at]; at++ {
			}
			stay[i] = left.Split[i] != s || !shared[i]
			if !stay[i] {
				keep[at] = false
				gone[s]++
			}
		}
		left = left.Only(stay)
	}
	return keep, gone
}

// Only returns the pairs that are kept, with all groups.
func (p *Pairs) Only(keep []bool) Pairs {
	out := Pairs{Groups: p.Groups, apart: p.apart}
	for i, k := range keep {
		if !k {
			continue
		}
		out.Left, out.Right = append(out.Left, p.Left[i]), append(out.Right, p.Right[i])
		out.Label, out.Group = append(out.Label, p.Label[i]), append(out.Group, p.Group[i])
		if len(p.Kind) > 0 {
			out.Kind = append(out.Kind, p.Kind[i])
		}
		if len(p.Split) > 0 {
			out.Split = append(out.Split, p.Split[i])
		}
	}
	return out
}

// SplitSets returns the set of splits of each text, as alike.Across takes it: bit
// s is that of split s.
func (p *Pairs) SplitSets(texts int) []uint8 {
	sets := make([]uint8, texts)
	for i, s := range p.Split {
		sets[p.Left[i]] |= 1 << s
		sets[p.Right[i]] |= 1 << s
	}
	return sets
}

// Alike finds texts of the pairs that are almost the same and in different
// splits, by their rows of the table.
func (d *Dataset) Alike(ctx context.Context) ([]alike.Pair, error) {
	sets := d.Pairs.SplitSets(d.Vectors.Rows())
	for _, s := range d.sameTexts() { // of which only the first row has its text visited
		sets[s[0]] |= sets[s[1]]
	}
	return alike.Across(ctx, sets, func(visit func(int32, []byte) error) error {
		seen := make([]bool, len(sets))
		return d.Texts(func(row int32, t Text) error {
			if row < 0 || seen[row] {
				return ctx.Err()
			}
			seen[row] = true
			return visit(row, []byte(t.Text))
		})
	}, 0)
}

// MendLeaks says which pairs stay where splits must not share a group, a text, or
// texts that are almost the same, and how many of each split go:
// [Pairs.MendLeaks].
func (d *Dataset) MendLeaks(ctx context.Context) (keep []bool, gone [NumSplits]int, err error) {
	pairs, err := d.Alike(ctx)
	if err != nil {
		return nil, gone, err
	}
	facts := d.splitFacts()
	for _, p := range pairs {
		facts.Same = append(facts.Same, [2]int32{p.A, p.B})
	}
	keep, gone = d.Pairs.MendLeaks(facts)
	return keep, gone, nil
}
