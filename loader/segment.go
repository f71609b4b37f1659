package loader

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// A Segment is a file of vectors of one space as a [SegmentWriter] writes it,
// of which the cache consists: Parquet with the columns id and embedding,
// PLAIN and uncompressed, in which a text is found without reading the rest.
// The rows ascend by id, so the page index of Parquet says which page has one;
// each page has a checksum. The footer says which space it is.
//
// A Segment holds the index but no open file, so that there may be thousands.
type Segment struct {
	Path       string
	Space      Manifest
	Normalized bool // all vectors have the length 1
	Rows       int64
	Bytes      int64 // of the file

	last    ID
	ids     []idPage
	vectors []segmentPage
}

// A segmentPage is where a page is in the file, with its header, and which row
// it begins with.
type segmentPage struct {
	offset, row int64
	size        int32
}

type idPage struct {
	segmentPage
	first ID
}

// A DamagedError says that a segment is not what was written.
type DamagedError struct {
	Path string // of the segment
	Err  error
}

func (e *DamagedError) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }
func (e *DamagedError) Unwrap() error { return e.Err }

// OpenSegment reads the index of a segment. An error is a DamagedError, unless
// the file could not be read or is ErrNewer.
func OpenSegment(path string) (*Segment, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, withoutPath(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, withoutPath(err))
	}
	s := &Segment{Path: path, Bytes: info.Size()}
	if err := s.read(f); err != nil {
		if p, ok := errors.AsType[*fs.PathError](err); ok {
			return nil, fmt.Errorf("read %s: %w", path, p.Err)
		}
		if errors.Is(err, ErrNewer) {
			return nil, fmt.Errorf("open %s: %w", path, err)
		}
		return nil, &DamagedError{path, err}
	}
	return s, nil
}

var errSegment = errors.New("the file is damaged: its index does not fit what it holds")

func (s *Segment) read(r io.ReaderAt) error {
	if err := checkFrame(r, s.Bytes); err != nil {
		return err
	}
	meta, columns, err := checkFooter(r, s.Bytes)
	if err != nil {
		return err
	}
	if err := s.readSpace(meta.KeyValueMetadata); err != nil {
		return err
	}
	if columns != 2 {
		return fmt.Errorf("it has %d columns, want id and embedding", columns)
	}
	for i := range meta.RowGroups {
		if err := s.readGroup(r, &meta.RowGroups[i]); err != nil {
			return err
		}
	}
	if s.Rows != meta.NumRows {
		return errSegment
	}
	return nil
}

// readSpace reads which vectors these are.
func (s *Segment) readSpace(keyValues []format.KeyValue) error {
	values := map[string]string{}
	for _, kv := range keyValues {
		values[kv.Key] = kv.Value
	}
	text, ok := values[segmentSpaceKey]
	if !ok {
		return errors.New("not a segment of a cache: bring its vectors in with cosfit cache import")
	}
	if err := json.Unmarshal([]byte(text), &s.Space); err != nil {
		return fmt.Errorf("the file is damaged: it does not say whose vectors it has: %w", err)
	}
	var err error
	if s.Normalized, err = strconv.ParseBool(values[segmentNormalizedKey]); err != nil {
		return errSegment
	}
	return s.Space.check()
}

// readGroup adds the pages of a row group.
func (s *Segment) readGroup(r io.ReaderAt, g *format.RowGroup) error {
	d := int64(s.Space.Dimensions)
	for i, leastRow := range []int64{int64(segmentIDBytes), 4 * d} {
		chunk := &g.Columns[i]
		m := &chunk.MetaData
		if m.Codec != format.Uncompressed || slices.ContainsFunc(m.Encoding, func(e format.Encoding) bool { return e != format.Plain && e != format.RLE }) {
			return errors.New("not as a segment is stored, PLAIN and uncompressed: bring its vectors in with cosfit cache import")
		}
		var index format.OffsetIndex
		if err := readIndex(r, s.Bytes, chunk.OffsetIndexOffset, chunk.OffsetIndexLength, &index); err != nil {
			return err
		}
		pages := make([]segmentPage, len(index.PageLocations))
		for j, l := range index.PageLocations {
			end := g.NumRows
			if j+1 < len(index.PageLocations) {
				end = index.PageLocations[j+1].FirstRowIndex
			}
			rows := end - l.FirstRowIndex
			if l.Offset < 4 || l.Offset > s.Bytes-int64(l.CompressedPageSize) || j == 0 && l.FirstRowIndex != 0 ||
				rows <= 0 || rows > s.Bytes || rows*leastRow > int64(l.CompressedPageSize) {
				return errSegment
			}
			pages[j] = segmentPage{offset: l.Offset, size: l.CompressedPageSize, row: s.Rows + l.FirstRowIndex}
		}
		if len(pages) == 0 && g.NumRows != 0 {
			return errSegment
		}
		if i == 1 {
			s.vectors = append(s.vectors, pages...)
		} else if err := s.addIDPages(r, chunk, pages); err != nil {
			return err
		}
	}
	s.Rows += g.NumRows
	return nil
}

// addIDPages adds the pages of a column of ids, with the first id of each.
func (s *Segment) addIDPages(r io.ReaderAt, chunk *format.ColumnChunk, pages []segmentPage) error {
	var bounds format.ColumnIndex
	if err := readIndex(r, s.Bytes, chunk.ColumnIndexOffset, chunk.ColumnIndexLength, &bounds); err != nil {
		return err
	}
	if len(bounds.MinValues) != len(pages) || len(bounds.MaxValues) != len(pages) {
		return errSegment
	}
	for i, page := range pages {
		first, err1 := ParseID(string(bounds.MinValues[i]))
		last, err2 := ParseID(string(bounds.MaxValues[i]))
		if err1 != nil || err2 != nil || first.Compare(last) > 0 || s.Rows+int64(i) > 0 && s.last.Compare(first) >= 0 {
			return errSegment
		}
		s.ids = append(s.ids, idPage{page, first})
		s.last = last
	}
	return nil
}

// readIndex decodes a part of the page index.
func readIndex(r io.ReaderAt, size, offset int64, length int32, into any) error {
	if offset < 4 || length <= 0 || offset > size-int64(length) {
		return errSegment
	}
	data := make([]byte, length)
	if _, err := r.ReadAt(data, offset); err != nil {
		return err
	}
	scan := compactScan{data: data}
	if err := scan.fields(0); err != nil {
		return fmt.Errorf("the file is damaged: its index %w", endsEarly(err))
	}
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), data[:scan.at], into); err != nil {
		return errSegment
	}
	return nil
}
