package negatives

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cosfit/cosfit/loader"
)

// A made corpus has groups of a query with one or two answers, now and then
// two queries, some pairs that are negative already, texts that say the same as
// others, and passages that are in no pair.
type made struct {
	Corpus
	vectors []float32
}

const (
	madeDim      = 12
	madePassages = 300
)

func makeCorpus(seed uint64, groups int, splits bool) *made {
	rng := rand.New(rand.NewPCG(seed, 1))
	c := &made{Corpus: Corpus{Pairs: &loader.Pairs{}, Middle: 0.5}}
	text := func(class int32, source int32) int32 {
		n := int32(len(c.IDs))
		c.IDs = append(c.IDs, loader.NewID(fmt.Sprint(seed, n)))
		c.Classes, c.Sources = append(c.Classes, class), append(c.Sources, source)
		for range madeDim {
			c.vectors = append(c.vectors, float32(rng.NormFloat64())+1)
		}
		return n
	}
	for i := range int32(madePassages) {
		class := i
		if i > 20 && rng.IntN(10) == 0 {
			class = rng.Int32N(20)
		}
		c.Passages = append(c.Passages, text(class, rng.Int32N(42)-2))
	}
	for i, s := range c.Sources {
		c.Sources[i] = max(s, -1)
	}
	p := c.Pairs
	for g := range int32(groups) {
		p.Groups = append(p.Groups, fmt.Sprint("group ", g))
		for range 1 + rng.IntN(5)/4 {
			class := madePassages + g
			if g > 5 && rng.IntN(8) == 0 {
				class = madePassages + rng.Int32N(g) // a question that was asked before
			}
			query := text(class, -1)
			for i := range 1 + rng.IntN(4) {
				p.Left, p.Right = append(p.Left, query), append(p.Right, rng.Int32N(madePassages*3/4))
				p.Label, p.Group, p.Kind = append(p.Label, float32(min(1, i+rng.IntN(2)))), append(p.Group, g), append(p.Kind, loader.Given)
				if splits {
					p.Split = append(p.Split, loader.Split(g%loader.NumSplits))
				}
				for j := range int32(madeDim) { // near its answers
					c.vectors[query*madeDim+j] += c.vectors[p.Right[len(p.Right)-1]*madeDim+j]
				}
			}
		}
	}
	read := func(texts []int32, dst []float32) error {
		for i, n := range texts {
			copy(dst[i*madeDim:(i+1)*madeDim], c.vectors[n*madeDim:])
		}
		return nil
	}
	c.Vectors = &Vectors{Dim: madeDim, Queries: read}
	return c
}

func (c *made) cosine(a, b int32) float64 {
	var ab, aa, bb float64
	for i := range int32(madeDim) {
		x, y := float64(c.vectors[a*madeDim+i]), float64(c.vectors[b*madeDim+i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	return ab / math.Sqrt(aa*bb)
}

func (c *made) splitOf(pair int) loader.Split {
	if len(c.Pairs.Split) == 0 {
		return loader.Train
	}
	return c.Pairs.Split[pair]
}

// barred says by going through all pairs whether a text must not be a negative
// of the query of a pair.
func (c *made) barred(like, text int32) bool {
	p, class := c.Pairs, c.Classes
	query, group := p.Left[like], p.Group[like]
	if class[text] == class[query] {
		return true
	}
	for i := range p.Label {
		l, r := p.Left[i], p.Right[i]
		switch {
		case (p.Group[i] == group || l == query) && class[r] == class[text],
			p.Label[i] >= 0.5 && class[l] == class[query] && class[r] == class[text],
			p.Label[i] >= 0.5 && class[r] == class[query] && class[l] == class[text]:
			return true
		}
	}
	return false
}

// elsewhere says by going through all pairs whether a text is in pairs, but of
// none of a split.
func (c *made) elsewhere(text int32, split loader.Split) bool {
	paired := false
	for i := range c.Pairs.Label {
		if c.Classes[c.Pairs.Left[i]] == c.Classes[text] || c.Classes[c.Pairs.Right[i]] == c.Classes[text] {
			paired = true
			if c.splitOf(i) == split {
				return false
			}
		}
	}
	return paired
}

// paired says whether a text is in pairs.
func (c *made) paired(text int32) bool {
	for i := range c.Pairs.Label {
		if c.Classes[c.Pairs.Left[i]] == c.Classes[text] || c.Classes[c.Pairs.Right[i]] == c.Classes[text] {
			return true
		}
	}
	return false
}

// answer is the cosine of a query with the least similar of its answers.
func (c *made) answer(like int32) float64 {
	least := math.Inf(1)
	for i := range c.Pairs.Label {
		if c.Pairs.Left[i] == c.Pairs.Left[like] && c.Pairs.Group[i] == c.Pairs.Group[like] && c.Pairs.Label[i] >= 0.5 {
			least = min(least, c.cosine(c.Pairs.Left[i], c.Pairs.Right[i]))
		}
	}
	return least
}

// likes are the first positive pairs of the queries.
func (c *made) likes() (likes []int32) {
	seen := map[[2]int32]bool{}
	for i := range c.Pairs.Label {
		key := [2]int32{c.Pairs.Group[i], c.Pairs.Left[i]}
		if c.Pairs.Label[i] >= 0.5 && !seen[key] {
			seen[key] = true
			likes = append(likes, int32(i))
		}
	}
	return likes
}

// hardest finds hard negatives by comparing everything with everything.
func (c *made) hardest(o Options, homes func(text int32, s loader.Split) bool) (found []Negative) {
	for _, like := range c.likes() {
		split := c.splitOf(int(like))
		if o.Splits != nil && len(c.Pairs.Split) > 0 && !slices.Contains(o.Splits, split) {
			continue
		}
		query := c.Pairs.Left[like]
		var list []Negative
		seen := map[int32]bool{}
		for _, text := range c.Passages {
			if homes(text, split) && !seen[c.Classes[text]] && !c.barred(like, text) {
				seen[c.Classes[text]] = true
				list = append(list, Negative{like, text, loader.Hard, float32(c.cosine(query, text))})
			}
		}
		slices.SortFunc(list, func(a, b Negative) int { return cmp.Compare(c.cosine(query, b.Passage), c.cosine(query, a.Passage)) })
		list = list[min(o.Ranks.From, len(list)):min(o.Ranks.To, len(list))]
		answer := c.answer(like)
		list = slices.DeleteFunc(list, func(n Negative) bool {
			s := c.cosine(query, n.Passage)
			return o.Limits.Max != nil && s > *o.Limits.Max || o.Limits.Min != nil && s < *o.Limits.Min ||
				o.Limits.Margin != nil && s > answer-*o.Limits.Margin ||
				o.Limits.RelativeMargin != nil && s > answer-*o.Limits.RelativeMargin*math.Abs(answer)
		})
		found = append(found, list[:min(o.Hard, len(list))]...)
	}
	return found
}

func find(t *testing.T, c *Corpus, o Options) ([]Negative, Report) {
	t.Helper()
	found, report, err := Find(context.Background(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	return found, report
}
