package loader

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// lz4Pages shows a file such that parquet-go v0.32 reads its LZ4 pages right.
//
// parquet-go decodes such a page into a buffer of its own, and then drops that
// for one that nothing was written to, where the page is not longer than its
// header says (parquet-go/parquet-go#608): what was stored reads as zeros or
// as another page. So here each header says 0, which it uses for nothing else.
type lz4Pages struct {
	io.ReaderAt
	sizes []span // of the bytes that say how long a page is, in order
}

// A span is a stretch of a file.
type span struct{ start, end int64 }

// ReadAt reads the file's bytes with a number 0 in place of each size, in as
// many bytes: a variable-length integer goes on where the highest bit is set.
func (p *lz4Pages) ReadAt(b []byte, at int64) (int, error) {
	n, err := p.ReaderAt.ReadAt(b, at)
	end := at + int64(n)
	first, _ := slices.BinarySearchFunc(p.sizes, at, func(s span, at int64) int { return cmp.Compare(s.end, at+1) })
	for _, s := range p.sizes[first:] {
		if s.start >= end {
			break
		}
		for i := max(s.start, at); i < min(s.end, end); i++ {
			b[i-at] = 0x80
			if i == s.end-1 {
				b[i-at] = 0
			}
		}
	}
	return n, err
}

// find looks for the sizes, once the footer says where the columns are.
func (p *lz4Pages) find(file *parquet.File) error {
	for _, group := range file.Metadata().RowGroups {
		for i := range group.Columns {
			m := &group.Columns[i].MetaData
			if m.Codec != format.Lz4Raw {
				continue
			}
			start := m.DataPageOffset
			if m.DictionaryPageOffset != 0 {
				start = m.DictionaryPageOffset
			}
			if err := p.findIn(start, start+m.TotalCompressedSize); err != nil {
				return err
			}
		}
	}
	slices.SortFunc(p.sizes, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	return nil
}

// findIn walks from header to header. Where one is damaged it ends without an
// error: whoever reads the page meets the damage, and may not need to.
func (p *lz4Pages) findIn(at, end int64) error {
	buffered := bufio.NewReaderSize(nil, 512)
	for at >= 0 && at < end {
		rest := io.NewSectionReader(p.ReaderAt, at, end-at)
		buffered.Reset(rest)
		begin, _ := buffered.Peek(2 * (1 + binary.MaxVarintLen32))
		size, ok := sizeField(begin)
		var header format.PageHeader
		decoder := thrift.NewDecoder(new(thrift.CompactProtocol).NewReader(buffered))
		if decoder.Decode(&header) != nil || header.CompressedPageSize < 0 {
			return nil
		}
		if !ok {
			return errors.New("its LZ4 pages are written in an unknown way: write the file again with another compression")
		}
		p.sizes = append(p.sizes, span{at + size.start, at + size.end})
		read, _ := rest.Seek(0, io.SeekCurrent) // into buffered, which has some of it still
		at += read - int64(buffered.Buffered()) + int64(header.CompressedPageSize)
	}
	return nil
}

// sizeField finds the number uncompressed_page_size in the first bytes of a
// page header: field 2, after the type of the page, field 1. Both are i32.
func sizeField(header []byte) (size span, ok bool) {
	const next32 = 0x15 // the next field, an i32
	at := 0
	for range 2 {
		if at >= len(header) || header[at] != next32 {
			return size, false
		}
		_, n := binary.Uvarint(header[at+1:])
		if n <= 0 {
			return size, false
		}
		size = span{int64(at + 1), int64(at + 1 + n)}
		at = int(size.end)
	}
	return size, true
}
