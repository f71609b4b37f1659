package negatives

import (
	"fmt"
	"io/fs"

	"github.com/cosfit/cosfit/loader"
)

// FromFolder makes a corpus of a data set folder, the root of fsys, that was
// opened with loader.Options.Passages. The texts of the corpus are rows of the
// data set's table.
func FromFolder(fsys fs.FS, d *loader.Dataset) (*Corpus, error) {
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
	}
	if err := c.readTexts(fsys, d); err != nil {
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

// readTexts fills what the texts say.
func (c *Corpus) readTexts(fsys fs.FS, d *loader.Dataset) error {
	type facts struct{ class, source int32 }
	of := make(map[loader.ID]facts, len(c.IDs))
	classes, documents := classes{}, documents{}
	err := loader.ReadTexts(fsys, d.Name, func(t loader.Text) error {
		of[t.ID] = facts{classes.number(t.Text), documents.number(t.Source)}
		return nil
	})
	if err != nil {
		return err
	}
	for row, name := range d.Vectors.IDs {
		id, err := loader.ParseID(name)
		if err != nil {
			return fmt.Errorf("%s: %w", d.Name, err)
		}
		f, ok := of[id]
		if !ok {
			return fmt.Errorf("%s: texts.parquet has no text %s, which pairs.parquet names: write the data set again", d.Name, name)
		}
		c.IDs[row], c.Classes[row], c.Sources[row] = id, f.class, f.source
	}
	return nil
}
