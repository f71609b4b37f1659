package cache

import (
	"cmp"
	"container/heap"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"

	"github.com/cosfit/cosfit/internal/atomicfile"
	"github.com/cosfit/cosfit/loader"
)

const (
	// mergeAt is how many segments of about a size are merged into one: a row is
	// written once more whenever its segment grows by this factor.
	mergeAt = 16
	// segmentBytes is how large a segment may become. Damage costs one.
	segmentBytes = 1 << 30
	lockFile     = ".lock"
	// abandoned is how long a file that is not whole must not have grown to be
	// taken for what a killed process left.
	abandoned = time.Hour
)

// mergeNowAndThen merges segments of about a size, one thread at a time, where
// no other process does, while others append. The vectors are safe without it, so
// its error waits for Close.
func (s *Store) mergeNowAndThen() {
	s.mu.Lock()
	s.appended++
	due := s.appended%s.mergeAt == 0 && !s.merging && s.mergeErr == nil
	s.merging = s.merging || due
	s.mu.Unlock()
	if !due {
		return
	}
	s.background.Go(func() {
		err := s.mergeAlike()
		s.mu.Lock()
		s.merging, s.mergeErr = false, err
		s.mu.Unlock()
	})
}

func (s *Store) mergeAlike() error {
	lock := flock.New(filepath.Join(s.Dir(), lockFile))
	ok, err := lock.TryLock()
	if err != nil || !ok {
		return err
	}
	defer lock.Unlock()
	if err := s.tidy(); err != nil {
		return err
	}
	for {
		segments, err := s.opened()
		if err != nil {
			return err
		}
		sizes := map[int][]*loader.Segment{}
		merged := false
		for _, segment := range segments.List() {
			if segment.Bytes >= s.segmentBytes/2 {
				continue
			}
			size := sizeClass(segment.Bytes, s.mergeAt)
			sizes[size] = append(sizes[size], segment)
		}
		for _, alike := range sizes {
			if len(alike) < s.mergeAt {
				continue
			}
			if err := s.merge(context.Background(), alike); err != nil {
				return err
			}
			merged = true
		}
		if !merged {
			return nil
		}
	}
}

// sizeClass is the logarithm of a size.
func sizeClass(bytes int64, base int) (class int) {
	for ; bytes > 0; bytes /= int64(base) {
		class++
	}
	return class
}

// Compacted says what Compact did.
type Compacted struct {
	Before, After int   // segments
	Freed         int64 // bytes
}

// Compact merges segments into few large ones and drops vectors that are in
// several, and what killed processes left.
func (s *Store) Compact(ctx context.Context) (c Compacted, err error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return c, err
	}
	defer unlock()
	if err := s.tidy(); err != nil {
		return c, err
	}
	segments, err := s.opened()
	if err != nil {
		return c, err
	}
	var small []*loader.Segment
	var before, after int64
	for _, segment := range segments.List() {
		c.Before++
		before += segment.Bytes
		if segment.Bytes < s.segmentBytes/2 {
			small = append(small, segment)
		}
	}
	if len(small) > 1 {
		if err := s.merge(ctx, small); err != nil {
			return c, err
		}
	}
	if segments, err = s.opened(); err != nil {
		return c, err
	}
	for _, segment := range segments.List() {
		c.After++
		after += segment.Bytes
	}
	c.Freed = before - after
	return c, nil
}

// tidy removes what killed processes left half written, which may be large.
func (s *Store) tidy() error {
	ours := func(name string) bool {
		return name == unnamed || name == loader.ManifestFile || loader.IsSegmentName(name)
	}
	return atomicfile.Tidy(s.Dir(), ours, abandoned)
}

// lock waits for the lock of the store's folder.
func (s *Store) lock(ctx context.Context) (unlock func() error, err error) {
	lock := flock.New(filepath.Join(s.Dir(), lockFile))
	if _, err := lock.TryLockContext(ctx, 50*time.Millisecond); err != nil {
		return nil, fmt.Errorf("lock %s: %w", s.Dir(), err)
	}
	return lock.Unlock, nil
}

// merge writes the rows of segments into new ones and then removes them. The
// caller holds the lock.
func (s *Store) merge(ctx context.Context, sources []*loader.Segment) error {
	m, err := newMerge(sources)
	if err != nil {
		return err
	}
	defer m.close()
	out := mergeWriter{dir: s.Dir(), space: sources[0].Space, most: s.segmentBytes}
	defer out.abort()
	err = m.each(func(id loader.ID, v []float32) error {
		if err := out.add(id, v); err != nil {
			return err
		}
		return ctx.Err()
	})
	if err == nil {
		err = out.commit()
	}
	if err != nil {
		return err
	}
	m.close()
	for _, segment := range sources {
		if slices.Contains(out.names, filepath.Base(segment.Path)) {
			continue // all its rows, and no others
		}
		// Where it cannot be removed, as on Windows while another process reads it,
		// its rows are there twice until the next time.
		os.Remove(segment.Path)
	}
	return nil
}

// unnamed is what a segment is to be called whose contents are not known yet.
const unnamed = "segment.parquet"

// A mergeWriter writes ascending rows into segments of at most some bytes.
type mergeWriter struct {
	dir   string
	space loader.Manifest
	most  int64
	names []string // of the segments that are whole

	file    *atomicfile.File // of the segment that is open
	hashing hashing
	segment *loader.SegmentWriter
}

func (w *mergeWriter) add(id loader.ID, v []float32) error {
	if w.segment == nil {
		file, err := atomicfile.Create(filepath.Join(w.dir, unnamed))
		if err != nil {
			return err
		}
		w.file, w.hashing = file, hashing{file, sha256.New()}
		w.segment = loader.NewSegmentWriter(w.hashing, w.space)
	}
	if err := w.segment.Add(id, v); err != nil {
		return err
	}
	if w.segment.Size() < w.most {
		return nil
	}
	return w.commit()
}

// commit ends the segment that is open.
func (w *mergeWriter) commit() error {
	if w.segment == nil {
		return nil
	}
	if err := w.segment.Close(); err != nil {
		return err
	}
	name := segmentName(w.hashing.h.Sum(nil))
	file := w.file
	w.file, w.segment = nil, nil
	if err := file.Commit(filepath.Join(w.dir, name)); err != nil {
		return err
	}
	w.names = append(w.names, name)
	return nil
}

func (w *mergeWriter) abort() {
	if w.file != nil {
		w.file.Abort()
	}
}

// A merge goes through the rows of several segments in the order of their ids.
// Of rows with one id the first segment's counts.
type merge struct {
	readers []*loader.SegmentReader
	heads   []head
}

// A head is the next row of a segment.
type head struct {
	id      loader.ID
	row     int64
	segment int
}

// newMerge opens segments. The error is fs.ErrNotExist where one is not there
// any more.
func newMerge(segments []*loader.Segment) (*merge, error) {
	m := &merge{}
	for i, segment := range segments {
		r, err := segment.Open()
		if err != nil {
			m.close()
			return nil, err
		}
		m.readers = append(m.readers, r)
		if segment.Rows > 0 {
			m.heads = append(m.heads, head{row: -1, segment: i})
		}
	}
	return m, nil
}

// each visits the rows.
func (m *merge) each(visit func(loader.ID, []float32) error) error {
	for i := range m.heads {
		if err := m.next(&m.heads[i]); err != nil {
			return err
		}
	}
	heap.Init(m)
	var last loader.ID
	for first := true; len(m.heads) > 0; {
		h := &m.heads[0]
		if first || h.id != last {
			v, err := m.readers[h.segment].Vector(h.row)
			if err != nil {
				return err
			}
			if err := visit(h.id, v); err != nil {
				return err
			}
			first, last = false, h.id
		}
		if h.row+1 == m.readers[h.segment].Rows {
			heap.Pop(m)
			continue
		}
		if err := m.next(h); err != nil {
			return err
		}
		heap.Fix(m, 0)
	}
	return nil
}

func (m *merge) next(h *head) (err error) {
	h.row++
	h.id, err = m.readers[h.segment].ID(h.row)
	return err
}

func (m *merge) close() {
	for _, r := range m.readers {
		r.Close()
	}
	m.readers = nil
}

// The heap of heads.

func (m *merge) Len() int { return len(m.heads) }
func (m *merge) Less(i, j int) bool {
	a, b := &m.heads[i], &m.heads[j]
	return cmp.Or(a.id.Compare(b.id), cmp.Compare(a.segment, b.segment)) < 0
}
func (m *merge) Swap(i, j int) { m.heads[i], m.heads[j] = m.heads[j], m.heads[i] }
func (m *merge) Push(x any)    { m.heads = append(m.heads, x.(head)) }
func (m *merge) Pop() any {
	last := m.heads[len(m.heads)-1]
	m.heads = m.heads[:len(m.heads)-1]
	return last
}
