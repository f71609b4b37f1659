package loader

import (
	"encoding/binary"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// A vectorColumn reads the vectors of a column and writes them, transformed, as
// lists of float in the encoding PLAIN, compressed as they were.
type vectorColumn struct {
	*parquetCopy
	leaf   *parquet.Column
	reader vectorReader
	full   byte // the definition level of a number: 3 where a row may be null, else 2

	present []bool    // of the rows of the batch; false: null
	x, y    []float32 // of those that are present
	codec   compress.Codec
	meta    format.ColumnMetaData // of the chunk that is being written
	raw     []byte
	packed  []byte
}

func newVectorColumn(c *parquetCopy, leaf *parquet.Column) *vectorColumn {
	v := &vectorColumn{parquetCopy: c, leaf: leaf, full: 2}
	if c.in.Root().Column(c.column).Optional() {
		v.full = 3
	}
	v.reader = vectorReader{file: c.in, column: c.column, leaf: leaf, visit: v.add, nulls: true}
	return v
}

// chunk writes the column of a row group, which chunk describes, and describes
// what it wrote.
func (v *vectorColumn) chunk(group parquet.RowGroup, chunk *format.ColumnChunk) error {
	if err := v.reader.checkType(); err != nil {
		return err
	}
	v.codec = parquet.LookupCompressionCodec(chunk.MetaData.Codec)
	v.meta = format.ColumnMetaData{
		Type: format.Float, Encoding: thrift.Slice[format.Encoding]{format.Plain, format.RLE},
		PathInSchema: thrift.Slice[string]{v.column, "list", "element"},
		Codec:        chunk.MetaData.Codec, DataPageOffset: v.w.n,
	}
	first := v.reader.row
	if err := v.in.groupPages(group, v.leaf, v.reader.page); err != nil {
		return err
	}
	if err := v.reader.flush(); err != nil {
		return err
	}
	if err := v.flush(); err != nil {
		return err
	}
	if rows := int64(v.reader.row - first); rows != group.NumRows() {
		return v.in.errorf("column %q is damaged: it has %d rows in a row group of %d", v.column, rows, group.NumRows())
	}
	*chunk = format.ColumnChunk{MetaData: v.meta}
	return nil
}

// add takes the next row; x is nil where it is null.
func (v *vectorColumn) add(row int, x []float32) error {
	if x != nil {
		if len(x) != v.t.In {
			return v.in.errorf("row %d: %s has %d values, want the matrix's %d", row, v.column, len(x), v.t.In)
		}
		if err := checkFinite(x); err != nil {
			return v.in.errorf("row %d: %s %w", row, v.column, err)
		}
		v.x = append(v.x, x...)
	}
	v.present = append(v.present, x != nil)
	if len(v.present) < v.t.batchRows() {
		return nil
	}
	return v.flush()
}

// flush transforms and writes the batch.
func (v *vectorColumn) flush() error {
	n := len(v.x) / v.t.In
	if len(v.y) < n*v.t.Out {
		v.y = make([]float32, n*v.t.Out)
	}
	y := v.y[:n*v.t.Out]
	if n > 0 {
		v.t.Apply(y, v.x)
	}
	const values = 1 << 18 // in a page, which makes a mebibyte
	pageRows := max(1, values/v.t.Out)
	for present := v.present; len(present) > 0; {
		rows := present[:min(pageRows, len(present))]
		present = present[len(rows):]
		numbers := 0
		for _, p := range rows {
			if p {
				numbers += v.t.Out
			}
		}
		if err := v.page(rows, y[:numbers]); err != nil {
			return err
		}
		y = y[numbers:]
	}
	v.x, v.present = v.x[:0], v.present[:0]
	v.done(int64(v.reader.row))
	return nil
}

// page writes a data page of version 1
// (https://parquet.apache.org/docs/file-format/data-pages): its header, then,
// compressed, repetition levels, definition levels and numbers.
func (v *vectorColumn) page(present []bool, y []float32) error {
	v.raw = appendLevels(v.raw[:0], present, v.t.Out, v.full)
	v.raw = appendLittle(v.raw, y)
	data := v.raw
	if v.meta.Codec != format.Uncompressed {
		var err error
		if v.packed, err = v.codec.Encode(v.packed[:0], v.raw); err != nil {
			return v.in.errorf("column %q: %w", v.column, err)
		}
		data = v.packed
	}
	count := len(y) + len(present) - len(y)/v.t.Out // a null counts as one
	header, err := encodePageHeader(count, len(v.raw), len(data), 0)
	if err != nil {
		return v.in.errorf("column %q: %w", v.column, err)
	}
	v.meta.NumValues += int64(count)
	v.meta.TotalUncompressedSize += int64(len(header) + len(v.raw))
	v.meta.TotalCompressedSize += int64(len(header) + len(data))
	if _, err := v.w.Write(header); err != nil {
		return err
	}
	_, err = v.w.Write(data)
	return err
}

// encodePageHeader describes a data page of version 1 with values in the
// encoding PLAIN, which are some bytes unpacked and some as they are stored. A
// checksum of 0 says none.
func encodePageHeader(values, unpacked, stored int, checksum uint32) ([]byte, error) {
	return thrift.Marshal(new(thrift.CompactProtocol), &format.PageHeader{
		Type:                 format.DataPage,
		UncompressedPageSize: int32(unpacked), CompressedPageSize: int32(stored), CRC: int32(checksum),
		DataPageHeader: thrift.New(format.DataPageHeader{
			NumValues: int32(values), Encoding: format.Plain,
			DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE,
		}),
	})
}

// appendLevels appends the repetition and the definition levels of rows that
// are lists of k numbers, or null where they are not present: a length each,
// and runs.
func appendLevels(b []byte, present []bool, k int, full byte) []byte {
	b, start := beginLevels(b)
	for _, p := range present {
		b = appendRun(b, 1, 0)
		if p {
			b = appendRun(b, k-1, 1)
		}
	}
	endLevels(b, start)
	b, start = beginLevels(b)
	for i := 0; i < len(present); {
		end := i + 1
		for end < len(present) && present[end] == present[i] {
			end++
		}
		if present[i] {
			b = appendRun(b, (end-i)*k, full)
		} else {
			b = appendRun(b, end-i, 0)
		}
		i = end
	}
	endLevels(b, start)
	return b
}

func beginLevels(b []byte) ([]byte, int) { return append(b, 0, 0, 0, 0), len(b) }

func endLevels(b []byte, start int) {
	binary.LittleEndian.PutUint32(b[start:], uint32(len(b)-start-4))
}

// appendRun appends a run of n equal levels
// (https://parquet.apache.org/docs/file-format/data-pages/encodings, RLE).
func appendRun(b []byte, n int, level byte) []byte {
	if n == 0 {
		return b
	}
	return append(binary.AppendUvarint(b, uint64(n)<<1), level)
}
