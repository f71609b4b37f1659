package loader

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// A Finding is something that is wrong with a data set.
type Finding struct {
	Name     string   `json:"finding"`
	Breaks   bool     `json:"breaks_training"` // else it is a warning
	Count    int      `json:"count"`
	Text     string   `json:"text"` // a sentence, without a full stop
	Examples []string `json:"examples,omitempty"`

	counted bool // Text is not yet followed by the number
}

// findingExamples is how many examples a Finding has.
const findingExamples = 3

// Findings are what is wrong, each kind once, in the order in which it was
// found.
type Findings []*Finding

// add counts one more of a kind. text says what there are.
func (f *Findings) add(name string, breaks bool, text, example string) {
	for _, known := range *f {
		if known.Name == name && known.Text == text {
			if known.Count++; len(known.Examples) < findingExamples {
				known.Examples = append(known.Examples, example)
			}
			return
		}
	}
	*f = append(*f, &Finding{Name: name, Breaks: breaks, Count: 1, Text: text, Examples: []string{example}, counted: true})
}

// whole adds a finding whose sentence is complete.
func (f *Findings) whole(name string, breaks bool, count int, text string, examples ...string) {
	*f = append(*f, &Finding{Name: name, Breaks: breaks, Count: count, Text: text, Examples: examples})
}

// finish makes sentences of what add counted.
func (f Findings) finish() {
	for _, x := range f {
		if x.counted {
			x.Text = fmt.Sprintf("%s: %d, such as %s", x.Text, x.Count, strings.Join(x.Examples, ", "))
		}
	}
}

// Break reports whether one of them breaks training.
func (f Findings) Break() bool {
	for _, x := range f {
		if x.Breaks {
			return true
		}
	}
	return false
}

// Check looks for everything that can be wrong with a data set folder or a wide
// file. An error means that it could not be looked at.
func Check(ctx context.Context, name string, opts Options) (Findings, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, withoutPath(err))
	}
	if info.IsDir() {
		return CheckFS(ctx, os.DirFS(name), name, opts)
	}
	c := &checker{opts: opts, open: func(o Options) (*Dataset, error) { return Open(ctx, name, o) }}
	f, err := openWidePath(name)
	if err != nil {
		return nil, err
	}
	defer f.close()
	return c.run(ctx, func() error { return c.wide(ctx, f) })
}

// CheckFS checks the folder that is the root of fsys, which messages call name.
func CheckFS(ctx context.Context, fsys fs.FS, name string, opts Options) (Findings, error) {
	c := &checker{opts: opts, open: func(o Options) (*Dataset, error) { return OpenFS(ctx, fsys, name, o) }}
	return c.run(ctx, func() error { return c.folder(ctx, named{fsys, name}) })
}

// A checker gathers findings.
type checker struct {
	Findings
	opts       Options
	open       func(Options) (*Dataset, error)
	hasVectors bool // that the data set brings
}

// run reads the files leniently, and, where nothing there keeps them from being
// opened, looks at the data set as a whole.
func (c *checker) run(ctx context.Context, files func() error) (Findings, error) {
	if err := files(); err != nil {
		return nil, err
	}
	if c.Break() {
		c.finish()
		return c.Findings, nil
	}
	opts := c.opts
	opts.Strict, opts.PairsOnly = false, !c.hasVectors
	d, err := c.open(opts)
	if err != nil && c.hasVectors && ctx.Err() == nil {
		c.whole("cannot_be_opened", true, 1, err.Error())
		c.finish()
		return c.Findings, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	err = c.dataset(ctx, d)
	c.finish()
	return c.Findings, err
}

// dataset looks at what is right by itself.
func (c *checker) dataset(ctx context.Context, d *Dataset) error {
	c.repeats(d)
	c.splits(d)
	if err := c.leaks(d); err != nil {
		return err
	}
	return c.alike(ctx, d)
}

// leaks says what splits share, with the texts themselves where the data have
// them.
func (c *checker) leaks(d *Dataset) error {
	leaks := d.Leaks()
	texts := map[string]string{}
	for _, l := range leaks {
		for _, id := range l.InText {
			texts[id] = id
		}
	}
	if len(leaks) == 0 {
		return nil
	}
	err := d.Texts(func(_ int32, t Text) error {
		if id := t.ID.String(); texts[id] != "" {
			texts[id] = fmt.Sprintf("%.80q", t.Text)
		}
		return nil
	})
	for _, l := range leaks {
		for i, id := range l.InText {
			l.InText[i] = texts[id]
		}
		c.whole("leak", false, l.Groups+l.Texts, l.String(), append(l.InGroup, l.InText...)...)
	}
	return err
}

// repeats finds pairs that come again.
func (c *checker) repeats(d *Dataset) {
	d.Repeats(func(pair int, what Repeat) {
		switch what {
		case Again:
			c.add("repeated_pair", false, "pairs that come again with the same label", at(pair))
		case Contradicted:
			c.add("contradicted_pair", false, "pairs that come again with another label", at(pair))
		case OneText:
			c.add("pair_of_one_text", false, "pairs with the same text on both sides", at(pair))
		}
	})
}

func at(row int) string { return fmt.Sprintf("row %d", row) }

// splits finds those that cannot be learned from or measured on.
func (c *checker) splits(d *Dataset) {
	alone := !slices.ContainsFunc(d.Pairs.Label, func(l float32) bool { return !d.Labels.Positive(l) })
	for s := range Split(NumSplits) {
		pairs, similar := d.Indices(s), 0
		for _, i := range pairs {
			if d.Labels.Positive(d.Pairs.Label[i]) {
				similar++
			}
		}
		switch {
		case len(pairs) == 0 && s == Train:
			c.whole("no_training_pairs", true, 0, "there are no training pairs")
		case len(pairs) == 0 || d.Labels.Graded:
		case similar == 0:
			c.whole("one_class", s != Test, len(pairs), fmt.Sprintf("all %d pairs of the %s split are dissimilar, and both kinds are needed", len(pairs), s))
		case similar == len(pairs) && alone:
			c.whole("one_class", false, len(pairs), fmt.Sprintf("all %d pairs of the %s split are similar, as all others are: the default recipe and closed forms learn from such, most other losses do not", len(pairs), s))
		case similar == len(pairs):
			c.whole("one_class", s != Test, len(pairs), fmt.Sprintf("all %d pairs of the %s split are similar, and both kinds are needed", len(pairs), s))
		}
	}
}

// alike finds texts of different splits that are almost the same.
func (c *checker) alike(ctx context.Context, d *Dataset) error {
	pairs, err := d.Alike(ctx)
	if err != nil || len(pairs) == 0 {
		return err
	}
	first := pairs[0]
	texts := map[int32]string{}
	err = d.Texts(func(row int32, t Text) error {
		if row == first.A || row == first.B {
			texts[row] = fmt.Sprintf("%.80q", t.Text)
		}
		return nil
	})
	c.whole("alike", false, len(pairs), fmt.Sprintf("texts of different splits that are almost the same: %d pairs of them, such as %s and %s", len(pairs), texts[first.A], texts[first.B]), texts[first.A], texts[first.B])
	return err
}
