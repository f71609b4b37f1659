package prepare

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/cosfit/cosfit/loader"
)

// RandomNegatives says how many passages each query gets as negatives, drawn at
// random: weak ones from the right texts of other groups and other sources, and
// hard ones from the passages of a positive's own source. A passage that is a
// right text in one split only is not drawn in another. What is drawn for a
// query depends on the seed and its text, not on other queries.
type RandomNegatives struct {
	Weak, Hard int
	Seed       uint64
}

// A home says where a text may be a negative: a set of splits, or 0 for all.
type home uint8

// AddTo adds the negatives to a draft.
func (n RandomNegatives) AddTo(d *Draft) {
	if n.Weak+n.Hard == 0 {
		return
	}
	homes := make([]home, d.Texts())
	sources := map[int32][]int32{}
	p := &d.Pairs
	given, middle := len(p.Split) > 0, d.middle()
	var passages []int32 // that weak negatives are drawn from
	seen := make([]bool, d.Texts())
	for i, right := range p.Right {
		if given {
			homes[right] |= 1 << p.Split[i]
		}
		if !seen[right] {
			seen[right] = true
			passages = append(passages, right)
		}
	}
	for t := range d.texts.all {
		if s := d.texts.all[t].source; s != none && d.IsPassage(int32(t)) {
			sources[s] = append(sources[s], int32(t))
		}
	}
	type query struct{ left, group int32 }
	done := map[query]bool{}
	for i := range p.Len() { // of the pairs before there were more
		q := query{p.Left[i], p.Group[i]}
		if p.Label[i] < middle || done[q] {
			continue
		}
		done[q] = true
		id := d.ID(q.left)
		random := rand.New(rand.NewPCG(n.Seed, binary.LittleEndian.Uint64(id[:8])))
		source := d.texts.all[p.Right[i]].source
		may := func(t int32) bool {
			return t != q.left && (homes[t] == 0 || homes[t]&(1<<p.Split[i]) != 0) && !d.Paired(q.left, t)
		}
		n.draw(random, n.Hard, sources[source], may, func(t int32) { d.AddNegative(q.left, t, loader.Hard, int32(i)) })
		n.draw(random, n.Weak, passages, func(t int32) bool {
			return may(t) && (source == none || d.texts.all[t].source != source)
		}, func(t int32) { d.AddNegative(q.left, t, loader.Weak, int32(i)) })
	}
}

// draw takes up to k of the candidates that may be taken, each as likely as any
// other.
func (n RandomNegatives) draw(random *rand.Rand, k int, candidates []int32, may func(int32) bool, take func(int32)) {
	const tries = 20 // for each that is still wanted, before all candidates are looked at
	if len(candidates) == 0 {
		return
	}
	for try := 0; k > 0 && try < tries*k; try++ {
		if t := candidates[random.IntN(len(candidates))]; may(t) {
			take(t)
			k--
		}
	}
	if k == 0 {
		return
	}
	var left []int32
	for _, t := range candidates {
		if may(t) {
			left = append(left, t)
		}
	}
	for _, j := range sample(random, len(left), k) {
		take(left[j])
	}
}
