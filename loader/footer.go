package loader

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// footerMark begins and ends a Parquet file.
const footerMark = "PAR1"

// checkFooter reads the footer of a file of size bytes, whose ends checkFrame
// has looked at. It refuses those for which parquet-go would make room far
// beyond what they hold.
func checkFooter(r io.ReaderAt, size int64) (meta *format.FileMetaData, columns int, err error) {
	var tail [4]byte
	if _, err := r.ReadAt(tail[:], size-8); err != nil {
		return nil, 0, withoutPath(err)
	}
	data := make([]byte, binary.LittleEndian.Uint32(tail[:]))
	if _, err := r.ReadAt(data, size-8-int64(len(data))); err != nil {
		return nil, 0, withoutPath(err)
	}
	scan := compactScan{data: data}
	if err := scan.fields(0); err != nil {
		return nil, 0, fmt.Errorf("the file is damaged: its footer %w", endsEarly(err))
	}
	// A struct takes up to 560 bytes once it is decoded. Pages, columns and
	// row groups need 16 bytes each and more where they are many.
	if most := 1<<17 + len(data)/16; scan.structs > most {
		return nil, 0, fmt.Errorf("the file is damaged: its footer of %d bytes lists %d things, want at most %d", len(data), scan.structs, most)
	}
	meta = new(format.FileMetaData)
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), data[:scan.at], meta); err != nil {
		return nil, 0, errors.New("the file is damaged: its footer does not say what it must")
	}
	columns, err = countColumns(meta.Schema)
	if err != nil {
		return nil, 0, err
	}
	for i, group := range meta.RowGroups {
		if len(group.Columns) != columns {
			return nil, 0, fmt.Errorf("the file is damaged: row group %d has %d columns, the file %d", i, len(group.Columns), columns)
		}
	}
	return meta, columns, nil
}

// endsEarly words the error of a compactScan.
func endsEarly(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("ends too early")
	}
	return err
}

// countColumns counts the columns of a schema, which is listed depth first. It
// refuses one that is not a single tree whose leaves alone have values:
// parquet-go passes over what leaves say of children, and over groups after the
// end. It also refuses levels that go too deep.
func countColumns(schema []format.SchemaElement) (n int, err error) {
	const deepest = 32
	var open []int32 // the children that are to come at each level
	for i := range schema {
		if len(open) > deepest {
			return 0, fmt.Errorf("the file is damaged: its columns have more than %d levels", deepest)
		}
		if i > 0 && len(open) == 0 {
			return 0, errors.New("the file is damaged: its footer lists more columns than it says to have")
		}
		leaf, children := schema[i].Type.Valid, schema[i].NumChildren.V
		if children < 0 {
			return 0, fmt.Errorf("the file is damaged: its column %q consists of %d", schema[i].Name, children)
		}
		if leaf && children > 0 {
			return 0, fmt.Errorf("the file is damaged: its column %q has values and columns of its own", schema[i].Name)
		}
		if leaf {
			n++
		}
		if children > 0 {
			open = append(open, children)
			continue
		}
		for len(open) > 0 {
			open[len(open)-1]--
			if open[len(open)-1] > 0 {
				break
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		return 0, errors.New("the file is damaged: its footer lists fewer columns than it says to have")
	}
	return n, nil
}

// plainTwin returns a file of the same columns with one row group, which says
// that nothing is compressed and has no pages: they come from a pageStream.
func plainTwin(schema []format.SchemaElement, columns int) (*parquet.File, error) {
	chunk := format.ColumnChunk{MetaData: format.ColumnMetaData{
		Codec: format.Uncompressed, TotalCompressedSize: math.MaxInt64,
		Encoding: thrift.Slice[format.Encoding]{format.Plain}, PathInSchema: thrift.Slice[string]{""},
	}}
	footer, err := thrift.Marshal(new(thrift.CompactProtocol), &format.FileMetaData{
		Version: 1, Schema: schema,
		RowGroups: []format.RowGroup{{Columns: slices.Repeat([]format.ColumnChunk{chunk}, columns)}},
	})
	if err != nil {
		return nil, err
	}
	data := append([]byte(footerMark), footer...)
	data = binary.LittleEndian.AppendUint32(data, uint32(len(footer)))
	data = append(data, footerMark...)
	return parquet.OpenFile(bytes.NewReader(data), int64(len(data)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
}
