package loader

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
)

// Segments are a folder of a cache: the vectors of one space. Other processes
// may add segments to it and merge them at any time. Segments are safe for
// concurrent use.
type Segments struct {
	Dir   string
	Space Manifest

	mu  sync.Mutex
	all map[string]*Segment // by file name
}

// OpenSegments opens a folder of a cache. It fails with a DamagedError where a
// segment is damaged, and with fs.ErrNotExist where there is no manifest.
func OpenSegments(dir string) (*Segments, error) {
	m, err := ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	s := &Segments{Dir: dir, Space: m, all: map[string]*Segment{}}
	return s, s.Refresh()
}

var segmentName = regexp.MustCompile(`^[0-9a-f]{32}\.parquet$`)

// IsSegmentName reports whether a file of a cache is called as a segment: the
// first half of the SHA-256 of its contents, in hexadecimal digits, and the
// ending.
func IsSegmentName(name string) bool { return segmentName.MatchString(name) }

// Refresh looks which segments there are now.
func (s *Segments) Refresh() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		vanished, err := s.refresh()
		if err != nil || !vanished {
			return err
		}
	}
}

// refresh reports whether a segment vanished between being listed and being
// opened: then its rows are in a new one.
func (s *Segments) refresh() (vanished bool, err error) {
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		return false, fmt.Errorf("open %s: %w", s.Dir, withoutPath(err))
	}
	now := map[string]*Segment{}
	for _, e := range entries {
		name := e.Name()
		if !IsSegmentName(name) {
			continue
		}
		segment := s.all[name]
		if segment == nil {
			segment, err = OpenSegment(filepath.Join(s.Dir, name))
			if errors.Is(err, fs.ErrNotExist) {
				vanished = true
				continue
			}
			if err == nil && segment.Space.Dimensions != s.Space.Dimensions {
				err = fmt.Errorf("%s: its vectors have %d dimensions, %s says %d: cosfit cache verify finds out which is wrong", segment.Path, segment.Space.Dimensions, ManifestFile, s.Space.Dimensions)
			}
			if err != nil {
				return false, err
			}
		}
		now[name] = segment
	}
	s.all = now
	return vanished, nil
}

// List returns the segments that were there when it was last looked, in the
// order of their names.
func (s *Segments) List() []*Segment {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*Segment, 0, len(s.all))
	for _, name := range slices.Sorted(maps.Keys(s.all)) {
		list = append(list, s.all[name])
	}
	return list
}

// Find looks for ids, which ascend, in all segments, and calls visit with each
// place that has been found, the reader of its segment and its row there. A
// text may be in several.
func (s *Segments) Find(ids []ID, visit func(i int, r *SegmentReader, row int64) error) error {
	done := map[*Segment]bool{}
	for again := true; again; {
		again = false
		for _, segment := range s.List() {
			if done[segment] {
				continue
			}
			err := segment.find(ids, visit)
			if errors.Is(err, fs.ErrNotExist) { // merged into another meanwhile
				again = true
				continue
			}
			if err != nil {
				return err
			}
			done[segment] = true
		}
		if again {
			if err := s.Refresh(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Segment) find(ids []ID, visit func(i int, r *SegmentReader, row int64) error) error {
	r, err := s.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	return r.Find(ids, func(i int, row int64) error { return visit(i, r, row) })
}
