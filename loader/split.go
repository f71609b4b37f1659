package loader

import (
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"strings"
)

// testShare is the share of the groups that becomes the test split where a
// data set brings none.
const testShare = 0.3

// validationShare is the share of the training groups that CarveValidation
// takes.
const validationShare = 0.15

// drawSplit divides the pairs into train and test so that no text is on both
// sides, where that can be, and says how.
func (d *Dataset) drawSplit() {
	d.Pairs.Split = make([]Split, d.Pairs.Len())
	units, what := d.units()
	moved := d.move(units, Train, Test, testShare)
	if moved == 0 {
		d.Notes = append(d.Notes, "no split given and all pairs are of one group: there is no test split")
		return
	}
	d.Notes = append(d.Notes, fmt.Sprintf("no split given: %d of %d pairs became the test split, drawn by %s", moved, d.Pairs.Len(), what))
}

// TestOnly makes all pairs the test split, for data that are only scored.
func (d *Dataset) TestOnly() {
	for i := range d.Pairs.Split {
		d.Pairs.Split[i] = Test
	}
	d.SplitGiven, d.Notes = true, nil
}

// CarveValidation turns a share of the training pairs into a validation split
// where there is none, without tearing a group.
func (d *Dataset) CarveValidation() {
	if slices.Contains(d.Pairs.Split, Validation) {
		return
	}
	units, what := d.units()
	moved := d.move(units, Train, Validation, validationShare)
	if moved == 0 {
		d.Notes = append(d.Notes, "no validation split given and the training pairs are too few groups to take one from them")
		return
	}
	d.Notes = append(d.Notes, fmt.Sprintf("no validation split given: %d training pairs became one, drawn by %s", moved, what))
}

// units returns the number of the unit that each group belongs to, which a
// split must not tear: its connected component through shared texts, or, where
// one component holds over a fifth of the pairs, the group itself.
func (d *Dataset) units() (units []int32, what string) {
	p := &d.Pairs
	set := newDisjointSet(len(p.Groups) + d.Vectors.Rows())
	text := int32(len(p.Groups))
	for i := range p.Label {
		set.join(p.Group[i], text+p.Left[i])
		set.join(p.Group[i], text+p.Right[i])
	}
	if p.apart {
		first := map[string]int32{}
		for row, id := range d.Vectors.IDs {
			if other, ok := first[id]; ok {
				set.join(text+other, text+int32(row))
			}
			first[id] = int32(row)
		}
	}
	units = make([]int32, len(p.Groups))
	for g := range units {
		units[g] = set.find(int32(g))
	}
	size := map[int32]int{}
	largest := 0
	for i := range p.Label {
		u := units[p.Group[i]]
		size[u]++
		largest = max(largest, size[u])
	}
	if 5*largest <= p.Len() {
		return units, "group, keeping groups that share a text together"
	}
	for g := range units {
		units[g] = int32(g)
	}
	return units, "group (new questions, known passages: too many groups share texts to keep them apart)"
}

// move gives about share of the units in from to the split to, and returns the
// number of pairs moved. Units are taken in the order of a hash of their first
// group's name, so the choice depends neither on the order of the rows nor on
// a seed, and small units are as likely as large ones.
func (d *Dataset) move(units []int32, from, to Split, share float64) (moved int) {
	p := &d.Pairs
	type unit struct {
		id    int32
		order string
	}
	first := map[int32]string{}
	for i, s := range p.Split {
		if s == from {
			name, u := p.Groups[p.Group[i]], units[p.Group[i]]
			if old, ok := first[u]; !ok || name < old {
				first[u] = name
			}
		}
	}
	var list []unit
	for u, name := range first {
		sum := sha256.Sum256([]byte(to.String() + "\x00" + name))
		list = append(list, unit{u, string(sum[:])})
	}
	slices.SortFunc(list, func(a, b unit) int { return strings.Compare(a.order, b.order) })
	if len(list) < 2 {
		return 0
	}
	take := map[int32]bool{}
	for _, u := range list[:max(1, int(math.Round(share*float64(len(list)))))] {
		take[u.id] = true
	}
	for i, s := range p.Split {
		if s == from && take[units[p.Group[i]]] {
			p.Split[i] = to
			moved++
		}
	}
	return moved
}

// checkGroups refuses a group in two splits and notes texts in two splits.
func (d *Dataset) checkGroups(file string) error {
	const unseen = Split(255)
	p := &d.Pairs
	group := slices.Repeat([]Split{unseen}, len(p.Groups))
	for i, s := range p.Split {
		g := p.Group[i]
		if group[g] != unseen && group[g] != s {
			return fmt.Errorf("%s: row %d: the group %q is in the split %s, its earlier rows are in %s: put all of a group into one split", file, i, p.Groups[g], s, group[g])
		}
		group[g] = s
	}
	if shared := d.sharedTexts(); shared > 0 {
		d.Notes = append(d.Notes, fmt.Sprintf("of the test split's texts, %d are in the training split too, which flatters the test figures", shared))
	}
	return nil
}

// sharedTexts counts the texts that occur in both train and test.
func (d *Dataset) sharedTexts() (n int) {
	in := make([][NumSplits]bool, d.Vectors.Rows())
	for i, s := range d.Pairs.Split {
		in[d.Pairs.Left[i]][s] = true
		in[d.Pairs.Right[i]][s] = true
	}
	for _, s := range in {
		if s[Train] && s[Test] {
			n++
		}
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
