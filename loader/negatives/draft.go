package negatives

import (
	"context"
	"fmt"
	"slices"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/alike"
	"github.com/cosfit/cosfit/loader/prepare"
)

// AddTo adds negatives to a draft whose splits are made, or that has none yet. c
// is what FromDraft made of it, with vectors that know its texts by their numbers;
// weak negatives, and hard ones that are drawn from pools at random, need none.
func AddTo(ctx context.Context, d *prepare.Draft, c *Corpus, o Options) (Report, error) {
	found, report, err := Find(ctx, c, o)
	if err != nil {
		return report, err
	}
	for _, n := range found {
		d.AddNegative(d.Pairs.Left[n.Like], n.Passage, n.Kind, n.Like)
	}
	return report, nil
}

// FromDraft makes a corpus of a draft, which it reads from. Texts whose pairs were
// taken out, since they are almost in a split that is held out, do not come back
// as negatives. It is an error where some pairs are dissimilar and others have
// grades.
func FromDraft(d *prepare.Draft) (*Corpus, error) {
	low, high, ok := loader.ParseRange(d.LabelRange)
	if !ok {
		low, high = 0, 1
		for _, label := range d.Pairs.Label {
			if label < 0 {
				low = -1
			}
		}
	}
	for _, label := range d.Pairs.Label {
		if label != low && label != high && !d.OnlyPositives() {
			return nil, errGraded(label)
		}
	}
	n := d.Texts()
	c := &Corpus{Pairs: &d.Pairs, Middle: (low + high) / 2, IDs: make([]loader.ID, n), Classes: make([]int32, n), Sources: make([]int32, n)}
	l := likeness{text: d.Text}
	c.Alike = l.alike
	classes, sources := classes{}, documents{}
	gone := d.TakenOut()
	for i := range int32(n) {
		text, err := d.Text(i)
		if err != nil {
			return nil, err
		}
		c.IDs[i], c.Classes[i], c.Sources[i] = d.ID(i), classes.number(text), sources.number(d.Source(i))
		if d.IsPassage(i) && !gone[i] {
			c.Passages = append(c.Passages, i)
		}
	}
	return c, nil
}

func errGraded(label float32) error {
	return fmt.Errorf("a label is %g, between the lowest and the highest: the labels are grades, and nobody knows that of a passage that is only found", label)
}

// A likeness compares texts by their words. It keeps those of the last texts that
// another was compared with.
type likeness struct {
	text   func(n int32) (string, error)
	others []int32
	words  []alike.Words
}

func (l *likeness) alike(text int32, others []int32) (bool, error) {
	if !slices.Equal(others, l.others) {
		l.others, l.words = append(l.others[:0], others...), l.words[:0]
		for _, n := range others {
			words, err := l.read(n)
			if err != nil {
				return false, err
			}
			l.words = append(l.words, words)
		}
	}
	words, err := l.read(text)
	return err == nil && slices.ContainsFunc(l.words, words.Alike), err
}

func (l *likeness) read(n int32) (alike.Words, error) {
	text, err := l.text(n)
	return alike.WordsOf(text), err
}

// classes numbers texts, those that say the same alike.
type classes map[loader.ID]int32

func (c classes) number(text string) int32 {
	id := loader.NewID(alike.Normalize(text))
	n, ok := c[id]
	if !ok {
		n = int32(len(c))
		c[id] = n
	}
	return n
}

// documents numbers documents by their names; that without a name is −1.
type documents map[string]int32

func (d documents) number(name string) int32 {
	if name == "" {
		return -1
	}
	n, ok := d[name]
	if !ok {
		n = int32(len(d))
		d[name] = n
	}
	return n
}
