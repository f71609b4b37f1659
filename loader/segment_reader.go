package loader

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"sort"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// A SegmentReader reads rows of a segment. It holds one page of ids and one of
// vectors, so rows are best asked for in ascending order. It is for one
// goroutine.
type SegmentReader struct {
	*Segment
	file io.ReaderAt
	id   loadedPage
	vec  loadedPage
	row  []float32
}

// A loadedPage is a page in memory.
type loadedPage struct {
	first, end int64 // rows
	buffer     []byte
	data       []byte // without the header
}

func (p *loadedPage) has(row int64) bool { return row >= p.first && row < p.end }

// Open opens the file. The caller closes the reader. The error is
// fs.ErrNotExist where the segment has been merged into another one.
func (s *Segment) Open() (*SegmentReader, error) {
	f, err := os.Open(s.Path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", s.Path, withoutPath(err))
	}
	return s.reader(f), nil
}

func (s *Segment) reader(file io.ReaderAt) *SegmentReader {
	return &SegmentReader{Segment: s, file: file, row: make([]float32, s.Space.Dimensions)}
}

// Close closes the file.
func (r *SegmentReader) Close() error { return r.file.(io.Closer).Close() }

// Find looks for ids, which ascend, and calls visit with the place of each that
// the segment has, and its row.
func (r *SegmentReader) Find(ids []ID, visit func(i int, row int64) error) error {
	page := 0
	for i, id := range ids {
		if len(r.ids) == 0 || id.Compare(r.last) > 0 {
			return nil
		}
		// The last page that begins at or before the id.
		page += sort.Search(len(r.ids)-page, func(j int) bool { return r.ids[page+j].first.Compare(id) > 0 }) - 1
		if page < 0 {
			page = 0
			continue
		}
		if err := r.loadIDs(r.ids[page].row); err != nil {
			return err
		}
		digits := hex.AppendEncode(make([]byte, 0, 2*len(id)), id[:])
		n := int(r.id.end - r.id.first)
		k, found := sort.Find(n, func(k int) int { return bytes.Compare(digits, r.digits(k)) })
		if !found {
			continue
		}
		if err := visit(i, r.id.first+int64(k)); err != nil {
			return err
		}
	}
	return nil
}

// digits is the id of a row of the page that is loaded.
func (r *SegmentReader) digits(k int) []byte {
	return r.id.data[k*segmentIDBytes+4 : (k+1)*segmentIDBytes]
}

// ID returns the id of a row.
func (r *SegmentReader) ID(row int64) (id ID, err error) {
	if err := r.loadIDs(row); err != nil {
		return id, err
	}
	if _, err := hex.Decode(id[:], r.digits(int(row-r.id.first))); err != nil {
		return id, r.damaged(err)
	}
	return id, nil
}

// Vector returns the vector of a row, which is valid until the next call.
func (r *SegmentReader) Vector(row int64) ([]float32, error) {
	d := len(r.row)
	if !r.vec.has(row) {
		i := pageOf(len(r.vectors), func(i int) int64 { return r.vectors[i].row }, row)
		end := r.Rows
		if i+1 < len(r.vectors) {
			end = r.vectors[i+1].row
		}
		rows := int(end - r.vectors[i].row)
		if err := r.load(&r.vec, r.vectors[i], end, rows*d); err != nil {
			return nil, err
		}
		levels := len(r.vec.data) - 4*d*rows
		if levels < 0 {
			r.vec.end = r.vec.first
			return nil, r.damaged(errPage)
		}
		r.vec.data = r.vec.data[levels:]
	}
	at := int(row-r.vec.first) * 4 * d
	copy(bytesOf(r.row), r.vec.data[at:at+4*d])
	return r.row, nil
}

// loadIDs loads the page of ids that has a row.
func (r *SegmentReader) loadIDs(row int64) error {
	if r.id.has(row) {
		return nil
	}
	i := pageOf(len(r.ids), func(i int) int64 { return r.ids[i].row }, row)
	end := r.Rows
	if i+1 < len(r.ids) {
		end = r.ids[i+1].row
	}
	rows := int(end - r.ids[i].row)
	if err := r.load(&r.id, r.ids[i].segmentPage, end, rows); err != nil {
		return err
	}
	if len(r.id.data) != rows*segmentIDBytes {
		r.id.end = r.id.first
		return r.damaged(errPage)
	}
	return nil
}

// pageOf is the place of the last page that begins at or before a row.
func pageOf(n int, first func(int) int64, row int64) int {
	return sort.Search(n, func(i int) bool { return first(i) > row }) - 1
}

var errPage = errors.New("a page is not what its index says")

// load reads a page that has some values and checks it.
func (r *SegmentReader) load(into *loadedPage, p segmentPage, end int64, values int) error {
	into.end = into.first // until it is known to be good
	into.buffer = slices.Grow(into.buffer[:0], int(p.size))[:p.size]
	if _, err := r.file.ReadAt(into.buffer, p.offset); errors.Is(err, io.EOF) {
		return r.damaged(io.ErrUnexpectedEOF)
	} else if err != nil {
		return fmt.Errorf("read %s: %w", r.Path, withoutPath(err))
	}
	scan := compactScan{data: into.buffer}
	if err := scan.fields(0); err != nil {
		return r.damaged(fmt.Errorf("the header of a page %w", endsEarly(err)))
	}
	var h format.PageHeader
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), into.buffer[:scan.at], &h); err != nil {
		return r.damaged(errors.New("the header of a page does not say what it must"))
	}
	data := into.buffer[scan.at:]
	if uint32(h.CRC) != crc32.ChecksumIEEE(data) {
		return r.damaged(errors.New("the checksum of a page is not that of its bytes"))
	}
	if int(h.CompressedPageSize) != len(data) || h.Type != format.DataPage || int(h.DataPageHeader.V.NumValues) != values ||
		h.DataPageHeader.V.Encoding != format.Plain {
		return r.damaged(errPage)
	}
	into.first, into.end, into.data = p.row, end, data
	return nil
}

func (r *SegmentReader) damaged(err error) error { return &DamagedError{r.Path, err} }
