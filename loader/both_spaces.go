package loader

import (
	"maps"
	"slices"
)

// Texts that two models have embedded show how the space of the one lies in that
// of the other, better than pairs of texts can. Where the sides' vectors come from
// two models, those of a data set are read as well.

// mostInBoth is how many texts are read for that on each side: more tell a matrix
// of a few thousand rows nothing new.
const mostInBoth = 1 << 16

// inBoth returns what is read besides from the spaces of the left and the right
// texts: the right texts that the left one has, and the reverse, each with a new
// row.
func (d *Dataset) inBoth(left, right part) ([]part, error) {
	var err error
	if d.alsoLeft, err = d.also(left, right); err != nil {
		return nil, err
	}
	if d.alsoRight, err = d.also(right, left); err != nil {
		return nil, err
	}
	return []part{{left.space, d.alsoLeft}, {right.space, d.alsoRight}}, nil
}

// also gives the other side's texts that the space of a side has a row each, unless
// they are on this side anyway.
func (d *Dataset) also(side, other part) (more wanted, err error) {
	var ids []ID // ascending hashes, so any are as good
	for _, id := range other.want.ids {
		if _, own := slices.BinarySearchFunc(side.want.ids, id, ID.Compare); !own && len(ids) < mostInBoth {
			ids = append(ids, id)
		}
	}
	found := make([]bool, len(ids))
	err = side.space.Find(ids, func(i int, _ *SegmentReader, _ int64) error {
		found[i] = true
		return nil
	})
	for i, ok := range found {
		if ok {
			more.ids = append(more.ids, ids[i])
			more.rows = append(more.rows, int32(d.Vectors.Rows()))
			d.Vectors.IDs = append(d.Vectors.IDs, ids[i].String())
		}
	}
	return more, damagedCache(err)
}

// InBothSpaces lists the training texts that have a vector of the left texts'
// model and one of the right texts' model: the rows of both, in the order of the
// texts' ids. It is for sides whose vectors come from two models.
func (d *Dataset) InBothSpaces() (left, right []int32) {
	ids, p := d.Vectors.IDs, &d.Pairs
	lefts, rights := map[string]int32{}, map[string]int32{}
	for _, i := range d.Indices(Train) {
		lefts[ids[p.Left[i]]] = p.Left[i]
		rights[ids[p.Right[i]]] = p.Right[i]
	}
	both := map[string][2]int32{}
	for id, row := range lefts {
		if other, ok := rights[id]; ok {
			both[id] = [2]int32{row, other}
		}
	}
	for _, row := range d.alsoLeft.rows {
		if other, ok := rights[ids[row]]; ok {
			both[ids[row]] = [2]int32{row, other}
		}
	}
	for _, row := range d.alsoRight.rows {
		if other, ok := lefts[ids[row]]; ok {
			both[ids[row]] = [2]int32{other, row}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(both)) {
		left, right = append(left, both[id][0]), append(right, both[id][1])
	}
	return left, right
}
