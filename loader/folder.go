package loader

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

const (
	pairsFile     = "pairs.parquet"
	textsFile     = "texts.parquet"
	embeddingsDir = "embeddings"
	manifestFile  = "manifest.json"
)

// openFolder reads pairs.parquet, then the texts and vectors that it names.
func openFolder(ctx context.Context, fsys named, opts Options) (*Dataset, error) {
	d := &Dataset{Name: fsys.root}
	left, right, splitGiven, err := d.readPairs(fsys, opts.LabelRange)
	if err != nil {
		return nil, err
	}
	if d.Embeddings, err = embeddingsFolder(fsys, opts.Embeddings); err != nil {
		return nil, err
	}
	rows := d.index(left, right)
	if err := d.readVectors(ctx, fsys, path.Join(embeddingsDir, d.Embeddings), rows); err != nil {
		return nil, err
	}
	if err := d.readTexts(fsys, rows); err != nil {
		return nil, err
	}
	if err := d.finish(fsys.path(pairsFile), splitGiven); err != nil {
		return nil, err
	}
	return d, nil
}

// readPairs fills all of Pairs but the indices, which wait for the vectors.
func (d *Dataset) readPairs(fsys named, labelRange string) (left, right []string, splitGiven bool, err error) {
	f, err := fsys.open(pairsFile)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s: no %s in it: give a data set folder or one wide Parquet file", fsys.root, pairsFile)
	}
	if err != nil {
		return nil, nil, false, err
	}
	defer f.close()
	if err := checkSchema(f); err != nil {
		return nil, nil, false, err
	}
	if err := f.notEmpty(); err != nil {
		return nil, nil, false, err
	}
	if left, err = f.strings("left", false); err != nil {
		return nil, nil, false, err
	}
	if right, err = f.strings("right", false); err != nil {
		return nil, nil, false, err
	}
	if err := d.readLabels(f, "label", labelRange); err != nil {
		return nil, nil, false, err
	}
	groups := left
	if f.has("group") {
		if groups, err = f.strings("group", false); err != nil {
			return nil, nil, false, err
		}
	}
	d.Pairs.setGroups(groups)
	splitGiven, err = d.readSplitAndKind(f, nameColumn{name: "split"}, nameColumn{name: "kind"})
	return left, right, splitGiven, err
}

// index numbers the text ids in order of first appearance and points the pairs
// at them.
func (d *Dataset) index(left, right []string) map[string]int32 {
	rows := map[string]int32{}
	d.Vectors = &Table{}
	row := func(id string) int32 {
		r, ok := rows[id]
		if !ok {
			r = int32(len(rows))
			rows[id] = r
			d.Vectors.IDs = append(d.Vectors.IDs, id)
		}
		return r
	}
	d.Pairs.Left, d.Pairs.Right = make([]int32, len(left)), make([]int32, len(right))
	for i := range left {
		d.Pairs.Left[i], d.Pairs.Right[i] = row(left[i]), row(right[i])
	}
	return rows
}

// embeddingsFolder returns the name of the folder of embeddings/ to read.
func embeddingsFolder(fsys named, name string) (string, error) {
	entries, err := fs.ReadDir(fsys, embeddingsDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("open %s: %w", fsys.path(embeddingsDir), withoutPath(err))
	}
	var names []string
	for _, e := range entries {
		// Not e.IsDir: the folder may be a link to a cache.
		if info, err := fs.Stat(fsys, path.Join(embeddingsDir, e.Name())); err == nil && info.IsDir() {
			names = append(names, e.Name())
		}
	}
	switch {
	case len(names) == 0:
		return "", fmt.Errorf("%s: no embeddings: it needs a folder %s/NAME with %s and Parquet files of id and embedding", fsys.root, embeddingsDir, manifestFile)
	case slices.Contains(names, name):
		return name, nil
	case name != "":
		return "", fmt.Errorf("%s: no embeddings named %q; there are: %s", fsys.root, name, strings.Join(names, ", "))
	case len(names) == 1:
		return names[0], nil
	}
	return "", fmt.Errorf("%s: embeddings of several models, choose one with --embeddings: %s", fsys.root, strings.Join(names, ", "))
}

// A manifest describes a folder of vectors.
type manifest struct {
	SchemaVersion int    `json:"schema_version"`
	Model         string `json:"model"`
	Dimensions    int    `json:"dimensions"`
}

func readManifest(fsys named, folder string) (manifest, error) {
	const known = 1
	name := path.Join(folder, manifestFile)
	raw, err := fs.ReadFile(fsys, name)
	if err != nil {
		return manifest{}, fmt.Errorf("open %s: %w", fsys.path(name), withoutPath(err))
	}
	var m manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, fmt.Errorf("%s: not valid JSON: %w", fsys.path(name), err)
	}
	if m.SchemaVersion > known {
		return m, fmt.Errorf("%s: schema_version is %d, this cosfit knows %d: use a newer cosfit", fsys.path(name), m.SchemaVersion, known)
	}
	if m.Dimensions <= 0 {
		return m, fmt.Errorf("%s: dimensions is %d, want a positive number", fsys.path(name), m.Dimensions)
	}
	return m, nil
}

// readVectors fills the table from the segments of a folder.
func (d *Dataset) readVectors(ctx context.Context, fsys named, folder string, rows map[string]int32) error {
	m, err := readManifest(fsys, folder)
	if err != nil {
		return err
	}
	entries, err := fs.ReadDir(fsys, folder)
	if err != nil {
		return fmt.Errorf("open %s: %w", fsys.path(folder), withoutPath(err))
	}
	d.Model = m.Model
	t := d.Vectors
	t.Dim, t.Data = m.Dimensions, make([]float32, len(rows)*m.Dimensions)
	seen := make([]bool, len(rows))
	for _, e := range entries {
		if path.Ext(e.Name()) != ".parquet" {
			continue
		}
		if err := t.readSegment(ctx, fsys, path.Join(folder, e.Name()), rows, seen); err != nil {
			return err
		}
	}
	if i := slices.Index(seen, false); i >= 0 {
		return fmt.Errorf("%s: no vector for the text %s of %s", fsys.path(folder), t.IDs[i], pairsFile)
	}
	return nil
}

// readSegment copies the vectors of one file whose ids occur in rows.
func (t *Table) readSegment(ctx context.Context, fsys named, name string, rows map[string]int32, seen []bool) error {
	f, err := fsys.open(name)
	if err != nil {
		return err
	}
	defer f.close()
	ids, err := f.strings("id", false)
	if err != nil {
		return err
	}
	return f.vectors("embedding", func(row int, v []float32) error {
		if len(v) != t.Dim {
			return f.errorf("row %d: embedding has %d values, %s says %d", row, len(v), manifestFile, t.Dim)
		}
		if r, ok := rows[ids[row]]; ok {
			copy(t.Row(r), v)
			seen[r] = true
		}
		return ctx.Err()
	})
}

// readTexts fills in the texts; without the file they stay unknown.
func (d *Dataset) readTexts(fsys named, rows map[string]int32) error {
	d.Vectors.Text = make([]string, len(rows))
	f, err := fsys.open(textsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.close()
	if err := checkSchema(f); err != nil {
		return err
	}
	ids, err := f.strings("id", false)
	if err != nil {
		return err
	}
	texts, err := f.strings("text", true)
	if err != nil {
		return err
	}
	for i, id := range ids {
		if r, ok := rows[id]; ok {
			d.Vectors.Text[r] = texts[i]
		}
	}
	return nil
}
