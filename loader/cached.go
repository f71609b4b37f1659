package loader

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cosfit/cosfit/internal/shell"
)

// Vectors of a data set that are in a cache.

// A wanted list is the texts of a data set, by id.
type wanted struct {
	ids  []ID // ascending
	rows []int32
}

// readCached reads the vectors of a space of the cache: the one that is named,
// or the only one that has all texts.
func (d *Dataset) readCached(ctx context.Context, own []string, opts Options) error {
	if opts.Embeddings != "" && !filepath.IsLocal(opts.Embeddings) {
		return fmt.Errorf("--embeddings is %q, want the name of a folder in %s/ or in the cache", opts.Embeddings, embeddingsDir)
	}
	names, err := CacheFolders(opts.Cache)
	if err != nil {
		return err
	}
	all := slices.Concat(own, names)
	if len(all) == 0 {
		return d.noEmbeddings(opts)
	}
	if opts.Embeddings != "" && !slices.Contains(names, opts.Embeddings) {
		return fmt.Errorf("%s: no embeddings named %q; there are: %s", d.Name, opts.Embeddings, strings.Join(all, ", "))
	}
	want, err := d.wanted()
	if err != nil {
		return err
	}
	if opts.Embeddings != "" {
		return d.readSpace(ctx, opts, opts.Embeddings, want)
	}
	name, err := d.chooseSpace(opts, names, want)
	if err != nil {
		return err
	}
	return d.readSpace(ctx, opts, name, want)
}

func (d *Dataset) noEmbeddings(opts Options) error {
	where := embeddingsDir + "/"
	if opts.Cache != "" {
		where += " or in the cache " + opts.Cache
	}
	return fmt.Errorf("%s: its texts have no vectors, in %s: embed them with %s", d.Name, where, d.embedCommand(opts))
}

// embedCommand is the command line that embeds the data set's texts.
func (d *Dataset) embedCommand(opts Options) string {
	line := "cosfit embed --data " + shell.Quote(d.Name)
	if opts.CacheGiven {
		line += " --cache " + shell.Quote(opts.Cache)
	}
	return line
}

// CacheFolders lists the spaces that a cache has vectors of, each of which is a
// folder. A cache that is not there has none.
func CacheFolders(cache string) (names []string, err error) {
	if cache == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(cache)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open the cache %s: %w", cache, withoutPath(err))
	}
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(cache, e.Name(), ManifestFile)); err == nil {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func (d *Dataset) wanted() (wanted, error) {
	type text struct {
		id  ID
		row int32
	}
	texts := make([]text, d.Vectors.Rows())
	for row, name := range d.Vectors.IDs {
		id, err := ParseID(name)
		if err != nil {
			return wanted{}, fmt.Errorf("%s: %s: %w, and the cache knows texts by no other", d.Name, pairsFile, err)
		}
		texts[row] = text{id, int32(row)}
	}
	slices.SortFunc(texts, func(a, b text) int { return a.id.Compare(b.id) })
	w := wanted{make([]ID, len(texts)), make([]int32, len(texts))}
	for i, t := range texts {
		w.ids[i], w.rows[i] = t.id, t.row
	}
	return w, nil
}

// chooseSpace returns the only space that has all texts.
func (d *Dataset) chooseSpace(opts Options, names []string, want wanted) (string, error) {
	var whole, part []string
	var most lacking
	for _, name := range names {
		l, err := d.lackingIn(filepath.Join(opts.Cache, name), want)
		switch {
		case err != nil:
			return "", err
		case l.texts == 0:
			whole = append(whole, name)
		case l.texts < len(want.ids):
			part = append(part, name)
			if most.dir == "" || l.texts < most.texts {
				most = l
			}
		}
	}
	switch {
	case len(whole) == 1:
		return whole[0], nil
	case len(whole) > 1:
		return "", d.severalEmbeddings(whole)
	case len(part) == 1:
		return "", d.lacks(most, opts)
	case len(part) > 1:
		return "", fmt.Errorf("%s: no embeddings of all its texts: choose one of %s with --embeddings, and cosfit says what it lacks", d.Name, strings.Join(part, ", "))
	}
	return "", d.noEmbeddings(opts)
}

// lacking says how many texts have no vector in a space, and one of them.
type lacking struct {
	dir   string
	space Manifest
	texts int
	first string
}

func (d *Dataset) lackingIn(dir string, want wanted) (lacking, error) {
	segments, err := openCached(dir)
	if err != nil {
		return lacking{}, err
	}
	found := make([]bool, len(want.ids))
	err = segments.Find(want.ids, func(i int, _ *SegmentReader, _ int64) error {
		found[i] = true
		return nil
	})
	return d.countLacking(segments, want, found), damagedCache(err)
}

func (d *Dataset) countLacking(s *Segments, want wanted, found []bool) lacking {
	l := lacking{dir: s.Dir, space: s.Space}
	first := int32(len(found))
	for i, ok := range found {
		if !ok {
			l.texts++
			first = min(first, want.rows[i])
		}
	}
	if l.texts > 0 {
		l.first = d.Vectors.IDs[first]
	}
	return l
}

// lacks says which command gets the vectors that a space does not have.
func (d *Dataset) lacks(l lacking, opts Options) error {
	line := fmt.Sprintf("%s --provider %s --model %s", d.embedCommand(opts), shell.Quote(l.space.Provider), shell.Quote(l.space.Model))
	if !l.space.Native {
		line += fmt.Sprintf(" --dimensions %d", l.space.Dimensions)
	}
	return fmt.Errorf("%s: %d of its %d texts have no vector in %s, the first of them %s: embed them with %s",
		d.Name, l.texts, d.Vectors.Rows(), l.dir, l.first, line)
}

// readSpace reads the vectors of a folder of the cache into the table.
func (d *Dataset) readSpace(ctx context.Context, opts Options, name string, want wanted) error {
	segments, err := openCached(filepath.Join(opts.Cache, name))
	if err != nil {
		return err
	}
	d.Embeddings, d.Cache = name, opts.Cache
	d.Model, d.Vectors.Dim = segments.Space.Model, segments.Space.Dimensions
	store := newVectorStore(d.Vectors, opts)
	if err := store.reserve(len(want.ids)); err != nil {
		return err
	}
	found := make([]bool, len(want.ids))
	err = segments.Find(want.ids, func(i int, r *SegmentReader, row int64) error {
		if found[i] {
			return ctx.Err()
		}
		v, err := r.Vector(row)
		if err != nil {
			return err
		}
		if err := checkVector(v); err != nil {
			return fmt.Errorf("%s: row %d: embedding %w", r.Path, row, err)
		}
		found[i] = true
		if err := store.put(int(want.rows[i]), v); err != nil {
			return err
		}
		return ctx.Err()
	})
	if err != nil {
		return damagedCache(err)
	}
	if l := d.countLacking(segments, want, found); l.texts > 0 {
		return d.lacks(l, opts)
	}
	return store.finish()
}

func openCached(dir string) (*Segments, error) {
	s, err := OpenSegments(dir)
	return s, damagedCache(err)
}

// damagedCache says what to do about a damaged segment.
func damagedCache(err error) error {
	if damaged, ok := errors.AsType[*DamagedError](err); ok {
		return fmt.Errorf("%w: put it aside with cosfit cache verify --cache %s, then embed its texts again", err, filepath.Dir(filepath.Dir(damaged.Path)))
	}
	return err
}
