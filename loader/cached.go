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

// A wanted list is texts of a data set, by id.
type wanted struct {
	ids  []ID // ascending
	rows []int32
}

// A part is the texts whose vectors are in a space.
type part struct {
	space *Segments
	want  wanted
}

// readCached reads the vectors of a space of the cache: the one that is named,
// or the only one that has all texts.
func (d *Dataset) readCached(ctx context.Context, own []string, opts Options) error {
	names, err := d.cached(own, opts, opts.Embeddings)
	if err != nil {
		return err
	}
	want, err := d.wanted(func(int32) bool { return true })
	if err != nil {
		return err
	}
	if d.Embeddings = opts.Embeddings; d.Embeddings == "" {
		if d.Embeddings, err = d.chooseSpace(opts, names, want); err != nil {
			return err
		}
	}
	space, err := openCached(filepath.Join(opts.Cache, d.Embeddings))
	if err != nil {
		return err
	}
	return d.readSpaces(ctx, opts, part{space, want})
}

// bySide divides what --embeddings says into two names, where it does.
func bySide(embeddings string) (sides [2]string, apart bool) {
	sides[0], sides[1], apart = strings.Cut(embeddings, ",")
	return sides, apart
}

// readSides reads the vectors of the left texts from one space and those of the
// right ones from another. Rows are numbered apart.
func (d *Dataset) readSides(ctx context.Context, own []string, sides [2]string, opts Options) error {
	onLeft := make([]bool, d.Vectors.Rows())
	for _, row := range d.Pairs.Left {
		onLeft[row] = true
	}
	var parts []part
	for i, name := range sides {
		if _, err := d.cached(own, opts, name); err != nil {
			return err
		}
		want, err := d.wanted(func(row int32) bool { return onLeft[row] == (i == 0) })
		if err != nil {
			return err
		}
		space, err := openCached(filepath.Join(opts.Cache, name))
		if err != nil {
			return err
		}
		parts = append(parts, part{space, want})
	}
	left, right := parts[0], parts[1]
	if left.space.Space.Dimensions != right.space.Space.Dimensions && opts.UnequalSides {
		more, err := d.inBoth(left, right)
		if err != nil {
			return err
		}
		parts = append(parts, more...)
	}
	d.Embeddings = opts.Embeddings
	return d.readSpaces(ctx, opts, parts...)
}

// cached lists the spaces of the cache, which must have the one called name
// where that is not empty.
func (d *Dataset) cached(own []string, opts Options, name string) ([]string, error) {
	if name != "" && !filepath.IsLocal(name) {
		return nil, fmt.Errorf("--embeddings is %q, want the name of a folder in %s/ or in the cache", name, embeddingsDir)
	}
	names, err := CacheFolders(opts.Cache)
	if err != nil {
		return nil, err
	}
	all := slices.Concat(own, names)
	if len(all) == 0 {
		return nil, d.noEmbeddings(opts)
	}
	if name != "" && !slices.Contains(names, name) {
		return nil, fmt.Errorf("%s: no embeddings named %q; there are: %s", d.Name, name, strings.Join(all, ", "))
	}
	return names, nil
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

// wanted lists the texts of some rows.
func (d *Dataset) wanted(which func(row int32) bool) (wanted, error) {
	type text struct {
		id  ID
		row int32
	}
	var texts []text
	for row, name := range d.Vectors.IDs {
		if !which(int32(row)) {
			continue
		}
		id, err := ParseID(name)
		if err != nil {
			return wanted{}, fmt.Errorf("%s: %s: %w, and the cache knows texts by no other", d.Name, pairsFile, err)
		}
		texts = append(texts, text{id, int32(row)})
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
	texts int // without a vector
	of    int // that are wanted
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
	l := lacking{dir: s.Dir, space: s.Space, of: len(found)}
	first := int32(d.Vectors.Rows())
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
	if l.space.Prompt != "" {
		line += fmt.Sprintf(", and with the flags that gave the prompt %q", l.space.Prompt)
	}
	return fmt.Errorf("%s: %d of its %d texts have no vector in %s, the first of them %s: embed them with %s",
		d.Name, l.texts, l.of, l.dir, l.first, line)
}

// readSpaces reads the vectors of spaces into the table: the first is that of the
// left texts, the last that of the right ones.
func (d *Dataset) readSpaces(ctx context.Context, opts Options, parts ...part) error {
	d.Cache = opts.Cache
	left, right := parts[0].space.Space, parts[len(parts)-1].space.Space
	if left.Dimensions != right.Dimensions && !opts.UnequalSides {
		return fmt.Errorf("%s: --embeddings %s has vectors of %d and of %d dimensions, want the same on both sides, but for cosfit train --side query", d.Name, opts.Embeddings, left.Dimensions, right.Dimensions)
	}
	d.Model = left.Model
	if len(parts) == 1 {
		d.Space = left
	}
	d.Vectors.setDims(left.Dimensions, right.Dimensions)
	store := newVectorStore(d.Vectors, opts)
	if err := store.reserve(d.Vectors.Rows()); err != nil {
		return err
	}
	for _, p := range parts {
		if err := d.readSpace(ctx, p.space, p.want, store, opts); err != nil {
			return err
		}
	}
	return store.finish()
}

// readSpace reads the vectors of the texts that are wanted from a folder.
func (d *Dataset) readSpace(ctx context.Context, segments *Segments, want wanted, store *vectorStore, opts Options) error {
	found := make([]bool, len(want.ids))
	err := segments.Find(want.ids, func(i int, r *SegmentReader, row int64) error {
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
	return nil
}

func openCached(dir string) (*Segments, error) {
	s, err := OpenSegments(dir)
	return s, damagedCache(err)
}

// damagedCache says what to do about a damaged segment.
func damagedCache(err error) error {
	if damaged, ok := errors.AsType[*DamagedError](err); ok {
		return fmt.Errorf("%w: put it aside with cosfit cache verify --cache %s, then embed its texts again", err, shell.Quote(filepath.Dir(filepath.Dir(damaged.Path))))
	}
	return err
}
