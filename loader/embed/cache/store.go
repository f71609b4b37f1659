package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/cosfit/cosfit/internal/atomicfile"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/embed"
)

// A Store has the vectors of one space: an embed.Store. It is safe for
// concurrent use, and any number of processes may have one of the same space.
type Store struct {
	cache        *Cache
	space        embed.Space
	mergeAt      int
	segmentBytes int64
	claims       *claims

	mu       sync.Mutex
	segments *loader.Segments // nil where there is no folder yet
	damaged  []string
	appended int
	merging  bool
	mergeErr error

	buffers    sync.Pool      // of *bytes.Buffer, for segments
	background sync.WaitGroup // the merging, and what is on its way to the disk
	settling   chan struct{}  // has an element for each of the latter
	settleErr  error
}

// Dir is the store's folder, or "" while it has no vectors.
func (s *Store) Dir() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.segments == nil {
		return ""
	}
	return s.segments.Dir
}

// Damaged lists the segments that this store found damaged and put aside, where
// they are now. Their texts count as missing.
func (s *Store) Damaged() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.damaged)
}

// find opens the folder of the space, where there is one.
func (s *Store) find() error {
	s.mu.Lock()
	space := s.space
	s.mu.Unlock()
	dir, err := s.cache.folder(space)
	if err != nil || dir == "" {
		return err
	}
	return s.open(dir)
}

// open opens a folder and puts damaged segments aside.
func (s *Store) open(dir string) error {
	for {
		segments, err := loader.OpenSegments(dir)
		if err == nil {
			s.mu.Lock()
			s.segments, s.space = segments, spaceOf(segments.Space)
			s.mu.Unlock()
			return nil
		}
		if err := s.putAside(err); err != nil {
			return err
		}
	}
}

// putAside moves a damaged segment into the folder damaged/. Any other error is
// returned.
func (s *Store) putAside(err error) error {
	damage, ok := errors.AsType[*loader.DamagedError](err)
	if !ok {
		return err
	}
	to, err := moveAside(damage.Path)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.damaged = append(s.damaged, to)
	return nil
}

const damagedDir = "damaged"

func moveAside(path string) (to string, err error) {
	dir := filepath.Join(filepath.Dir(path), damagedDir)
	to = filepath.Join(dir, filepath.Base(path))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", fmt.Errorf("put a damaged segment aside: %w", err)
	}
	if err := os.Rename(path, to); err != nil && !errors.Is(err, fs.ErrNotExist) { // another process was first
		return "", fmt.Errorf("put a damaged segment aside: %w", err)
	}
	return to, nil
}

// opened returns the segments as they are now, or nil where there are none.
func (s *Store) opened() (*loader.Segments, error) {
	s.mu.Lock()
	segments := s.segments
	s.mu.Unlock()
	if segments == nil { // another process may have begun
		if err := s.find(); err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.segments, nil
	}
	for {
		err := segments.Refresh()
		if err == nil {
			return segments, nil
		}
		if err := s.putAside(err); err != nil {
			return nil, err
		}
	}
}

// Ready makes sure that vectors can be kept, which is to be known before any is
// bought: it makes the folder of the cache and writes a file there, which is
// gone again.
func (s *Store) Ready() error {
	dir := s.Dir()
	if dir == "" {
		dir = s.cache.dir
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("make the cache: %w", err)
	}
	f, err := atomicfile.Create(filepath.Join(dir, unnamed))
	if err != nil {
		return err
	}
	defer f.Abort()
	_, err = f.Write(make([]byte, 1<<20)) // about an answer
	return err
}

// Missing returns the ids that have no vector, in their order, each once.
func (s *Store) Missing(ids []string) ([]string, error) {
	sorted, at, err := sortIDs(ids)
	if err != nil {
		return nil, err
	}
	found := make([]bool, len(sorted))
	for {
		segments, err := s.opened()
		if err != nil {
			return nil, err
		}
		clear(found)
		if segments != nil {
			err = segments.Find(sorted, func(i int, _ *loader.SegmentReader, _ int64) error {
				found[i] = true
				return nil
			})
		}
		if err == nil {
			break
		}
		if err := s.putAside(err); err != nil {
			return nil, err
		}
	}
	var places []int
	for i, ok := range found {
		if !ok {
			places = append(places, at[i])
		}
	}
	slices.Sort(places)
	missing := make([]string, len(places))
	for i, place := range places {
		missing[i] = ids[place]
	}
	return missing, nil
}

// sortIDs returns different ids in ascending order, and where each comes first.
func sortIDs(ids []string) ([]loader.ID, []int, error) {
	parsed := make([]loader.ID, len(ids))
	at := make([]int, len(ids))
	for i, text := range ids {
		var err error
		if parsed[i], err = loader.ParseID(text); err != nil {
			return nil, nil, err
		}
		at[i] = i
	}
	slices.SortStableFunc(at, func(a, b int) int { return parsed[a].Compare(parsed[b]) })
	at = slices.CompactFunc(at, func(a, b int) bool { return parsed[a] == parsed[b] })
	sorted := make([]loader.ID, len(at))
	for i, place := range at {
		sorted[i] = parsed[place]
	}
	return sorted, at, nil
}

// Append writes a segment. Of several vectors for one id the first is kept.
func (s *Store) Append(ids []string, vectors [][]float32) error {
	if len(ids) != len(vectors) {
		return fmt.Errorf("%d vectors for %d texts", len(vectors), len(ids))
	}
	if len(ids) == 0 {
		return nil
	}
	sorted, at, err := sortIDs(ids)
	if err != nil {
		return err
	}
	dir, space, err := s.folderFor(len(vectors[0]))
	if err != nil {
		return err
	}
	buffer := s.buffers.Get().(*bytes.Buffer)
	defer s.buffers.Put(buffer)
	buffer.Reset()
	w := loader.NewSegmentWriter(buffer, space)
	for i, id := range sorted {
		if err := w.Add(id, vectors[at[i]]); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	sum := sha256.Sum256(buffer.Bytes())
	if err := s.put(filepath.Join(dir, segmentName(sum[:])), buffer.Bytes()); err != nil {
		return err
	}
	s.mergeNowAndThen()
	return nil
}

// put writes a segment under its name, where a kill cannot lose it, and has it
// reach the disk while its caller goes on. No more than unsettled of them are on
// their way at a time.
func (s *Store) put(path string, content []byte) error {
	s.mu.Lock()
	failed := s.settleErr
	s.mu.Unlock()
	if failed != nil {
		return failed
	}
	f, err := atomicfile.Create(path)
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		f.Abort()
		return err
	}
	settle, err := f.CommitSoon(path)
	if err != nil {
		return err
	}
	s.settling <- struct{}{}
	s.background.Go(func() {
		err := settle()
		s.mu.Lock()
		s.settleErr = errors.Join(s.settleErr, err)
		s.mu.Unlock()
		<-s.settling
	})
	return nil
}

// unsettled is how many segments may be on their way to the disk.
const unsettled = 16

// segmentName is what a segment is called whose contents have a hash.
func segmentName(sum []byte) string { return hex.EncodeToString(sum[:16]) + ".parquet" }

// folderFor returns the folder for vectors of some dimensions, and makes it
// with the first.
func (s *Store) folderFor(dimensions int) (string, loader.Manifest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.segments == nil {
		if s.space.Dimensions != 0 && s.space.Dimensions != dimensions {
			return "", loader.Manifest{}, fmt.Errorf("vectors have %d dimensions, want %d", dimensions, s.space.Dimensions)
		}
		dir, err := s.cache.create(s.space, dimensions)
		if err != nil {
			return "", loader.Manifest{}, err
		}
		segments, err := loader.OpenSegments(dir)
		if err != nil {
			return "", loader.Manifest{}, err
		}
		s.segments, s.space = segments, spaceOf(segments.Space)
	}
	if dimensions != s.segments.Space.Dimensions {
		return "", loader.Manifest{}, fmt.Errorf("vectors have %d dimensions, those in %s have %d", dimensions, s.segments.Dir, s.segments.Space.Dimensions)
	}
	return s.segments.Dir, s.segments.Space, nil
}

// Each calls visit with every text and its vector, which is valid during the
// call, in the order of their ids.
func (s *Store) Each(visit func(loader.ID, []float32) error) error {
	merges, err := s.merges(1)
	if err != nil {
		return err
	}
	defer merges[0].close()
	return merges[0].each(visit)
}

// merges opens all segments n times, to go through the same rows as often.
func (s *Store) merges(n int) ([]*merge, error) {
	segments, err := s.opened()
	if err != nil {
		return nil, err
	}
	var list []*loader.Segment
	if segments != nil {
		list = segments.List()
	}
	var all []*merge
	for len(all) < n {
		m, err := newMerge(list)
		if err == nil {
			all = append(all, m)
			continue
		}
		for _, m := range all {
			m.close()
		}
		if errors.Is(err, fs.ErrNotExist) { // merged since they were listed
			return s.merges(n)
		}
		return nil, err
	}
	return all, nil
}

// manifest describes the space, of which there must be vectors.
func (s *Store) manifest() (loader.Manifest, error) {
	segments, err := s.opened()
	if err != nil {
		return loader.Manifest{}, err
	}
	if segments == nil {
		return loader.Manifest{}, fmt.Errorf("the cache has no vectors of %s", s.space)
	}
	return segments.Space, nil
}

// Close gives up claims and waits until all vectors have reached the disk. It
// says what went wrong with that, and with merging, which costs nothing but room.
func (s *Store) Close() error {
	s.background.Wait()
	s.claims.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.settleErr, s.mergeErr)
}

// hashing passes bytes on and hashes them.
type hashing struct {
	w io.Writer
	h hash.Hash
}

func (h hashing) Write(b []byte) (int, error) {
	n, err := h.w.Write(b)
	h.h.Write(b[:n])
	return n, err
}
