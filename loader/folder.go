package loader

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

const (
	pairsFile     = "pairs.parquet"
	embeddingsDir = "embeddings"
)

// openFolder reads pairs.parquet, then the vectors of the texts that it names.
func openFolder(ctx context.Context, fsys named, opts Options) (*Dataset, error) {
	d := &Dataset{Name: fsys.root, Vectors: &Table{}, Memory: opts.Memory}
	if err := d.readFolder(ctx, fsys, opts); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func (d *Dataset) readFolder(ctx context.Context, fsys named, opts Options) error {
	left, right, splitGiven, err := d.readPairs(fsys, opts.LabelRange)
	if err != nil {
		return err
	}
	d.source = func(visit func(Text) error) error {
		if _, err := fs.Stat(fsys, textsFile); errors.Is(err, fs.ErrNotExist) {
			return nil // the data set knows its texts by their ids only
		}
		return ReadTexts(fsys.FS, fsys.root, visit)
	}
	if opts.PairsOnly {
		d.index(left, right, false)
		return d.finish(fsys.path(pairsFile), splitGiven, opts, d.sources)
	}
	own, err := ownEmbeddings(fsys)
	if err != nil {
		return err
	}
	sides, apart := bySide(opts.Embeddings)
	apart = apart && !slices.Contains(own, opts.Embeddings)
	rows, onRight := d.index(left, right, apart)
	if opts.Passages {
		if err := d.addPassages(fsys, onRight); err != nil {
			return err
		}
	}
	switch {
	case apart:
		err = d.readSides(ctx, own, sides, opts)
	case isOwn(own, opts.Embeddings):
		err = d.readOwn(ctx, fsys, own, rows, opts)
	default:
		err = d.readCached(ctx, own, opts)
	}
	if err != nil {
		return err
	}
	return d.finish(fsys.path(pairsFile), splitGiven, opts, d.sources)
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
// at them. A text that is on both sides has a row on each where they are apart;
// else onRight is rows.
func (d *Dataset) index(left, right []string, apart bool) (rows, onRight map[string]int32) {
	rows = map[string]int32{}
	onRight = rows
	if apart {
		onRight = map[string]int32{}
	}
	d.Pairs.Left, d.Pairs.Right = make([]int32, len(left)), make([]int32, len(right))
	for i := range left {
		d.Pairs.Left[i], d.Pairs.Right[i] = d.number(left[i], rows), d.number(right[i], onRight)
	}
	d.Pairs.apart = apart
	return rows, onRight
}

// number returns the row of a text, a new one where it has none yet.
func (d *Dataset) number(id string, rows map[string]int32) int32 {
	r, ok := rows[id]
	if !ok {
		r = int32(d.Vectors.Rows())
		rows[id] = r
		d.Vectors.IDs = append(d.Vectors.IDs, id)
	}
	return r
}

// addPassages numbers the passages that are in no pair.
func (d *Dataset) addPassages(fsys named, rows map[string]int32) error {
	return ReadTexts(fsys.FS, fsys.root, func(t Text) error {
		if t.Role != "query" {
			d.number(t.ID.String(), rows)
		}
		return nil
	})
}

// ownEmbeddings lists the folders of embeddings/.
func ownEmbeddings(fsys named) (names []string, err error) {
	entries, err := fs.ReadDir(fsys, embeddingsDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open %s: %w", fsys.path(embeddingsDir), withoutPath(err))
	}
	for _, e := range entries {
		// Not e.IsDir: the folder may be a link to elsewhere.
		if info, err := fs.Stat(fsys, path.Join(embeddingsDir, e.Name())); err == nil && info.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// isOwn reports whether the vectors called name, or those that there are where
// it is empty, are the data set's own rather than in a cache.
func isOwn(own []string, name string) bool {
	return len(own) > 0 && name == "" || slices.Contains(own, name)
}

// readOwn reads vectors from embeddings/.
func (d *Dataset) readOwn(ctx context.Context, fsys named, own []string, rows map[string]int32, opts Options) (err error) {
	d.Embeddings = opts.Embeddings
	if d.Embeddings == "" {
		if len(own) > 1 {
			return d.severalEmbeddings(own)
		}
		d.Embeddings = own[0]
	}
	v := folderVectors{fsys: fsys, folder: path.Join(embeddingsDir, d.Embeddings), rows: rows, store: newVectorStore(d.Vectors, opts), file: pairsFile}
	if opts.Passages {
		v.file = textsFile
	}
	d.Space, err = v.read(ctx)
	d.Model = d.Space.Model
	return err
}

func (d *Dataset) severalEmbeddings(names []string) error {
	return fmt.Errorf("%s: embeddings of several models, choose one with --embeddings: %s", d.Name, strings.Join(names, ", "))
}

// folderVectors reads the segments of a folder into a table.
type folderVectors struct {
	fsys   named
	folder string
	rows   map[string]int32 // of the texts that are wanted, by id
	store  *vectorStore
	file   string // that has the texts
	seen   []bool // the rows that have a vector
}

// read fills the table and says whose vectors they are.
func (f *folderVectors) read(ctx context.Context) (m Manifest, err error) {
	m, err = readManifest(f.fsys.FS, path.Join(f.folder, ManifestFile), f.fsys.path(path.Join(f.folder, ManifestFile)))
	if err != nil {
		return Manifest{}, err
	}
	entries, err := fs.ReadDir(f.fsys, f.folder)
	if err != nil {
		return Manifest{}, fmt.Errorf("open %s: %w", f.fsys.path(f.folder), withoutPath(err))
	}
	f.store.table.Dim = m.Dimensions
	if err := f.store.reserve(len(f.rows)); err != nil {
		return Manifest{}, err
	}
	f.seen = make([]bool, len(f.rows))
	for _, e := range entries {
		if path.Ext(e.Name()) != ".parquet" {
			continue
		}
		if err := f.segment(ctx, path.Join(f.folder, e.Name())); err != nil {
			return Manifest{}, err
		}
	}
	if i := slices.Index(f.seen, false); i >= 0 {
		return Manifest{}, fmt.Errorf("%s: no vector for the text %s of %s: embed it", f.fsys.path(f.folder), f.store.table.IDs[i], f.file)
	}
	return m, f.store.finish()
}

// segment copies the vectors of one file whose texts are wanted. Of several
// for one text the first counts.
func (f *folderVectors) segment(ctx context.Context, name string) error {
	file, err := f.fsys.open(name)
	if err != nil {
		return err
	}
	defer file.close()
	if err := checkSchema(file); err != nil {
		return err
	}
	ids, err := file.strings("id", false)
	if err != nil {
		return err
	}
	dim := f.store.table.Dim
	return file.vectors("embedding", func(row int, v []float32) error {
		if len(v) != dim {
			return file.errorf("row %d: embedding has %d values, %s says %d", row, len(v), ManifestFile, dim)
		}
		r, ok := f.rows[ids[row]]
		if !ok {
			return ctx.Err()
		}
		if f.seen[r] {
			return f.store.sameModel(int(r), v, file, row, "embedding")
		}
		f.seen[r] = true
		if err := f.store.put(int(r), v); err != nil {
			return err
		}
		return ctx.Err()
	})
}
