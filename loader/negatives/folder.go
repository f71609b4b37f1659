package negatives

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/prepare"
)

// FromFolder makes a corpus of a data set folder, the root of fsys, that was
// opened with loader.Options.Passages. The texts of the corpus are rows of the
// data set's table; what they say goes to a file in the folder scratch, or in the
// user's cache folder where that is empty. The caller closes the corpus.
func FromFolder(fsys fs.FS, d *loader.Dataset, scratch string) (*Corpus, error) {
	if d.Labels.Graded {
		for _, label := range d.Pairs.Label {
			if l := float64(label); l != d.Labels.Min && l != d.Labels.Max {
				return nil, fmt.Errorf("%s: %w", d.Name, errGraded(label))
			}
		}
	}
	n := d.Vectors.Rows()
	c := &Corpus{
		Pairs: &d.Pairs, Middle: float32((d.Labels.Min + d.Labels.Max) / 2),
		IDs: make([]loader.ID, n), Classes: make([]int32, n), Sources: make([]int32, n),
		Vectors: &Vectors{Dim: d.Vectors.Dim, Queries: d.Vectors.Read},
		texts:   prepare.NewDraft(scratch),
	}
	if err := c.readTexts(fsys, d); err != nil {
		c.Close()
		return nil, err
	}
	onLeft, onRight := make([]bool, n), make([]bool, n)
	for i := range d.Pairs.Label {
		onLeft[d.Pairs.Left[i]], onRight[d.Pairs.Right[i]] = true, true
	}
	for row := range int32(n) {
		if onRight[row] || !onLeft[row] {
			c.Passages = append(c.Passages, row)
		}
	}
	return c, nil
}

const blank = -1 // the number of a text of white space

// readTexts fills what the texts say.
func (c *Corpus) readTexts(fsys fs.FS, d *loader.Dataset) error {
	type facts struct{ class, source, text int32 }
	of := make(map[loader.ID]facts, len(c.IDs))
	classes, documents := classes{}, documents{}
	err := loader.ReadTexts(fsys, d.Name, func(t loader.Text) error {
		f := facts{classes.number(t.Text), documents.number(t.Source), blank}
		var err error
		if strings.TrimSpace(t.Text) != "" {
			f.text, err = c.texts.AddPassage(t.Text, "")
		}
		of[t.ID] = f
		return err
	})
	if err != nil {
		return err
	}
	texts := make([]int32, len(c.IDs))
	l := likeness{text: func(row int32) (string, error) {
		if texts[row] == blank {
			return "", nil
		}
		return c.texts.Text(texts[row])
	}}
	c.Alike = l.alike
	for row, name := range d.Vectors.IDs {
		id, err := loader.ParseID(name)
		if err != nil {
			return fmt.Errorf("%s: %w", d.Name, err)
		}
		f, ok := of[id]
		if !ok {
			return fmt.Errorf("%s: texts.parquet has no text %s, which pairs.parquet names: write the data set again", d.Name, name)
		}
		c.IDs[row], c.Classes[row], c.Sources[row], texts[row] = id, f.class, f.source, f.text
	}
	return nil
}
