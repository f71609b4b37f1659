package loader

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

const (
	segmentGroupBytes = 32 << 20 // of a row group, which is held in memory
	segmentPageBytes  = 1 << 17  // of vectors
	segmentPageIDs    = 512
	segmentIDBytes    = 4 + 2*len(ID{}) // of an id: its length and its digits

	segmentSpaceKey      = "cosfit.space"
	segmentNormalizedKey = "cosfit.normalized"
)

// A SegmentWriter writes a segment: see Segment.
type SegmentWriter struct {
	w     io.Writer
	n     int64 // bytes written
	space Manifest
	meta  format.FileMetaData
	index []segmentColumnIndex // of each row group's two columns, in turn

	ids        []ID // of the row group that is open
	vectors    []float32
	last       ID
	normalized bool
	raw        []byte
	present    []bool
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
	s.last = id
	s.ids = append(s.ids, id)
	s.vectors = append(s.vectors, v...)
	s.normalized = s.normalized && IsNormalized(v)
	if len(s.ids)*(segmentIDBytes+4*len(v)) < segmentGroupBytes {
		return nil
	}
	return s.group()
}

// IsNormalized reports whether a vector has the length 1, but for rounding to
// half precision.
func IsNormalized(v []float32) bool {
	const tolerance = 1e-3
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Abs(math.Sqrt(sum)-1) <= tolerance
}

// Size is how many bytes the segment has so far, without its index and footer.
func (s *SegmentWriter) Size() int64 {
	return s.n + int64(len(s.ids)*(segmentIDBytes+4*s.space.Dimensions))
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

// group writes the row group that is open.
func (s *SegmentWriter) group() error {
	if s.n == 0 {
		if err := s.write([]byte(footerMark)); err != nil {
			return err
		}
	}
	g := format.RowGroup{
		NumRows: int64(len(s.ids)), FileOffset: s.n, Ordinal: int16(len(s.meta.RowGroups)),
		SortingColumns: thrift.Slice[format.SortingColumn]{{ColumnIdx: 0}},
	}
	for _, column := range []func(*format.ColumnMetaData, *segmentColumnIndex) error{s.idColumn, s.vectorColumn} {
		chunk := format.ColumnMetaData{Codec: format.Uncompressed, DataPageOffset: s.n}
		var index segmentColumnIndex
		if err := column(&chunk, &index); err != nil {
			return err
		}
		chunk.TotalUncompressedSize = s.n - chunk.DataPageOffset
		chunk.TotalCompressedSize = chunk.TotalUncompressedSize
		g.Columns = append(g.Columns, format.ColumnChunk{MetaData: chunk})
		g.TotalByteSize += chunk.TotalUncompressedSize
		s.index = append(s.index, index)
	}
	g.TotalCompressedSize = g.TotalByteSize
	s.meta.RowGroups = append(s.meta.RowGroups, g)
	s.meta.NumRows += g.NumRows
	s.ids, s.vectors = s.ids[:0], s.vectors[:0]
	return nil
}

// idColumn writes the ids: of each, the length and the digits.
func (s *SegmentWriter) idColumn(chunk *format.ColumnMetaData, index *segmentColumnIndex) error {
	chunk.Type = format.ByteArray
	chunk.Encoding = thrift.Slice[format.Encoding]{format.Plain}
	chunk.PathInSchema = thrift.Slice[string]{"id"}
	chunk.NumValues = int64(len(s.ids))
	index.bounds = &format.ColumnIndex{BoundaryOrder: format.Ascending}
	if len(s.ids) > 0 {
		chunk.Statistics = format.Statistics{MinValue: []byte(s.ids[0].String()), MaxValue: []byte(s.ids[len(s.ids)-1].String())}
	}
	for first := 0; first < len(s.ids); first += segmentPageIDs {
		ids := s.ids[first:min(first+segmentPageIDs, len(s.ids))]
		s.raw = s.raw[:0]
		for _, id := range ids {
			s.raw = append(s.raw, byte(2*len(id)), 0, 0, 0)
			s.raw = hex.AppendEncode(s.raw, id[:])
		}
		b := index.bounds
		b.NullPages = append(b.NullPages, false)
		b.NullCounts = append(b.NullCounts, 0)
		b.MinValues = append(b.MinValues, []byte(ids[0].String()))
		b.MaxValues = append(b.MaxValues, []byte(ids[len(ids)-1].String()))
		if err := s.page(&index.offsets, first, len(ids)); err != nil {
			return err
		}
	}
	return nil
}

// vectorColumn writes the vectors: levels, and numbers in a row.
func (s *SegmentWriter) vectorColumn(chunk *format.ColumnMetaData, index *segmentColumnIndex) error {
	const full = 2 // the definition level of a number
	d := s.space.Dimensions
	chunk.Type = format.Float
	chunk.Encoding = thrift.Slice[format.Encoding]{format.Plain, format.RLE}
	chunk.PathInSchema = thrift.Slice[string]{"embedding", "list", "element"}
	chunk.NumValues = int64(len(s.vectors))
	rows := segmentPageRows(d)
	for first := 0; first < len(s.ids); first += rows {
		n := min(rows, len(s.ids)-first)
		for len(s.present) < n {
			s.present = append(s.present, true)
		}
		s.raw = appendLevels(s.raw[:0], s.present[:n], d, full)
		s.raw = append(s.raw, bytesOf(s.vectors[first*d:(first+n)*d])...)
		if err := s.page(&index.offsets, first, n*d); err != nil {
			return err
		}
	}
	return nil
}

func segmentPageRows(d int) int { return max(1, segmentPageBytes/(4*d)) }

// page writes the page in s.raw, whose first row is that of the row group.
func (s *SegmentWriter) page(index *format.OffsetIndex, first, values int) error {
	header, err := encodePageHeader(values, len(s.raw), len(s.raw), crc32.ChecksumIEEE(s.raw))
	if err != nil {
		return err
	}
	index.PageLocations = append(index.PageLocations, format.PageLocation{
		Offset: s.n, CompressedPageSize: int32(len(header) + len(s.raw)), FirstRowIndex: int64(first),
	})
	if err := s.write(header); err != nil {
		return err
	}
	return s.write(s.raw)
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
