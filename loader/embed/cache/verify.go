package cache

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cosfit/cosfit/loader"
)

// A Verdict is what Verify found.
type Verdict struct {
	Segments int // that are as they were written
	Rows     int64
	Bytes    int64
	Damaged  []string // where the others are now
	Strange  []string // files that are no segments
	Rebuilt  bool     // the manifest was missing, damaged or wrong
}

// Verify compares each segment of a folder of the cache with the hash that it is
// called after. One that differs is put aside, and its texts count as missing
// from then on. The segments say whose vectors they are: a manifest that is
// missing or does not agree with most of them is written again, and those that
// have another number of dimensions than most are put aside too.
func (c *Cache) Verify(ctx context.Context, folder string) (Verdict, error) {
	dir := filepath.Join(c.dir, folder)
	var v Verdict
	entries, err := os.ReadDir(dir)
	if err != nil {
		return v, fmt.Errorf("verify the cache: %w", err)
	}
	var good []*loader.Segment
	aside := func(name string) error {
		to, err := moveAside(filepath.Join(dir, name))
		if err == nil {
			v.Damaged = append(v.Damaged, to)
		}
		return err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return v, err
		}
		name := e.Name()
		if !loader.IsSegmentName(name) {
			if name != loader.ManifestFile && name != damagedDir && name[0] != '.' {
				v.Strange = append(v.Strange, filepath.Join(dir, name))
			}
			continue
		}
		segment, err := verifySegment(ctx, filepath.Join(dir, name))
		switch {
		case err == nil:
			good = append(good, segment)
		case errors.Is(err, fs.ErrNotExist): // merged meanwhile
		case errors.As(err, new(*loader.DamagedError)):
			if err := aside(name); err != nil {
				return v, err
			}
		default:
			return v, err
		}
	}
	space, rows := spaceOfMost(good)
	for _, segment := range good {
		if segment.Space.Dimensions != space.Dimensions {
			if err := aside(filepath.Base(segment.Path)); err != nil {
				return v, err
			}
			continue
		}
		v.Segments++
		v.Rows += segment.Rows
		v.Bytes += segment.Bytes
	}
	m, err := loader.ReadManifest(dir)
	switch {
	case errors.Is(err, loader.ErrNewer) || errors.Is(err, fs.ErrPermission):
		return v, err
	case rows == 0 || err == nil && spaceOf(m) == spaceOf(space):
		return v, nil
	}
	v.Rebuilt = true
	return v, writeManifest(dir, space)
}

// spaceOfMost returns the space that most rows of segments are of, and how many
// rows those are.
func spaceOfMost(segments []*loader.Segment) (most loader.Manifest, rows int64) {
	of := map[loader.Manifest]int64{}
	for _, s := range segments {
		if of[s.Space] += s.Rows; of[s.Space] > rows {
			most, rows = s.Space, of[s.Space]
		}
	}
	return most, rows
}

// verifySegment opens a segment once its bytes have proved to be what they
// were.
func verifySegment(ctx context.Context, path string) (*loader.Segment, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, untilDone{ctx, f}); err != nil {
		return nil, err
	}
	if segmentName(h.Sum(nil)) != filepath.Base(path) {
		return nil, &loader.DamagedError{Path: path, Err: errors.New("its contents are not what was written")}
	}
	return loader.OpenSegment(path)
}

// untilDone reads until a context ends.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u untilDone) Read(b []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(b)
}

// Stats describe the vectors of a space.
type Stats struct {
	Name       string          `json:"name"`
	Space      loader.Manifest `json:"space"`
	Segments   int             `json:"segments"`
	Rows       int64           `json:"vectors"` // one that is in several segments counts for each
	Bytes      int64           `json:"bytes"`
	Normalized bool            `json:"normalized"` // all vectors have the length 1
	Damaged    int             `json:"damaged_segments"`
}

// Stats counts what a store has.
func (s *Store) Stats() (Stats, error) {
	segments, err := s.opened()
	if err != nil || segments == nil {
		return Stats{}, err
	}
	t := Stats{Name: filepath.Base(segments.Dir), Space: segments.Space, Normalized: true}
	for _, segment := range segments.List() {
		t.Segments++
		t.Rows += segment.Rows
		t.Bytes += segment.Bytes
		t.Normalized = t.Normalized && segment.Normalized
	}
	aside, err := os.ReadDir(filepath.Join(segments.Dir, damagedDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return t, err
	}
	t.Damaged = len(aside)
	return t, nil
}
