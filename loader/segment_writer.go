package loader

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

const (
	segmentGroupBytes = 32 << 20 // of a row group, whose ids are held in memory
	segmentPageBytes  = 1 << 17  // of vectors
	segmentPageIDs    = 512
	segmentIDBytes    = 4 + 2*len(ID{}) // of an id: its length and its digits

	segmentSpaceKey      = "cosfit.space"
	segmentNormalizedKey = "cosfit.normalized"
)

// A SegmentWriter writes a segment: see Segment. It holds a page of vectors, which
// go out as they come, and the ids of a row group, which stand behind its vectors.
type SegmentWriter struct {
	w     io.Writer
	n     int64 // bytes written
	space Manifest
	meta  format.FileMetaData
	index []segmentColumnIndex // of each row group's two columns, in turn

	start      int64 // of the row group that is open
	ids        []ID  // of its rows
	pages      format.OffsetIndex
	page       []byte // the vectors of the page that is open
	levels     []byte // of a full page
	last       ID
	normalized bool
	raw        []byte // buffer
}

// A segmentColumnIndex is what is written before the footer about a column of a
// row group.
type segmentColumnIndex struct {
	offsets format.OffsetIndex
	bounds  *format.ColumnIndex // of ids
}

// NewSegmentWriter begins a segment of a space of vectors. Close ends it.
func NewSegmentWriter(w io.Writer, space Manifest) *SegmentWriter {
	return &SegmentWriter{w: w, space: space, normalized: true}
}

// Add adds a row. Ids must ascend, and the vector must have the space's
// dimension.
func (s *SegmentWriter) Add(id ID, v []float32) error {
	if len(v) != s.space.Dimensions {
		return fmt.Errorf("the vector of text %s has %d values, want %d", id, len(v), s.space.Dimensions)
	}
	if s.meta.NumRows+int64(len(s.ids)) > 0 && s.last.Compare(id) >= 0 {
		return fmt.Errorf("text %s comes after %s, want ascending ids", id, s.last)
	}
	if err := s.begin(); err != nil {
		return err
	}
	s.last = id
	s.ids = append(s.ids, id)
	full := segmentPageRows(len(v)) * 4 * len(v)
	if s.page == nil {
		s.page = make([]byte, 0, full)
	}
	s.page = append(s.page, bytesOf(v)...)
	s.normalized = s.normalized && IsNormalized(v)
	if len(s.page) == full {
		if err := s.vectorPage(); err != nil {
			return err
		}
	}
	if len(s.ids)*(segmentIDBytes+4*len(v)) < segmentGroupBytes {
		return nil
	}
	return s.group()
}

// IsNormalized reports whether a vector has the length 1, but for rounding to
// half precision.
func IsNormalized(v []float32) bool {
	const tolerance = 1e-3
	var sums [4]float64 // each waits for its own additions alone
	for ; len(v) >= len(sums); v = v[len(sums):] {
		sums[0] += float64(v[0]) * float64(v[0])
		sums[1] += float64(v[1]) * float64(v[1])
		sums[2] += float64(v[2]) * float64(v[2])
		sums[3] += float64(v[3]) * float64(v[3])
	}
	for _, x := range v {
		sums[0] += float64(x) * float64(x)
	}
	return math.Abs(math.Sqrt(sums[0]+sums[1]+sums[2]+sums[3])-1) <= tolerance
}

// Size is how many bytes the segment has so far, without its index and footer.
func (s *SegmentWriter) Size() int64 {
	return s.n + int64(len(s.ids)*segmentIDBytes+len(s.page))
}

// Close writes what is pending, the index and the footer.
func (s *SegmentWriter) Close() error {
	if len(s.ids) > 0 || s.n == 0 {
		if err := s.group(); err != nil {
			return err
		}
	}
	if err := s.writeIndex(); err != nil {
		return err
	}
	space, err := json.Marshal(s.space)
	if err != nil {
		return err
	}
	s.meta.Version = 2
	s.meta.Schema = segmentSchema()
	s.meta.CreatedBy = "cosfit"
	order := format.ColumnOrder{Value: new(format.TypeDefinedOrder)}
	s.meta.ColumnOrders = thrift.Slice[format.ColumnOrder]{order, order}
	s.meta.KeyValueMetadata = thrift.Slice[format.KeyValue]{
		{Key: "schema_version", Value: "1"},
		{Key: segmentSpaceKey, Value: string(space)},
		{Key: segmentNormalizedKey, Value: fmt.Sprint(s.normalized)},
	}
	footer, err := encodeFooter(&s.meta)
	if err != nil {
		return err
	}
	return s.write(footer)
}

func segmentSchema() []format.SchemaElement {
	required := thrift.New(format.Required)
	return append([]format.SchemaElement{
		{Name: "schema", NumChildren: thrift.New(int32(2))},
		{
			Name: "id", RepetitionType: required, Type: thrift.New(format.ByteArray),
			ConvertedType: thrift.New(deprecated.UTF8), LogicalType: format.LogicalType{Value: new(format.StringType)},
		},
	}, floatListSchema("embedding", required)...)
}

func (s *SegmentWriter) write(b []byte) error {
	n, err := s.w.Write(b)
	s.n += int64(n)
	return err
}

// begin opens a row group unless one is open.
func (s *SegmentWriter) begin() error {
	if len(s.ids) > 0 {
		return nil
	}
	if s.n == 0 {
		if err := s.write([]byte(footerMark)); err != nil {
			return err
		}
	}
	s.start, s.pages = s.n, format.OffsetIndex{}
	return nil
}

// group ends the row group that is open. Its vectors are written but for the last
// page.
func (s *SegmentWriter) group() error {
	if err := s.begin(); err != nil { // a segment without rows has one of none
		return err
	}
	if len(s.page) > 0 {
		if err := s.vectorPage(); err != nil {
			return err
		}
	}
	middle := s.n
	bounds, idPages, err := s.writeIDs()
	if err != nil {
		return err
	}
	ids := format.ColumnMetaData{
		Type: format.ByteArray, Encoding: thrift.Slice[format.Encoding]{format.Plain},
		PathInSchema: thrift.Slice[string]{"id"}, NumValues: int64(len(s.ids)),
	}
	if len(s.ids) > 0 {
		ids.Statistics = format.Statistics{MinValue: []byte(s.ids[0].String()), MaxValue: []byte(s.ids[len(s.ids)-1].String())}
	}
	vectors := format.ColumnMetaData{
		Type: format.Float, Encoding: thrift.Slice[format.Encoding]{format.Plain, format.RLE},
		PathInSchema: thrift.Slice[string]{"embedding", "list", "element"}, NumValues: int64(len(s.ids) * s.space.Dimensions),
	}
	s.meta.RowGroups = append(s.meta.RowGroups, format.RowGroup{
		NumRows: int64(len(s.ids)), FileOffset: s.start, Ordinal: int16(len(s.meta.RowGroups)),
		SortingColumns: thrift.Slice[format.SortingColumn]{{ColumnIdx: 0}},
		Columns:        thrift.Slice[format.ColumnChunk]{{MetaData: placed(ids, middle, s.n)}, {MetaData: placed(vectors, s.start, middle)}},
		TotalByteSize:  s.n - s.start, TotalCompressedSize: s.n - s.start,
	})
	s.index = append(s.index, segmentColumnIndex{idPages, bounds}, segmentColumnIndex{offsets: s.pages})
	s.meta.NumRows += int64(len(s.ids))
	s.ids = s.ids[:0]
	return nil
}

// placed says of a column where it is.
func placed(m format.ColumnMetaData, start, end int64) format.ColumnMetaData {
	m.Codec, m.DataPageOffset = format.Uncompressed, start
	m.TotalUncompressedSize, m.TotalCompressedSize = end-start, end-start
	return m
}

// writeIDs writes the ids of the row group: of each, the length and the digits.
func (s *SegmentWriter) writeIDs() (*format.ColumnIndex, format.OffsetIndex, error) {
	b := &format.ColumnIndex{BoundaryOrder: format.Ascending}
	var pages format.OffsetIndex
	for first := 0; first < len(s.ids); first += segmentPageIDs {
		ids := s.ids[first:min(first+segmentPageIDs, len(s.ids))]
		s.raw = s.raw[:0]
		for _, id := range ids {
			s.raw = append(s.raw, byte(2*len(id)), 0, 0, 0)
			s.raw = hex.AppendEncode(s.raw, id[:])
		}
		b.NullPages = append(b.NullPages, false)
		b.NullCounts = append(b.NullCounts, 0)
		b.MinValues = append(b.MinValues, []byte(ids[0].String()))
		b.MaxValues = append(b.MaxValues, []byte(ids[len(ids)-1].String()))
		if err := s.writePage(&pages, first, len(ids), s.raw); err != nil {
			return nil, pages, err
		}
	}
	return b, pages, nil
}

// vectorPage writes the page of vectors that is open: levels, and numbers in a row.
func (s *SegmentWriter) vectorPage() error {
	d := s.space.Dimensions
	rows, levels := len(s.page)/(4*d), s.levels
	if full := rows == segmentPageRows(d); !full || levels == nil {
		levels = s.levelsOf(rows)
		if full {
			s.levels = levels
		}
	}
	if err := s.writePage(&s.pages, len(s.ids)-rows, rows*d, levels, s.page); err != nil {
		return err
	}
	s.page = s.page[:0]
	return nil
}

func segmentPageRows(d int) int { return max(1, segmentPageBytes/(4*d)) }

// levelsOf are the levels of some rows, all present.
func (s *SegmentWriter) levelsOf(rows int) []byte {
	const full = 2 // the definition level of a number
	return appendLevels(nil, slices.Repeat([]bool{true}, rows), s.space.Dimensions, full)
}

// writePage writes a page that consists of parts, whose first row is that of the row
// group.
func (s *SegmentWriter) writePage(index *format.OffsetIndex, first, values int, parts ...[]byte) error {
	size, checksum := 0, uint32(0)
	for _, part := range parts {
		size += len(part)
		checksum = crc32.Update(checksum, crc32.IEEETable, part)
	}
	header, err := encodePageHeader(values, size, size, checksum)
	if err != nil {
		return err
	}
	index.PageLocations = append(index.PageLocations, format.PageLocation{
		Offset: s.n, CompressedPageSize: int32(len(header) + size), FirstRowIndex: int64(first),
	})
	if err := s.write(header); err != nil {
		return err
	}
	for _, part := range parts {
		if err := s.write(part); err != nil {
			return err
		}
	}
	return nil
}

// writeIndex writes the page index
// (https://parquet.apache.org/docs/file-format/pageindex/) and says where.
func (s *SegmentWriter) writeIndex() error {
	for i := range s.index {
		chunk := &s.meta.RowGroups[i/2].Columns[i%2]
		if bounds := s.index[i].bounds; bounds != nil {
			text, err := thrift.Marshal(new(thrift.CompactProtocol), bounds)
			if err != nil {
				return err
			}
			chunk.ColumnIndexOffset, chunk.ColumnIndexLength = s.n, int32(len(text))
			if err := s.write(text); err != nil {
				return err
			}
		}
		text, err := thrift.Marshal(new(thrift.CompactProtocol), &s.index[i].offsets)
		if err != nil {
			return err
		}
		chunk.OffsetIndexOffset, chunk.OffsetIndexLength = s.n, int32(len(text))
		if err := s.write(text); err != nil {
			return err
		}
	}
	return nil
}
