package loader

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
)

// A unit is pairs that stay together.
type unit struct {
	id      int32
	pairs   int
	stratum int
	order   string
}

const (
	// stratumShares is into how many ranges the share of similar pairs is cut.
	stratumShares = 4
	// leastStratum is how many units a stratum needs to be one of its own. Each
	// stratum costs about a unit that a change of the data moves.
	leastStratum = 20
)

// unitsOf lists the units of some pairs: by stratum, and within one by a hash
// of the name of the unit's first group, so that neither the order of the rows
// nor the size of a unit decides where it goes, and a change of the data moves
// few. A stratum is units with the same kinds of pair and about the same share
// of similar ones; rare makes are one stratum.
func (p *Pairs) unitsOf(pairs []int32, units []int32, purpose string, seed uint64, middle float32) []unit {
	type content struct {
		name    string
		pairs   int
		similar int
		kinds   int
	}
	contents := make([]content, len(units)) // of the units, which are called after a group
	for _, i := range pairs {
		name, u := p.Groups[p.Group[i]], units[p.Group[i]]
		c := &contents[u]
		if c.pairs == 0 {
			c.name = name
		}
		c.name = min(c.name, name)
		c.pairs++
		if p.Label[i] >= middle {
			c.similar++
		}
		if p.Kind != nil {
			c.kinds |= 1 << p.Kind[i]
		}
	}
	if seed != 0 {
		purpose = fmt.Sprintf("%s\x00%d", purpose, seed)
	}
	var list []unit
	for u, c := range contents {
		if c.pairs == 0 {
			continue
		}
		sum := sha256.Sum256([]byte(purpose + "\x00" + c.name))
		// None, up to a quarter, and so on; all is apart.
		share := (c.similar*stratumShares + c.pairs - 1) / c.pairs
		if c.similar == c.pairs {
			share++
		}
		list = append(list, unit{int32(u), c.pairs, 1 + c.kinds*(stratumShares+2) + share, string(sum[:])})
	}
	joinRare(list)
	slices.SortFunc(list, func(a, b unit) int {
		return cmp.Or(cmp.Compare(a.stratum, b.stratum), cmp.Compare(a.order, b.order))
	})
	return list
}

// joinRare makes one stratum, 0, of those with few units.
func joinRare(list []unit) {
	size := map[int]int{}
	for _, u := range list {
		size[u.stratum]++
	}
	for i := range list {
		if size[list[i].stratum] < leastStratum {
			list[i].stratum = 0
		}
	}
}

// apportion returns the bin of each unit of the list: each bin gets about its
// share of the pairs, of every stratum. What a stratum's units are too large
// for is made up for in the next. shares add up to 1. Where there are as many
// units as bins, none with a share stays empty.
func apportion(list []unit, shares []float64) []int {
	bins := make([]int, len(list))
	filled := make([]float64, len(shares))
	total := 0
	for first := 0; first < len(list); {
		end := first
		for ; end < len(list) && list[end].stratum == list[first].stratum; end++ {
			total += list[end].pairs
		}
		bin := 0
		for i := first; i < end; i++ {
			n := float64(list[i].pairs)
			for bin < len(shares)-1 && filled[bin]+n/2 > shares[bin]*float64(total) {
				bin++
			}
			bins[i] = bin
			filled[bin] += n
		}
		first = end
	}
	fillEmpty(list, bins, shares)
	return bins
}

// fillEmpty gives the smallest unit that can be spared to each bin that should
// have one and has none.
func fillEmpty(list []unit, bins []int, shares []float64) {
	count := make([]int, len(shares))
	for _, b := range bins {
		count[b]++
	}
	for bin, share := range shares {
		if share == 0 || count[bin] > 0 {
			continue
		}
		spare := -1
		for i, u := range list {
			if count[bins[i]] < 2 {
				continue
			}
			if spare < 0 || cmp.Or(cmp.Compare(u.pairs, list[spare].pairs), cmp.Compare(u.order, list[spare].order)) < 0 {
				spare = i
			}
		}
		if spare >= 0 {
			count[bins[spare]]--
			bins[spare] = bin
			count[bin]++
		}
	}
}
