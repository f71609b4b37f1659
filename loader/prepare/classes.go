package prepare

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/cosfit/cosfit/loader"
)

// Classes say how pairs are drawn of texts that have a class: so many similar
// ones with each text, of its own class, and as many dissimilar ones, of the
// others, each text as likely as any other. Pairs stay within a split.
type Classes struct {
	PairsPerText int // of either sort; 0 means 2
	Seed         uint64
}

const defaultPairsPerText = 2

// Where the texts have no split one is drawn, since a pair would else tie its
// texts together: of each class, and of nothing smaller than a text.
const (
	classTest       = 0.3
	classValidation = 0.15 // of the rest
)

// A classDraft collects texts with their classes.
type classDraft struct {
	Classes
	draft   *Draft
	classes names
	texts   []classText
	known   map[int32]int // positions in texts
	splits  bool          // the texts have one
}

type classText struct {
	number int32 // of the draft's text
	class  int32
	split  loader.Split
}

func newClassDraft(c Classes, d *Draft) *classDraft {
	if c.PairsPerText == 0 {
		c.PairsPerText = defaultPairsPerText
	}
	return &classDraft{Classes: c, draft: d, classes: names{numbers: map[string]int32{}}, known: map[int32]int{}}
}

// add adds a text, or rejects it.
func (c *classDraft) add(at Place, text, class, split string) error {
	s, given := loader.ParseSplit(split)
	bad := checkText("row's", text)
	switch {
	case bad != nil:
	case class == "":
		bad = errors.New("the class is empty")
	case split != "" && !given:
		bad = badSplit(split)
	case len(c.texts) > 0 && given != c.splits:
		bad = errSomeSplit
	}
	if bad != nil {
		return c.draft.Reject(at, bad)
	}
	c.splits = given
	n, err := c.draft.AddPassage(text, "")
	if err != nil {
		return err
	}
	t := classText{number: n, class: c.classes.number(class), split: s}
	if first, again := c.known[n]; again {
		if c.texts[first].class == t.class {
			c.draft.Repeated++
		} else {
			c.draft.Contradicted++
		}
		return nil
	}
	c.known[n] = len(c.texts)
	c.texts = append(c.texts, t)
	return nil
}

// draw adds the pairs to the draft. It does nothing where there are no texts.
func (c *classDraft) draw() error {
	if len(c.texts) == 0 {
		return nil
	}
	if len(c.classes.all) == 1 {
		return fmt.Errorf("all texts are of the class %.40q, want two or more", c.classes.all[0])
	}
	if !c.splits {
		c.drawSplits()
	}
	random := rand.New(rand.NewPCG(c.Seed, 0))
	alone, pairs := 0, 0
	for split := range loader.Split(loader.NumSplits) {
		groups := c.groupsOf(split)
		for i, t := range groups.order {
			own := groups.of[t.class]
			if own.count == 1 {
				alone++
			}
			position := i - own.first
			for _, k := range sample(random, own.count-1, c.PairsPerText) {
				if k >= position {
					k++ // over the text itself
				}
				c.pair(t, groups.order[own.first+k], 1)
				pairs++
			}
			for _, k := range sample(random, len(groups.order)-own.count, c.PairsPerText) {
				if k >= own.first {
					k += own.count // over its class
				}
				c.pair(t, groups.order[k], 0)
			}
		}
	}
	if pairs == 0 {
		return errors.New("no class has two texts in a split, so there are no similar pairs")
	}
	if alone > 0 {
		c.draft.Notes = append(c.draft.Notes, fmt.Sprintf("%d texts are the only ones of their class in their split, so they have no similar pair of their own", alone))
	}
	return nil
}

// drawSplits divides the texts, by their ids, so that neither the order of the
// rows nor a seed matters.
func (c *classDraft) drawSplits() {
	share := func(x uint64) float64 { return float64(x>>11) / (1 << 53) }
	for i := range c.texts {
		id := c.draft.ID(c.texts[i].number)
		switch {
		case share(binary.BigEndian.Uint64(id[:8])) < classTest:
			c.texts[i].split = loader.Test
		case share(binary.BigEndian.Uint64(id[8:])) < classValidation:
			c.texts[i].split = loader.Validation
		default:
			c.texts[i].split = loader.Train
		}
	}
	c.draft.Notes = append(c.draft.Notes, "no split given: texts were divided before pairs were drawn, so no text is in two splits")
}

// Texts of a split, ordered by class.
type classGroups struct {
	order []classText
	of    []classSpan // of each class
}

// A classSpan is where the texts of a class are.
type classSpan struct{ first, count int }

func (c *classDraft) groupsOf(split loader.Split) classGroups {
	g := classGroups{of: make([]classSpan, len(c.classes.all))}
	for _, t := range c.texts {
		if t.split == split {
			g.of[t.class].count++
		}
	}
	n := 0
	next := make([]int, len(g.of))
	for class := range g.of {
		g.of[class].first, next[class] = n, n
		n += g.of[class].count
	}
	g.order = make([]classText, n)
	for _, t := range c.texts {
		if t.split == split {
			g.order[next[t.class]] = t
			next[t.class]++
		}
	}
	return g
}

// sample draws k of the numbers below n, each set as likely as any other, or
// all where they are no more. Source: Floyd, in Bentley 1987.
func sample(random *rand.Rand, n, k int) []int {
	k = min(k, n)
	drawn := make([]int, 0, k)
	for j := n - k; j < n; j++ {
		x := random.IntN(j + 1)
		for _, y := range drawn {
			if x == y {
				x = j
				break
			}
		}
		drawn = append(drawn, x)
	}
	return drawn
}

// pair adds a pair unless there is one of these texts, in either order.
func (c *classDraft) pair(a, b classText, label float32) {
	d := c.draft
	if d.Paired(a.number, b.number) || d.Paired(b.number, a.number) {
		return
	}
	d.addDrawn(a.number, b.number, label, a.split)
}
