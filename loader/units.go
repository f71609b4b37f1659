package loader

import (
	"fmt"
	"slices"
)

// SplitBy says what a split does not tear: a unit. A group is never torn.
type SplitBy string

// The units. Auto keeps the split that the data bring, else it is Component,
// or Group where one component holds over a fifth of the pairs.
const (
	ByAuto      SplitBy = "auto"
	ByComponent SplitBy = "component" // groups that share a text, and those that share one with them, and so on
	ByGroup     SplitBy = "group"     // a query: new questions, but perhaps known passages
	BySource    SplitBy = "source"    // groups whose similar right texts come from one document
	ByColumn    SplitBy = "column"    // nothing is drawn: the data bring a split
)

// SplitUnits returns the names of the units.
func SplitUnits() []string {
	return []string{string(ByAuto), string(ByComponent), string(ByGroup), string(BySource), string(ByColumn)}
}

// ParseSplitBy returns the unit of that name.
func ParseSplitBy(name string) (by SplitBy, ok bool) {
	return SplitBy(name), slices.Contains(SplitUnits(), name)
}

// SplitFacts are what a split depends on and pairs do not say.
type SplitFacts struct {
	Texts int // that pairs point to
	// Same has pairs of texts that count as one: another vector of the text, or
	// almost the same words.
	Same [][2]int32
	// Source is the number of each text's document, or −1. It may be nil.
	Source []int32
	// Middle is where labels begin to mean similar.
	Middle float32
}

// units returns the unit of each group, and what it is.
func (p *Pairs) units(by SplitBy, f SplitFacts) (units []int32, what SplitBy, err error) {
	switch by {
	case ByGroup:
		return p.groupUnits(), ByGroup, nil
	case BySource:
		units, err = p.sourceUnits(f)
		return units, BySource, err
	}
	units = p.componentUnits(f)
	if by != ByComponent && 5*p.largest(units) > p.Len() {
		return p.groupUnits(), ByGroup, nil
	}
	return units, ByComponent, nil
}

func (p *Pairs) groupUnits() []int32 {
	units := make([]int32, len(p.Groups))
	for g := range units {
		units[g] = int32(g)
	}
	return units
}

// componentUnits joins groups through the texts of their pairs.
func (p *Pairs) componentUnits(f SplitFacts) []int32 {
	set := newDisjointSet(len(p.Groups) + f.Texts)
	text := int32(len(p.Groups))
	for i, g := range p.Group {
		set.join(g, text+p.Left[i])
		set.join(g, text+p.Right[i])
	}
	for _, s := range f.Same {
		set.join(text+s[0], text+s[1])
	}
	return set.first(len(p.Groups))
}

// sourceUnits joins groups through the documents of their similar right texts,
// or of all where none is similar: a negative may come from anywhere.
func (p *Pairs) sourceUnits(f SplitFacts) ([]int32, error) {
	documents := int32(0)
	for _, s := range f.Source {
		documents = max(documents, s+1)
	}
	if documents == 0 {
		return nil, fmt.Errorf("no document is known of any text, by which the split was to be drawn: choose another unit with --split-by")
	}
	similar := make([]bool, len(p.Groups))
	for i, g := range p.Group {
		similar[g] = similar[g] || p.Label[i] >= f.Middle
	}
	set := newDisjointSet(len(p.Groups) + int(documents))
	for i, g := range p.Group {
		s := f.Source[p.Right[i]]
		if s >= 0 && (p.Label[i] >= f.Middle || !similar[g]) {
			set.join(g, int32(len(p.Groups))+s)
		}
	}
	return set.first(len(p.Groups)), nil
}

// largest is the number of pairs of the largest unit.
func (p *Pairs) largest(units []int32) (n int) {
	size := make([]int, len(units))
	for _, g := range p.Group {
		u := units[g]
		size[u]++
		n = max(n, size[u])
	}
	return n
}

// A disjointSet is union-find with path halving (Tarjan and van Leeuwen 1984).
type disjointSet []int32

func newDisjointSet(n int) disjointSet {
	s := make(disjointSet, n)
	for i := range s {
		s[i] = int32(i)
	}
	return s
}

func (s disjointSet) find(i int32) int32 {
	for s[i] != i {
		s[i] = s[s[i]]
		i = s[i]
	}
	return i
}

func (s disjointSet) join(a, b int32) {
	a, b = s.find(a), s.find(b)
	if a != b {
		s[max(a, b)] = min(a, b)
	}
}

// first returns the sets of the first n.
func (s disjointSet) first(n int) []int32 {
	sets := make([]int32, n)
	for i := range sets {
		sets[i] = s.find(int32(i))
	}
	return sets
}
