package loader

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// A pageStream reads the pages of a column in a row group and shows them to
// parquet-go decompressed, once it has seen that decoding them takes no more
// memory than a file of this size can ask for.
//
// parquet-go v0.32 believes what a file says: a header of a few bytes makes it
// take gigabytes, for which Go ends the process. It also reads LZ4 pages wrong
// (parquet-go/parquet-go#608), which is no matter where it does not decompress.
type pageStream struct {
	r       io.ReaderAt
	at, end int64 // of the pages in r that are to come
	leaf    *parquet.Column
	limits  limits
	left    *limits // of the column
	codec   unpacker

	dictionary bool               // has been read
	head       []byte             // of the page to be shown next
	page       *format.PageHeader // whose bytes are to be shown after head
	packed     []byte             // buffer for bytes as they are stored
	// Zeros to be shown behind a page. Some writers leave out what fills up the
	// last group of eight numbers of up to 32 bits; parquet-go wants it there,
	// and passes over zeros.
	padding int
}

// limits bound what a file may ask for.
type limits struct {
	rows          int64 // of a column with a value in each, which take the most room
	values, bytes int64 // of a page
}

// pageLimits are what there may be in a file of a size: far more than it takes
// to store embeddings, which hardly compress, and far less than ends a process.
// A page of 100 MB, as DuckDB writes them, may be in a file of 2 MB.
func pageLimits(size int64) limits {
	values := 1<<24 + 8*size
	return limits{rows: 1<<22 + 8*size, values: values, bytes: 8 * values}
}

// column returns what the pages of a column may have together.
func (l limits) column() limits {
	return limits{rows: l.rows, values: 4 * l.values, bytes: 3 * l.bytes}
}

// stream returns the pages of a leaf column in a row group.
func (f *parquetFile) stream(group parquet.RowGroup, leaf *parquet.Column, left *limits) (*pageStream, error) {
	i := slices.Index(f.RowGroups(), group)
	m := &f.Metadata().RowGroups[i].Columns[leaf.Index()].MetaData
	column := leaf.Path()[0]
	if !knownCodec(m.Codec) {
		return nil, f.errorf("column %q is compressed with %s, want SNAPPY, ZSTD, GZIP, BROTLI, LZ4_RAW or none: write the file again", column, m.Codec)
	}
	start := m.DataPageOffset
	if m.DictionaryPageOffset != 0 {
		start = m.DictionaryPageOffset
	}
	if size := m.TotalCompressedSize; size != 0 && (start < 4 || size < 0 || size > f.Size()-start) {
		return nil, f.errorf("column %q is damaged: it would reach beyond the end of the file", column)
	}
	return &pageStream{
		r: f.stored, at: start, end: start + m.TotalCompressedSize, leaf: leaf,
		limits: f.limits, left: left, codec: unpacker{codec: m.Codec},
	}, nil
}

// ReadAt reads on wherever it is asked to: the header of a page, then the rest.
// The buffered reader that parquet-go puts between has room for either.
func (s *pageStream) ReadAt(b []byte, _ int64) (int, error) {
	for s.page == nil {
		if err := s.next(); err != nil {
			return 0, err
		}
	}
	if len(s.head) > 0 {
		n := copy(b, s.head)
		s.head = s.head[n:]
		return n, nil
	}
	n := int(s.page.UncompressedPageSize)
	if len(b) < n+s.padding {
		return 0, io.ErrShortBuffer
	}
	if err := s.unpack(b[:n]); err != nil {
		return 0, err
	}
	clear(b[n : n+s.padding])
	s.page = nil
	return n + s.padding, nil
}

// next turns to the next page, unless that can be left out.
func (s *pageStream) next() error {
	if s.at >= s.end {
		return io.EOF
	}
	h, err := s.header()
	if err != nil {
		return err
	}
	if err := s.checkHeader(h); err != nil {
		return err
	}
	if h.Type == format.DictionaryPage && s.dictionary || h.Type != format.DictionaryPage && pageValues(h) == 0 {
		s.at += int64(h.CompressedPageSize)
		return nil
	}
	if s.plain(h) {
		h.UncompressedPageSize = h.CompressedPageSize
	}
	s.padding = 0
	if isDictionary(h.DataPageHeader.V.Encoding) || isDictionary(h.DataPageHeaderV2.V.Encoding) {
		s.padding = 8 * 32 / 8
	}
	shown := *h
	shown.CRC, shown.UncompressedPageSize = 0, h.UncompressedPageSize+int32(s.padding)
	shown.CompressedPageSize = shown.UncompressedPageSize
	shown.DataPageHeader.V.Statistics = format.Statistics{}
	shown.DataPageHeaderV2.V.Statistics = format.Statistics{}
	s.page = h
	s.head, err = thrift.Marshal(new(thrift.CompactProtocol), &shown)
	return err
}

// plain reports whether a page is not compressed.
func (s *pageStream) plain(h *format.PageHeader) bool {
	v2 := &h.DataPageHeaderV2.V.IsCompressed
	return s.codec.codec == format.Uncompressed || h.Type == format.DataPageV2 && v2.Valid && !v2.V
}

// header reads the header of a page, which ends where nothing but a scan
// tells. Statistics can make it long.
func (s *pageStream) header() (*format.PageHeader, error) {
	const longest = 1 << 24
	for size := int64(1 << 9); ; size *= 8 {
		size = min(size, s.end-s.at)
		b := s.stored(size)
		if err := s.read(b); err != nil {
			return nil, err
		}
		scan := compactScan{data: b}
		err := scan.fields(0)
		if errors.Is(err, io.ErrUnexpectedEOF) && size < min(longest, s.end-s.at) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("the header of a page %w", endsEarly(err))
		}
		header := new(format.PageHeader)
		if err := thrift.Unmarshal(new(thrift.CompactProtocol), b[:scan.at], header); err != nil {
			return nil, errors.New("the header of a page does not say what it must")
		}
		s.at += int64(scan.at)
		return header, nil
	}
}

// read fills b with the bytes where the stream is.
func (s *pageStream) read(b []byte) error {
	n, err := s.r.ReadAt(b, s.at)
	switch {
	case n == len(b):
		return nil
	case errors.Is(err, io.EOF): // the file was longer when it was opened
		return io.ErrUnexpectedEOF
	}
	return err
}

// stored returns the buffer for bytes as they are stored, so long.
func (s *pageStream) stored(size int64) []byte {
	s.packed = slices.Grow(s.packed[:0], int(size))[:size]
	return s.packed
}

// checkHeader compares what a page says of itself with what there is, and
// counts its values.
func (s *pageStream) checkHeader(h *format.PageHeader) error {
	packed, size, values := int64(h.CompressedPageSize), int64(h.UncompressedPageSize), pageValues(h)
	if s.plain(h) {
		size = packed
	}
	switch {
	case values == noValues:
		return fmt.Errorf("a page is of type %s, want data or a dictionary", h.Type)
	case packed < 0 || packed > s.end-s.at:
		return fmt.Errorf("a page would be %d bytes, the column has %d left", packed, s.end-s.at)
	case size < 0 || size > s.limits.bytes:
		return fmt.Errorf("a page would unpack to %d bytes, want at most %d in a file of this size", size, s.limits.bytes)
	case values < 0 || values > s.limits.values:
		return fmt.Errorf("a page would have %d values, want at most %d in a file of this size", values, s.limits.values)
	}
	s.left.values -= values
	s.left.bytes -= size
	switch {
	case s.left.values < 0:
		return errors.New("its pages would have far more values than the file has bytes")
	case s.left.bytes < 0:
		return errors.New("its pages would unpack to far more bytes than the file has")
	}
	return nil
}

// noValues stands for a page of another kind.
const noValues = math.MinInt64

// pageValues returns how many values a page has by its header.
func pageValues(h *format.PageHeader) int64 {
	switch {
	case h.Type == format.DictionaryPage && h.DictionaryPageHeader.Valid:
		return int64(h.DictionaryPageHeader.V.NumValues)
	case h.Type == format.DataPage && h.DataPageHeader.Valid:
		return int64(h.DataPageHeader.V.NumValues)
	case h.Type == format.DataPageV2 && h.DataPageHeaderV2.Valid:
		return int64(h.DataPageHeaderV2.V.NumValues)
	}
	return noValues
}

// unpack reads the page into dst, decompresses and checks it.
func (s *pageStream) unpack(dst []byte) (err error) {
	h := s.page
	stored := dst
	if !s.plain(h) {
		stored = s.stored(int64(h.CompressedPageSize))
	}
	if err := s.read(stored); err != nil {
		return err
	}
	s.at += int64(len(stored))
	if h.CRC != 0 && uint32(h.CRC) != crc32.ChecksumIEEE(stored) {
		return errors.New("the checksum of a page is not that of its bytes")
	}
	levels := 0 // bytes that are never compressed
	if h.Type == format.DataPageV2 {
		if levels, err = levelsV2(&h.DataPageHeaderV2.V, min(len(stored), len(dst))); err != nil {
			return err
		}
	}
	if !s.plain(h) {
		copy(dst, stored[:levels])
		if err := s.codec.unpack(dst[levels:], stored[levels:]); err != nil {
			return err
		}
	}
	switch h.Type {
	case format.DictionaryPage:
		s.dictionary = true
		return checkDictionary(&h.DictionaryPageHeader.V, s.leaf.Type(), dst)
	case format.DataPage:
		return s.checkV1(&h.DataPageHeader.V, dst)
	}
	return s.checkV2(&h.DataPageHeaderV2.V, dst, levels)
}

// checkV1 checks a page of levels, which say how long they are, and values.
func (s *pageStream) checkV1(h *format.DataPageHeader, data []byte) error {
	n := int(h.NumValues)
	for _, levels := range []struct {
		max      int
		encoding format.Encoding
	}{
		{s.leaf.MaxRepetitionLevel(), h.RepetitionLevelEncoding},
		{s.leaf.MaxDefinitionLevel(), h.DefinitionLevelEncoding},
	} {
		if levels.max == 0 {
			continue
		}
		runs, rest, err := prefixed(data)
		if err != nil {
			return err
		}
		if err := checkLevels(levels.encoding, runs, levels.max, n); err != nil {
			return err
		}
		data = rest
	}
	return s.checkValues(h.Encoding, data, n)
}

// levelsV2 returns how many of the bytes of a page are levels.
func levelsV2(h *format.DataPageHeaderV2, size int) (int, error) {
	repetition, definition := int64(h.RepetitionLevelsByteLength), int64(h.DefinitionLevelsByteLength)
	if min(repetition, definition) < 0 || repetition+definition > int64(size) {
		return 0, fmt.Errorf("the levels of a page would be %d and %d bytes of %d", repetition, definition, size)
	}
	return int(repetition + definition), nil
}

// checkV2 checks a page of levels, whose length the header says, and values.
func (s *pageStream) checkV2(h *format.DataPageHeaderV2, data []byte, levels int) error {
	if h.NumNulls < 0 || h.NumNulls > h.NumValues {
		return fmt.Errorf("a page would have %d nulls among %d values", h.NumNulls, h.NumValues)
	}
	n := int(h.NumValues)
	for _, l := range []struct {
		max  int
		runs []byte
	}{
		{s.leaf.MaxRepetitionLevel(), data[:h.RepetitionLevelsByteLength]},
		{s.leaf.MaxDefinitionLevel(), data[h.RepetitionLevelsByteLength:levels]},
	} {
		if l.max == 0 {
			continue
		}
		if len(l.runs) == 0 {
			return errors.New("a page has no levels")
		}
		if err := checkLevels(format.RLE, l.runs, l.max, n); err != nil {
			return err
		}
	}
	return s.checkValues(h.Encoding, data[levels:], n)
}

func isDictionary(encoding format.Encoding) bool {
	return encoding == plainDictionary || encoding == format.RLEDictionary
}

// checkValues checks the values of a data page, of which some may be null.
func (s *pageStream) checkValues(encoding format.Encoding, data []byte, n int) error {
	if !isDictionary(encoding) {
		return checkEncoded(encoding, s.leaf.Type(), data, n, s.limits.bytes)
	}
	if !s.dictionary {
		return errors.New("its dictionary is missing")
	}
	if len(data) == 0 {
		return nil
	}
	return checkRuns(data[1:], int(data[0]), n)
}
